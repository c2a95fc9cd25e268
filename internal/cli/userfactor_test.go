package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"boundgate/internal/admin/admintest"
	"boundgate/internal/cli"
)

// An administrator finds the lost phone and removes it, whatever its kind; nothing shows its key. // P11
func TestFactorCommands(t *testing.T) {
	s := newServer(t)
	s.signIn(t)
	const mika = "mika@contoso.example"
	phone, passkey := id("mika's phone"), id("mika's passkey")
	out := s.must(t, "user", "factors", mika)
	for _, want := range []string{"Authenticator app  authenticator app  2026-05-04 07:00:00Z  -          " + phone, "Passkey            passkey            2026-05-04 07:01:00Z  -          " + passkey} {
		if !strings.Contains(out, want) {
			t.Errorf("factors does not say %q:\n%s", want, out)
		}
	}
	var listed []map[string]any
	text := s.must(t, "user", "factors", mika, "--json")
	if err := json.Unmarshal([]byte(text), &listed); err != nil || len(listed) != 2 || listed[1]["id"] != passkey {
		t.Errorf("--json: %s, %v", text, err)
	}
	if strings.Contains(out+text, admintest.TOTPKey) {
		t.Errorf("a key is shown:\n%s%s", out, text)
	}
	if r := s.run(t, "", "user", "factor-remove", mika, id("admin's phone")); r.code != cli.ExitFailed || !strings.Contains(r.errOut, "has no second factor") ||
		!strings.Contains(r.errOut, `hint: run "boundgate user factors mika@contoso.example"`) {
		t.Errorf("another's phone: %+v", r)
	}
	for _, each := range []string{phone, passkey} {
		s.must(t, "user", "factor-remove", mika, each)
	}
	if out := s.must(t, "user", "factors", mika); strings.Contains(out, phone) || strings.Contains(out, passkey) {
		t.Errorf("after both are removed:\n%s", out)
	}
}

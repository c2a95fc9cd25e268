package broker

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// FuzzDecodeState holds the reading of state files to three promises: it does not panic, what it accepts can be used (a
// user is found by name, every address is https), and what was read is written and read again.
func FuzzDecodeState(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"version":1,"server":"https://login.example","registrationServer":"https://login.example:8444/EnrollmentServer/device/",` +
		`"deviceId":"d9dc3483-8809-4802-a8fc-ac70d8591810","tenantId":"contoso.example","certificate":"MAA=",` +
		`"accounts":[{"username":"alice@contoso.example","tenantId":"contoso.example","primaryRefreshToken":"0.a","session_key_jwe":"a.b.c.d.e"}]}`))
	f.Add([]byte(`{"accounts":[null]}`))
	f.Add([]byte(`{"deviceId":"d9dc3483-8809-4802-a8fc-ac70d8591810","server":"http://x"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := decodeState(text)
		if err != nil {
			return
		}
		for _, a := range s.Accounts {
			found, err := s.account(a.Username)
			if err == nil && found.Username != strings.ToLower(a.Username) {
				t.Fatalf("looked for %q, found %q", a.Username, found.Username)
			}
		}
		if s.registered() && (!strings.HasPrefix(s.Server, "https://") || !strings.HasPrefix(s.Registration, "https://")) {
			t.Fatalf("accepted the addresses %q and %q", s.Server, s.Registration)
		}
		written, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeState(written); err != nil {
			t.Fatalf("what was read and written is not read again: %v", err)
		}
	})
}

// FuzzServerURL holds addresses to one promise: what is accepted is https and keeps nothing but host, port and path.
func FuzzServerURL(f *testing.F) {
	for _, seed := range []string{"https://login.example:8443/", "http://login.example", "https://a:b@c", "https://x/?y", "https://[::1]:1/p", "https:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := serverURL(text)
		if err != nil {
			return
		}
		again, err := serverURL(got)
		if err != nil || again != got || !strings.HasPrefix(got, "https://") || strings.HasSuffix(got, "/") {
			t.Fatalf("serverURL(%q) = %q, and of that %q, %v", text, got, again, err)
		}
	})
}

// FuzzRefusal holds a refusal's words to two promises: no control character reaches a terminal, and message and remedy are
// made of the server's words.
func FuzzRefusal(f *testing.F) {
	f.Add("AADSTS50126: Error validating credentials. Check the user name. Trace ID: x Correlation ID: y")
	f.Add("\x1b]0;owned\x07")
	f.Add("")
	f.Fuzz(func(t *testing.T, description string) {
		r := &Refusal{Status: 400, OAuth: "invalid_grant", Description: description}
		for _, text := range []string{r.Error(), r.Message(), r.Remedy()} {
			if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f || c == 0x9b }) {
				t.Fatalf("%q has a control character", text)
			}
		}
		if !strings.Contains(r.Error(), r.Remedy()) {
			t.Fatalf("the remedy %q is not in %q", r.Remedy(), r.Error())
		}
	})
}

func TestUnixTime(t *testing.T) {
	if got, err := unixTime("1772442000"); err != nil || !got.Equal(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)) {
		t.Errorf("unixTime() = %v, %v", got, err)
	}
	for _, text := range []string{"", "soon", "-1", "0", "99999999999999999999", "1e9"} {
		if got, err := unixTime(text); err == nil {
			t.Errorf("unixTime(%q) = %v, want an error", text, got)
		}
	}
}

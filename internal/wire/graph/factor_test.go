package graph_test

import (
	"net/http"
	"strings"
	"testing"

	"boundgate/internal/admin/admintest"

	"github.com/google/go-cmp/cmp"
)

// A user's authentication methods are those of Graph, in its shapes, and never what proves them. // P11
func TestAuthenticationMethods(t *testing.T) {
	s := newServer(t)
	const context = "https://login.contoso.example/v1.0/$metadata#users/authentication/"
	root, phone, passkey := "/v1.0/users/mika@contoso.example/authentication/", id("mika's phone"), id("mika's passkey")
	oath := func(more ...string) map[string]any {
		return with(map[string]any{"id": phone, "displayName": "Authenticator app", "createdDateTime": "2026-05-04T07:00:00Z", "lastUsedDateTime": nil, "secretKey": nil}, more...)
	}
	fido := func(more ...string) map[string]any {
		return with(map[string]any{"id": passkey, "displayName": "Passkey", "createdDateTime": "2026-05-04T07:01:00Z", "lastUsedDateTime": nil,
			"attestationLevel": "notAttested", "attestationCertificates": []any{}}, more...)
	}
	for path, want := range map[string]any{
		"methods": map[string]any{"@odata.context": context + "methods", "value": []any{
			oath("@odata.type", "#microsoft.graph.softwareOathAuthenticationMethod"), fido("@odata.type", "#microsoft.graph.fido2AuthenticationMethod"),
		}},
		"softwareOathMethods":          map[string]any{"@odata.context": context + "softwareOathMethods", "value": []any{oath()}},
		"softwareOathMethods/" + phone: oath("@odata.context", context+"softwareOathMethods/$entity"),
		"fido2Methods":                 map[string]any{"@odata.context": context + "fido2Methods", "value": []any{fido()}},
		"fido2Methods/" + passkey:      fido("@odata.context", context+"fido2Methods/$entity"),
	} {
		a := s.call(t, global, "GET", root+path, "")
		if diff := cmp.Diff(want, any(a.body)); a.status != http.StatusOK || diff != "" {
			t.Errorf("GET %s: %d (-want +got):\n%s", path, a.status, diff)
		}
		if strings.Contains(a.text, admintest.TOTPKey) {
			t.Errorf("GET %s shows a key: %s", path, a.text)
		}
	}
}

func with(m map[string]any, more ...string) map[string]any {
	for n := 0; n+1 < len(more); n += 2 {
		m[more[n]] = more[n+1]
	}
	return m
}

// A lost phone is removed at the path of its kind, by whoever may reset the password, and is gone.
func TestRemoveAuthenticationMethod(t *testing.T) {
	s := newServer(t)
	root, phone := "/v1.0/users/"+id("mika")+"/authentication/", id("mika's phone")
	for _, tt := range []struct {
		name, as, path string
		status         int
	}{
		{"a reader", "contoso/Global Reader", root + "softwareOathMethods/" + phone, 403},
		{"another tenant's administrator", "fabrikam/Global Administrator", root + "softwareOathMethods/" + phone, 404}, // P13
		{"as a passkey", global, root + "fido2Methods/" + phone, 404},
		{"of another user", global, "/v1.0/users/" + id("admin") + "/authentication/softwareOathMethods/" + phone, 404},
		{"an administrator's, by a user administrator", "contoso/User Administrator", "/v1.0/users/" + id("admin") + "/authentication/softwareOathMethods/" + id("admin's phone"), 403},
		{"all at once", global, root + "softwareOathMethods", 405},
		{"a user administrator", "contoso/User Administrator", root + "softwareOathMethods/" + phone, 204},
		{"a second time", global, root + "softwareOathMethods/" + phone, 404},
	} {
		if a := s.call(t, tt.as, "DELETE", tt.path, ""); a.status != tt.status {
			t.Errorf("%s: %d %s, want %d", tt.name, a.status, a.text, tt.status)
		}
	}
	if a := s.call(t, global, "GET", root+"methods", ""); a.at("value", 0, "id") != id("mika's passkey") || a.at("value", 1) != nil {
		t.Errorf("left: %s", a.text)
	}
	if n := len(s.Entries(t)); n != 1 {
		t.Errorf("%d audit rows, want that of the removal alone", n)
	}
}

package oauth

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// A configuration names the endpoints of its own version, and is the same under the path of RFC 8414.
func TestConfigurations(t *testing.T) {
	const tenant = "9f2b6c1d-7a44-4c0e-8b7e-0c6a1f3d2e55"
	for _, tt := range []struct{ name, path, suffix, issuer string }{
		{"version 1", "/contoso.example/.well-known/openid-configuration", "", "https://localhost:8443/" + tenant + "/"},
		{"version 2", "/contoso.example/v2.0/.well-known/openid-configuration", "v2.0/", "https://localhost:8443/" + tenant + "/v2.0"},
		{"RFC 8414", "/.well-known/oauth-authorization-server/" + tenant + "/v2.0", "v2.0/", "https://localhost:8443/" + tenant + "/v2.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := serve(&recorder{}, "GET", tt.path, "")
			got, base := decoded(t, w.Body.String()), "https://localhost:8443/"+tenant+"/oauth2/"+tt.suffix
			for name, want := range map[string]string{
				"issuer": tt.issuer, "token_endpoint": base + "token", "authorization_endpoint": base + "authorize",
				"device_authorization_endpoint": base + "devicecode", "end_session_endpoint": base + "logout",
			} {
				if got[name] != want {
					t.Errorf("%s is %v, want %s", name, got[name], want)
				}
			}
			if w.Header().Get("Access-Control-Allow-Origin") != "*" {
				t.Error("a single-page application cannot read the document")
			}
		})
	}
}

// Only hosts of this server are vouched for: its public one and the one that the client has reached it by.
func TestInstancesOfThisServerAlone(t *testing.T) {
	const ask = "/common/discovery/instance?api-version=1.1&authorization_endpoint="
	for _, tt := range []struct {
		name, authority string
		status          int
	}{
		{"the public host", "https://localhost:8443/common/oauth2/v2.0/authorize", 200},
		{"the host of the request", "https://example.com/common/oauth2/v2.0/authorize", 200}, // httptest's host
		{"another host", "https://evil.example/common/oauth2/v2.0/authorize", 400},
		{"our name as a user name", "https://localhost:8443@evil.example/common", 400},
		{"without TLS", "http://localhost:8443/common", 400},
		{"nothing", "", 400},
	} {
		w := serve(&recorder{}, "GET", ask+tt.authority, "")
		if w.Code != tt.status || (w.Code == 400) != strings.Contains(w.Body.String(), "invalid_instance") {
			t.Errorf("%s: %d %s", tt.name, w.Code, w.Body)
		}
	}
}

// A name that exists and one that does not get the same answer, but for the name itself. // P13
func TestNoAnswerTellsWhetherANameExists(t *testing.T) {
	for _, ask := range []func(name string) *httptest.ResponseRecorder{
		func(name string) *httptest.ResponseRecorder {
			return serve(&recorder{}, "POST", "/common/getcredentialtype", `{"username":"`+name+`"}`)
		},
		func(name string) *httptest.ResponseRecorder {
			return serve(&recorder{}, "GET", "/getuserrealm.srf?json=1&login="+name, "")
		},
		func(name string) *httptest.ResponseRecorder {
			return serve(&recorder{}, "GET", "/common/userrealm/"+name+"?api-version=2.0", "")
		},
	} {
		alice, nobody, elsewhere := ask("alice@contoso.example"), ask("nobody@contoso.example"), ask("alice@elsewhere.example")
		if alice.Code != 200 || alice.Body.String() != strings.ReplaceAll(nobody.Body.String(), "nobody", "alice") {
			t.Errorf("%s\n%s", alice.Body, nobody.Body)
		}
		if elsewhere.Code != 200 || strings.ReplaceAll(elsewhere.Body.String(), "elsewhere", "contoso") == alice.Body.String() {
			t.Errorf("a foreign domain looks like ours: %s", elsewhere.Body)
		}
	}
}

// The types are those that libhimmelblau insists on.
func TestCredentialTypeAndFederationProvider(t *testing.T) {
	got := decoded(t, serve(&recorder{}, "POST", "/common/getcredentialtype", `{"username":"alice@contoso.example"}`).Body.String())
	credentials, ok := got["Credentials"].(map[string]any)
	if !ok || got["IfExistsResult"] != 0.0 || got["ThrottleStatus"] != 0.0 || credentials["HasPassword"] != true || credentials["PrefCredential"] != 1.0 {
		t.Errorf("%v", got)
	}
	if w := serve(&recorder{}, "POST", "/common/getcredentialtype", strings.Repeat(" ", maxBody+1)); w.Code != 400 {
		t.Errorf("an endless body: %d %s", w.Code, w.Body)
	}
	provider := decoded(t, serve(&recorder{}, "GET", "/odc/v2.1/federationprovider?domain=contoso.example", "").Body.String())
	if provider["tenantId"] != "9f2b6c1d-7a44-4c0e-8b7e-0c6a1f3d2e55" || provider["authority_host"] != "localhost:8443" || provider["graph"] != "localhost:8443" {
		t.Errorf("%v", provider)
	}
}

// A browser may call the token endpoint from any origin, and is never told that cookies may come along.
func TestPreflight(t *testing.T) {
	w := serve(&recorder{}, "OPTIONS", "/common/oauth2/v2.0/token", "")
	if w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("Access-Control-Allow-Methods") != "POST" ||
		w.Header().Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := serve(&recorder{}, "POST", "/common/oauth2/v2.0/token", "grant_type=nonsense"); w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Error("a refusal cannot be read by the script that asked")
	}
}

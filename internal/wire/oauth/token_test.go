package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
	"boundgate/internal/prt"
	"boundgate/internal/signin"
	"boundgate/internal/token"
)

// recorder answers every request with what the test gives it, and keeps what it was asked.
type recorder struct {
	grant token.Grant
	err   error
	asked signin.Request
}

func (s *recorder) SignIn(_ context.Context, req signin.Request) (token.Grant, error) {
	s.asked = req
	return s.grant, s.err
}

func (*recorder) BeginDevice(context.Context, signin.Request) (signin.DeviceAuthorization, error) {
	return signin.DeviceAuthorization{DeviceCode: "1.D", UserCode: "BCDFGHJKL"}, nil
}

func (*recorder) UserInfo(_ context.Context, bearer string) (signin.UserInfo, error) {
	if bearer != "good" {
		return signin.UserInfo{}, aadsts.BearerInvalid
	}
	return signin.UserInfo{Subject: "s"}, nil
}

func (*recorder) Nonce() string { return "a-nonce" }

type oneTenant struct{}

func (oneTenant) TenantByName(_ context.Context, name string) (directory.Tenant, error) {
	if name != "contoso.example" && name != "9f2b6c1d-7a44-4c0e-8b7e-0c6a1f3d2e55" {
		return directory.Tenant{}, directory.ErrNotFound
	}
	return directory.Tenant{ID: "9f2b6c1d-7a44-4c0e-8b7e-0c6a1f3d2e55"}, nil
}

func serve(s *recorder, method, path, body string) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	Register(mux, Service{
		SignIns: s, Tenants: oneTenant{}, Issuer: &token.Issuer{URL: "https://localhost:8443"},
		Keys: func() jose.JSONWebKeySet { return jose.JSONWebKeySet{} }, ClientAddress: func(*http.Request) string { return "192.0.2.1" },
	})
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("client-request-id", "0b9f6f7e-6f0d-4f7e-9a8f-1f6c2d7a4410")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

func TestNonceReply(t *testing.T) {
	w := serve(&recorder{}, "POST", "/common/oauth2/token", "grant_type=srv_challenge")
	if w.Code != 200 || w.Body.String() != `{"Nonce":"a-nonce"}` || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
}

// Numbers are strings at version 1 and beside a PRT, and numbers at version 2, as clients read them.
func TestTokenReplies(t *testing.T) {
	at := time.Unix(1_790_000_000, 0)
	for _, tt := range []struct {
		name, path string
		grant      token.Grant
		want       map[string]any
	}{
		{"version 1", "/common/oauth2/token", token.Grant{Version: token.V1, AccessToken: "a.b.c", ExpiresIn: time.Hour, ExpiresOn: at, RefreshToken: "r", Resource: "https://x"},
			map[string]any{"token_type": "Bearer", "access_token": "a.b.c", "expires_in": "3600", "ext_expires_in": "3600", "expires_on": "1790000000", "not_before": "1789996400", "refresh_token": "r", "resource": "https://x"}},
		{"version 2", "/common/oauth2/v2.0/token", token.Grant{Version: token.V2, AccessToken: "a.b.c", ExpiresIn: time.Hour, ExpiresOn: at, Scope: "openid"},
			map[string]any{"token_type": "Bearer", "access_token": "a.b.c", "expires_in": 3600.0, "ext_expires_in": 3600.0, "scope": "openid"}},
		{"a PRT", "/common/oauth2/token", token.Grant{Version: token.V2, PRT: true, ExpiresIn: time.Hour, ExpiresOn: at, RefreshToken: "1.P", RefreshTokenExpiresIn: time.Hour, SessionKeyJWE: "j", IDToken: "i"},
			map[string]any{"token_type": "Bearer", "expires_in": "3600", "ext_expires_in": "3600", "expires_on": "1790000000", "not_before": "1789996400", "refresh_token": "1.P", "refresh_token_expires_in": 3600.0, "session_key_jwe": "j", "id_token": "i"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := serve(&recorder{grant: tt.grant}, "POST", tt.path, "grant_type=refresh_token&refresh_token=x&client_id=c")
			if diff := cmp.Diff(tt.want, decoded(t, w.Body.String())); diff != "" {
				t.Errorf("reply (-want +got):\n%s", diff)
			}
		})
	}
}

// The answer to a session-signed request is encrypted under the session key.
func TestEncryptedReply(t *testing.T) {
	key, err := prt.NewSessionKey()
	if err != nil {
		t.Fatal(err)
	}
	w := serve(&recorder{grant: token.Grant{Version: token.V1, AccessToken: "a.b.c", EncryptTo: &key}}, "POST", "/common/oauth2/token", "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&request=x")
	if strings.Contains(w.Body.String(), "a.b.c") {
		t.Error("the access token is in clear")
	}
	text, err := prt.DecryptResponse(key, w.Body.String())
	if err != nil || decoded(t, string(text))["access_token"] != "a.b.c" {
		t.Errorf("%s, %v", text, err)
	}
}

// A refusal has MSAL's shape, and says neither too much nor too little. // P10 P11
func TestRefusalReplies(t *testing.T) {
	refused := func(e *aadsts.Error) error {
		return &signin.Refused{Refusal: e, CorrelationID: "0b9f6f7e-6f0d-4f7e-9a8f-1f6c2d7a4410", TraceID: "11111111-1111-4111-8111-111111111111", At: time.Unix(1_790_000_000, 0)}
	}
	for _, tt := range []struct {
		name        string
		err         error
		status      int
		oauth       string
		code        float64
		says, hides string
	}{
		{"a policy", refused(aadsts.TokenProtectionRequired), 400, "invalid_grant", 530084, "device broker", ""},
		{"a failed proof", refused(aadsts.ProofFailed.Becausef("the MAC of device 42")), 400, "invalid_grant", 50027, "AADSTS50027", "42"},
		{"an error of the server", errors.New("disk /var/lib is full"), 503, "server_error", 90033, "temporarily", "disk"},
		{"too many", refused(aadsts.TooManyRequests), 429, "temporarily_unavailable", 50196, "Too many", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := serve(&recorder{err: tt.err}, "POST", "/common/oauth2/token", "grant_type=refresh_token&refresh_token=x&client_id=c")
			m := decoded(t, w.Body.String())
			text, _ := m["error_description"].(string)
			codes, _ := m["error_codes"].([]any)
			if w.Code != tt.status || m["error"] != tt.oauth || len(codes) != 1 || codes[0] != tt.code || !strings.Contains(text, tt.says) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if tt.hides != "" && strings.Contains(w.Body.String(), tt.hides) {
				t.Errorf("the answer tells %q: %s", tt.hides, w.Body)
			}
			if m["correlation_id"] != "0b9f6f7e-6f0d-4f7e-9a8f-1f6c2d7a4410" || m["trace_id"] == "" || m["timestamp"] == "" {
				t.Errorf("ids and time: %s", w.Body)
			}
		})
	}
}

// Each credential is taken from where its grant puts it; what is missing is named.
func TestCredentials(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       signin.Credential
		says       string
	}{
		{"a password", "grant_type=password&username=a@b&password=c&client_id=d", signin.Password{Username: "a@b", Password: "c"}, ""},
		{"a refresh token", "grant_type=refresh_token&refresh_token=r&client_id=d", signin.RefreshToken{Token: "r"}, ""},
		{"a signed request", "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&request=a.b.c", signin.Signed{JWS: "a.b.c"}, ""},
		{"no grant", "username=a", nil, "grant_type"},
		{"no password", "grant_type=password&username=a", nil, "password"},
		{"no token", "grant_type=refresh_token", nil, "refresh_token"},
		{"no request", "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer", nil, "request"},
		{"another grant", "grant_type=magic", nil, "magic"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &recorder{}
			w := serve(s, "POST", "/common/oauth2/token", tt.body)
			if tt.want != nil && !cmp.Equal(tt.want, s.asked.Credential) {
				t.Errorf("asked with %T, want %T", s.asked.Credential, tt.want)
			}
			if tt.want == nil && (w.Code != 400 || !strings.Contains(w.Body.String(), tt.says)) {
				t.Errorf("%d %s, want 400 that names %s", w.Code, w.Body, tt.says)
			}
		})
	}
}

func TestDiscovery(t *testing.T) {
	for _, tt := range []struct{ path, issuer, endpoint string }{
		{"/contoso.example/v2.0/.well-known/openid-configuration", "https://localhost:8443/9f2b6c1d-7a44-4c0e-8b7e-0c6a1f3d2e55/v2.0", "https://localhost:8443/9f2b6c1d-7a44-4c0e-8b7e-0c6a1f3d2e55/oauth2/v2.0/token"},
		{"/contoso.example/.well-known/openid-configuration", "https://localhost:8443/9f2b6c1d-7a44-4c0e-8b7e-0c6a1f3d2e55/", "https://localhost:8443/9f2b6c1d-7a44-4c0e-8b7e-0c6a1f3d2e55/oauth2/token"},
		{"/common/v2.0/.well-known/openid-configuration", "https://localhost:8443/{tenantid}/v2.0", "https://localhost:8443/common/oauth2/v2.0/token"},
	} {
		m := decoded(t, serve(&recorder{}, "GET", tt.path, "").Body.String())
		if m["issuer"] != tt.issuer || m["token_endpoint"] != tt.endpoint {
			t.Errorf("%s: %v %v", tt.path, m["issuer"], m["token_endpoint"])
		}
		// Clients make the device code endpoint by replacing this word.
		if endpoint, _ := m["token_endpoint"].(string); strings.Count(endpoint, "token") != 1 {
			t.Errorf("%s: the word token is not there once in %s", tt.path, endpoint)
		}
	}
	for path, code := range map[string]string{"/consumers/v2.0/.well-known/openid-configuration": "9001023", "/nowhere.example/v2.0/.well-known/openid-configuration": "90002"} {
		if w := serve(&recorder{}, "GET", path, ""); w.Code != 400 || !strings.Contains(w.Body.String(), code) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// The realm is that of the domain: a name that exists and one that does not look alike. // P13
func TestUserRealmLooksAtTheDomain(t *testing.T) {
	alice := serve(&recorder{}, "GET", "/common/userrealm/alice@contoso.example", "").Body.String()
	if nobody := serve(&recorder{}, "GET", "/common/userrealm/nobody@contoso.example", "").Body.String(); alice != nobody || !strings.Contains(alice, `"Managed"`) {
		t.Errorf("%s\n%s", alice, nobody)
	}
	if w := serve(&recorder{}, "GET", "/common/userrealm/alice@elsewhere.example", ""); !strings.Contains(w.Body.String(), `"Unknown"`) {
		t.Errorf("%s", w.Body)
	}
}

package token

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"boundgate/internal/directory"
	"boundgate/internal/session"
)

// memory keeps secrets as a store does: the first one stays.
type memory map[string][]byte

func (m memory) Secret(_ context.Context, name string) ([]byte, bool, error) {
	value, ok := m[name]
	return value, ok, nil
}

func (m memory) PutSecret(_ context.Context, name string, value []byte) ([]byte, error) {
	if _, ok := m[name]; !ok {
		m[name] = value
	}
	return m[name], nil
}

var at = time.Date(2026, 11, 1, 12, 0, 0, 123456000, time.UTC)

const tenant = directory.TenantID("9f2b6c1d-7a44-4c0e-8b7e-0c6a1f3d2e55")

func newIssuer(t *testing.T, secrets Secrets) *Issuer {
	t.Helper()
	keys, err := LoadKeys(t.Context(), secrets, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &Issuer{URL: "https://localhost:8443", Keys: keys}
}

func subject() Subject {
	return Subject{
		Tenant: tenant, User: "6c1f3a0e-5f5b-4a57-9a3a-2f0f9f1b7c10", UPN: "alice@contoso.example", DisplayName: "Alice", Client: "client",
		SessionID: "session", DeviceID: "device", Origin: session.Origin{AuthTime: at, Strength: session.Strength{"pwd"}, TransferMethod: "none", Fresh: true},
	}
}

func resource(t *testing.T, id directory.AppID) directory.Resource {
	t.Helper()
	for _, r := range directory.WellKnownResources() {
		if r.AppID == id {
			return r
		}
	}
	t.Fatalf("no resource %s", id)
	return directory.Resource{}
}

func claimsIn(t *testing.T, text string) map[string]any {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(payload, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// The claims are those that clients and resources read, each under the name of its version.
func TestClaims(t *testing.T) {
	issuer := newIssuer(t, memory{})
	to := Audience{Resource: resource(t, directory.DeviceRegistration), Identifier: directory.DeviceRegistrationURN, Scopes: []string{"user_impersonation"}}
	v1, id, err := issuer.AccessToken(V1, subject(), to, at)
	if err != nil {
		t.Fatal(err)
	}
	v2, _, err := issuer.AccessToken(V2, subject(), to, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		got  map[string]any
		want map[string]any
	}{
		{"version 1", claimsIn(t, v1), map[string]any{"aud": "urn:ms-drs:enterpriseregistration.windows.net", "iss": "https://localhost:8443/" + string(tenant) + "/", "appid": "client", "ver": "1.0", "unique_name": "alice@contoso.example", "uti": id}},
		{"version 2", claimsIn(t, v2), map[string]any{"aud": string(directory.DeviceRegistration), "iss": "https://localhost:8443/" + string(tenant) + "/v2.0", "azp": "client", "ver": "2.0", "preferred_username": "alice@contoso.example"}},
	} {
		common := map[string]any{"tid": string(tenant), "oid": "6c1f3a0e-5f5b-4a57-9a3a-2f0f9f1b7c10", "upn": "alice@contoso.example", "deviceid": "device", "scp": "user_impersonation", "exp": float64(at.Add(time.Hour).Unix())}
		for _, want := range []map[string]any{tt.want, common} {
			for name, value := range want {
				if tt.got[name] != value {
					t.Errorf("%s: %s is %v, want %v", tt.name, name, tt.got[name], value)
				}
			}
		}
		if amr, ok := tt.got["amr"].([]any); !ok || len(amr) != 1 || amr[0] != "pwd" {
			t.Errorf("%s: amr is %v, want a list", tt.name, tt.got["amr"])
		}
	}
}

// A key is made once and stays; another server's key signs nothing here. // P04 P13
func TestVerify(t *testing.T) {
	secrets := memory{}
	issuer := newIssuer(t, secrets)
	if again := newIssuer(t, secrets); again.Keys.Public().Keys[0].KeyID != issuer.Keys.Public().Keys[0].KeyID {
		t.Error("the signing key was made twice")
	}
	graph := Audience{Resource: resource(t, directory.MicrosoftGraph), Identifier: "https://graph.microsoft.com/"}
	good, _, err := issuer.AccessToken(V1, subject(), graph, at)
	if err != nil {
		t.Fatal(err)
	}
	foreign, _, err := newIssuer(t, memory{}).AccessToken(V1, subject(), graph, at)
	if err != nil {
		t.Fatal(err)
	}
	idToken, err := issuer.IDToken(V1, subject(), "", at)
	if err != nil {
		t.Fatal(err)
	}
	moved := *issuer
	moved.URL = "https://elsewhere.example"
	otherIssuer, _, err := moved.AccessToken(V1, subject(), graph, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, text string
		at         time.Time
		audience   directory.AppID
		want       error
	}{
		{"a good one", good, at, directory.MicrosoftGraph, nil},
		{"for another resource", good, at, directory.LogAnalytics, ErrAudience},
		{"expired", good, at.Add(time.Hour), directory.MicrosoftGraph, ErrInvalid},
		{"not valid yet", good, at.Add(-time.Minute), directory.MicrosoftGraph, ErrInvalid},
		{"of another server", foreign, at, directory.MicrosoftGraph, ErrInvalid},
		{"of another issuer", otherIssuer, at, directory.MicrosoftGraph, ErrInvalid},
		{"an ID token", idToken, at, directory.MicrosoftGraph, ErrInvalid},
		{"without a signature", good[:strings.LastIndexByte(good, '.')+1], at, directory.MicrosoftGraph, ErrInvalid},
		{"no algorithm", none(t, good), at, directory.MicrosoftGraph, ErrInvalid},
		{"the public key as a MAC key", macWithPublicKey(t, issuer, good), at, directory.MicrosoftGraph, ErrInvalid},
		{"empty", "", at, directory.MicrosoftGraph, ErrInvalid},
		{"oversize", strings.Repeat("a", maxTokenBytes+1), at, directory.MicrosoftGraph, ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := &Verifier{Issuer: issuer, Now: func() time.Time { return tt.at }}
			c, err := v.VerifyAccessToken(t.Context(), tt.text, tt.audience)
			if !errors.Is(err, tt.want) {
				t.Fatalf("VerifyAccessToken = %v, want %v", err, tt.want)
			}
			if err == nil && (c.User != subject().User || !c.AuthTime.Equal(at) || !c.Fresh || c.SessionID != "session") {
				t.Errorf("claims %+v", c)
			}
		})
	}
}

func none(t *testing.T, text string) string {
	t.Helper()
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(text, ".")[1] + "."
}

func macWithPublicKey(t *testing.T, i *Issuer, text string) string {
	t.Helper()
	public, err := x509.MarshalPKIXPublicKey(i.Keys.Public().Keys[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: public, KeyID: i.Keys.Public().Keys[0].KeyID}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func FuzzVerify(f *testing.F) {
	keys, err := LoadKeys(f.Context(), memory{}, at)
	if err != nil {
		f.Fatal(err)
	}
	v := &Verifier{Issuer: &Issuer{URL: "https://localhost:8443", Keys: keys}, Now: func() time.Time { return at }}
	f.Add("a.b.c")
	f.Add(`{"payload":"e30","signatures":[{"protected":"e30","signature":"AA"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := v.VerifyAccessToken(t.Context(), text, directory.MicrosoftGraph); err == nil {
			t.Fatalf("a made-up token verifies: %q", text)
		}
	})
}

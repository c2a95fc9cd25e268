package clientauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // x5t
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strconv"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
	"boundgate/internal/prt"
)

var (
	at     = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	tenant = directory.Tenant{ID: "9f2b6c1d-7a44-4c0e-8b7e-0c6a1f3d2e55", Domains: []directory.Domain{{Name: "contoso.example", Verified: true}, {Name: "claimed.example"}}}
)

const (
	server = "https://login.contoso.example"
	client = "11111111-1111-4111-8111-111111111111"
)

// A world is an application with a secret, two certificates and a federated credential.
type world struct {
	app           directory.Application
	rsa, issuer   *rsa.PrivateKey
	ec            *ecdsa.PrivateKey
	rsaDER, ecDER []byte
}

func newWorld(t testing.TB) world {
	t.Helper()
	var w world
	var err error
	w.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	w.issuer, err = rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	w.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	certify := func(key crypto.Signer) []byte {
		template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotBefore: at, NotAfter: at.AddDate(1, 0, 0)}
		der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
		must(t, err)
		return der
	}
	w.rsaDER, w.ecDER = certify(w.rsa), certify(w.ec)
	good, old := sha256.Sum256([]byte("good")), sha256.Sum256([]byte("old"))
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: w.issuer.Public(), KeyID: "issuer-1", Algorithm: "RS256"}}})
	must(t, err)
	w.app = directory.Application{
		AppID: client,
		Secrets: []directory.ClientSecret{
			{KeyID: "new", Hash: good[:], ExpiresAt: at.Add(time.Hour)}, {KeyID: "old", Hash: old[:], ExpiresAt: at.Add(-time.Hour)},
		},
		Certificates: []directory.ClientCertificate{{KeyID: "rsa", DER: w.rsaDER}, {KeyID: "ec", DER: w.ecDER}},
		Federated:    []directory.FederatedCredential{{ID: "f", Issuer: "https://ci.example", Subject: "repo:contoso/app", Audiences: []string{"api://boundgate"}, JWKS: string(keys)}},
	}
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// assertion signs claims; changes replace members, and nil takes one away.
func assertion(t testing.TB, algorithm jose.SignatureAlgorithm, key any, header map[jose.HeaderKey]any, changes map[string]any) prt.Secret {
	t.Helper()
	c := map[string]any{
		"iss": client, "sub": client, "aud": server + "/" + string(tenant.ID) + "/oauth2/v2.0/token", "jti": "1",
		"exp": at.Add(5 * time.Minute).Unix(), "nbf": at.Unix(), "iat": at.Unix(),
	}
	for name, value := range changes {
		c[name] = value
		if value == nil {
			delete(c, name)
		}
	}
	payload, err := json.Marshal(c)
	must(t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, &jose.SignerOptions{ExtraHeaders: header})
	must(t, err)
	jws, err := signer.Sign(payload)
	must(t, err)
	text, err := jws.CompactSerialize()
	must(t, err)
	return prt.Secret(text)
}

func x5t(der []byte) map[jose.HeaderKey]any {
	digest := sha1.Sum(der) //nolint:gosec // x5t
	return map[jose.HeaderKey]any{"x5t": base64.URLEncoding.EncodeToString(digest[:])}
}

func x5t256(der []byte) map[jose.HeaderKey]any {
	digest := sha256.Sum256(der)
	return map[jose.HeaderKey]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(digest[:])}
}

func (w world) authenticate(p Presented) (Result, int) {
	got, err := (&Verifier{URL: server}).Authenticate(tenant, w.app, p, at)
	if err != nil {
		return got, aadsts.Of(err).Code
	}
	return got, 0
}

func TestSecrets(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct {
		secret prt.Secret
		want   int
	}{"the secret": {"good", 0}, "another": {"bad", 7000215}, "an expired one": {"old", 7000222}, "none": {"", 7000218}} {
		if got, code := w.authenticate(Presented{Secret: tt.secret}); code != tt.want || (code == 0) != (got.Method == Secret) {
			t.Errorf("%s: %+v, AADSTS%d, want %d", name, got, code, tt.want)
		}
	}
	if _, code := w.authenticate(Presented{Secret: "good", Assertion: "a.b.c", AssertionType: AssertionBearer}); code != 9002313 {
		t.Errorf("two ways at once: %d", code)
	}
}

// An assertion counts where the application's own key has signed it, for this server, for now. // P03 P04
func TestAssertions(t *testing.T) {
	w := newWorld(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	rs := func(changes map[string]any) prt.Secret {
		return assertion(t, jose.RS256, w.rsa, x5t256(w.rsaDER), changes)
	}
	for name, tt := range map[string]struct {
		assertion prt.Secret
		want      int
	}{
		"RS256 by x5t":                 {assertion(t, jose.RS256, w.rsa, x5t(w.rsaDER), nil), 0},
		"RS256 by x5t#S256":            {rs(nil), 0},
		"PS256":                        {assertion(t, jose.PS256, w.rsa, x5t256(w.rsaDER), nil), 0},
		"ES256":                        {assertion(t, jose.ES256, w.ec, x5t256(w.ecDER), nil), 0},
		"by key id":                    {assertion(t, jose.RS256, jose.JSONWebKey{Key: w.rsa, KeyID: "rsa"}, nil, nil), 0},
		"times as texts":               {rs(map[string]any{"exp": strconv.FormatInt(at.Add(time.Minute).Unix(), 10), "iat": strconv.FormatInt(at.Unix(), 10)}), 0},
		"for the issuer":               {rs(map[string]any{"aud": server + "/" + string(tenant.ID) + "/v2.0"}), 0},
		"for the v1 endpoint":          {rs(map[string]any{"aud": server + "/common/oauth2/token"}), 0},
		"for the tenant's domain":      {rs(map[string]any{"aud": []string{"x", server + "/contoso.example/oauth2/v2.0/token"}}), 0},
		"short, without an id":         {rs(map[string]any{"jti": nil}), 0},
		"another's key":                {assertion(t, jose.RS256, other, x5t256(w.rsaDER), nil), 700027},
		"a certificate of the message": {assertion(t, jose.RS256, other, map[jose.HeaderKey]any{"x5c": []string{base64.StdEncoding.EncodeToString(w.rsaDER)}}, nil), 700027},
		"an unknown certificate":       {assertion(t, jose.RS256, w.rsa, x5t256([]byte("x")), nil), 700027},
		"HS256 with the public key":    {assertion(t, jose.HS256, w.rsaDER, x5t256(w.rsaDER), nil), 700027},
		"another issuer":               {rs(map[string]any{"iss": "22222222-2222-4222-8222-222222222222"}), 700027},
		"another subject":              {rs(map[string]any{"sub": "22222222-2222-4222-8222-222222222222"}), 700027},
		"for another server":           {rs(map[string]any{"aud": "https://login.elsewhere.example/common/oauth2/token"}), 700027},
		"for another tenant":           {rs(map[string]any{"aud": server + "/fabrikam.example/oauth2/token"}), 700027},
		"for a domain that is claimed": {rs(map[string]any{"aud": server + "/claimed.example/oauth2/token"}), 700027},
		"expired":                      {rs(map[string]any{"exp": at.Add(-10 * time.Minute).Unix()}), 700027},
		"without an end":               {rs(map[string]any{"exp": nil}), 700027},
		"for a year":                   {rs(map[string]any{"exp": at.AddDate(1, 0, 0).Unix()}), 700027},
		"not yet":                      {rs(map[string]any{"nbf": at.Add(time.Hour).Unix()}), 700027},
		"for hours, without an id":     {rs(map[string]any{"jti": nil, "exp": at.Add(3 * time.Hour).Unix()}), 700027},
		"not a JWS":                    {"a.b.c", 700027},
	} {
		if got, code := w.authenticate(Presented{Assertion: tt.assertion, AssertionType: AssertionBearer}); code != tt.want || (code == 0) != (got.Method == Assertion) {
			t.Errorf("%s: %+v, AADSTS%d, want %d", name, got, code, tt.want)
		}
	}
	first, _ := w.authenticate(Presented{Assertion: rs(nil), AssertionType: AssertionBearer})
	again, _ := w.authenticate(Presented{Assertion: rs(map[string]any{"exp": at.Add(time.Minute).Unix()}), AssertionType: AssertionBearer})
	second, _ := w.authenticate(Presented{Assertion: rs(map[string]any{"jti": "2"}), AssertionType: AssertionBearer})
	if first.Spend != again.Spend || first.Spend == second.Spend || !first.Expires.After(at.Add(5*time.Minute)) {
		t.Error("what is spent does not stand for the assertion's id")
	}
	if _, code := w.authenticate(Presented{Assertion: rs(nil), AssertionType: "saml"}); code != 9002313 {
		t.Errorf("another type of assertion: %d", code)
	}
}

// A token of a trusted issuer counts for one subject and one audience, under the keys that the administrator gave.
func TestFederatedCredentials(t *testing.T) {
	w := newWorld(t)
	key := jose.JSONWebKey{Key: w.issuer, KeyID: "issuer-1"}
	good := map[string]any{"iss": "https://ci.example", "sub": "repo:contoso/app", "aud": "api://boundgate"}
	with := func(name string, value any) map[string]any {
		m := map[string]any{}
		for k, v := range good {
			m[k] = v
		}
		m[name] = value
		return m
	}
	for name, tt := range map[string]struct {
		assertion prt.Secret
		want      int
	}{
		"the workload":             {assertion(t, jose.RS256, key, nil, good), 0},
		"another workload":         {assertion(t, jose.RS256, key, nil, with("sub", "repo:evil/app")), 700213},
		"for another audience":     {assertion(t, jose.RS256, key, nil, with("aud", "api://other")), 700213},
		"of an unknown issuer":     {assertion(t, jose.RS256, key, nil, with("iss", "https://evil.example")), 700027},
		"by another key":           {assertion(t, jose.RS256, jose.JSONWebKey{Key: w.rsa, KeyID: "issuer-1"}, nil, good), 700027},
		"by a key that is unknown": {assertion(t, jose.RS256, jose.JSONWebKey{Key: w.issuer, KeyID: "issuer-2"}, nil, good), 700027},
		"by another algorithm":     {assertion(t, jose.PS256, key, nil, good), 700027},
	} {
		if got, code := w.authenticate(Presented{Assertion: tt.assertion, AssertionType: AssertionBearer}); code != tt.want || (code == 0) != (got.Method == Federated) {
			t.Errorf("%s: %+v, AADSTS%d, want %d", name, got, code, tt.want)
		}
	}
}

func FuzzAssertion(f *testing.F) {
	w := newWorld(f)
	f.Add(string(assertion(f, jose.RS256, w.rsa, x5t256(w.rsaDER), map[string]any{"sub": "x"})))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		if got, code := w.authenticate(Presented{Assertion: prt.Secret(text), AssertionType: AssertionBearer}); code == 0 {
			t.Fatalf("%q is accepted: %+v", text, got)
		}
	})
}

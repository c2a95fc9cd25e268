package portal_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"boundgate/internal/broker/brokertest"
	"boundgate/internal/directory"
)

// asserting returns how the web application, which has a certificate now, asserts itself: each assertion by its id.
func asserting(t *testing.T, s *brokertest.Server) (assertion func(id string) string) {
	t.Helper()
	applications(t, s)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: s.Now().Add(-time.Hour), NotAfter: s.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	must(t, s.Store.PutApplication(context.Background(), brokertest.Tenant, directory.Application{
		AppID: webApp, DisplayName: "Web", WebRedirectURIs: []string{web}, ServicePrincipal: "33333333-3333-4333-8333-333333333331",
		Certificates: []directory.ClientCertificate{{KeyID: "k", DER: der}},
	}, entry(s)))
	digest := sha256.Sum256(der)
	header := map[jose.HeaderKey]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(digest[:])}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, &jose.SignerOptions{ExtraHeaders: header})
	must(t, err)
	return func(id string) string {
		payload, err := json.Marshal(map[string]any{
			"iss": webApp, "sub": webApp, "aud": s.URL + "/" + brokertest.Domain + "/oauth2/v2.0/token", "jti": id,
			"exp": s.Now().Add(time.Minute).Unix(), "nbf": s.Now().Unix(), "iat": s.Now().Unix(),
		})
		must(t, err)
		jws, err := signer.Sign(payload)
		must(t, err)
		text, err := jws.CompactSerialize()
		must(t, err)
		return text
	}
}

// A client's assertion is used once. A second use is refused as what it is, with a row. // P03, P10
func TestAssertionsOnce(t *testing.T) {
	s := brokertest.New(t)
	assertion := asserting(t, s)
	p := newPerson(t, s)
	show := func(text string) reply {
		return p.token("grant_type", "client_credentials", "client_id", webApp, "scope", "api://"+apiApp+"/.default", "client_assertion", text,
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	}
	first := assertion("1")
	if got := show(first); got.Status != 200 {
		t.Fatalf("the first use: %+v", got)
	}
	for name, text := range map[string]string{"the same": first, "another with its id": assertion("1")} {
		got := show(text)
		if row := p.lastRow(); got.Status != 401 || got.Error != "invalid_client" || row.ResultType != "700027" {
			t.Errorf("%s: %+v, row %s", name, got, row.ResultType)
		}
	}
	if got := show(assertion("2")); got.Status != 200 {
		t.Errorf("the next: %+v", got)
	}
}

package signin_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"boundgate/internal/broker/brokertest"
	"boundgate/internal/policy"
	"boundgate/internal/prt"
)

// What a thief has of a session is of no use without the device's keys, at any endpoint, whether or not a policy is in
// force. Each attack differs from the honest request in the one respect that its name says. // P01 S01 S03
func TestStolenSessionsAreWorthless(t *testing.T) {
	v := newVictim(t)
	stranger, err := prt.NewSessionKey()
	must(t, err)
	resign := func(key prt.SessionKey, version prt.KDFVersion, changes map[string]string) string {
		jws, err := prt.SignSession(key, version, v.claims(t, changes))
		must(t, err)
		return jws
	}
	used := v.signed(t, nil)
	if a := v.send(t, tokenV1, used); !a.ok() {
		t.Fatalf("the request that is captured: %s", a.text)
	}
	plain := func(token string) map[string]string {
		return map[string]string{"grant_type": "refresh_token", "refresh_token": token, "client_id": office, "resource": brokertest.Exchange}
	}
	for _, policyState := range []policy.State{policy.Disabled, policy.ReportOnly, policy.Enabled} {
		v.enforce(t, policyState)
		boundPlainly := 7000018
		if policyState == policy.Enabled {
			boundPlainly = 530084
		}
		for _, tt := range []struct {
			name   string
			attack func() answer
			code   int
		}{
			{"the PRT as a refresh token", func() answer { return v.post(t, tokenV1, plain(v.prt)) }, 70000},
			{"the bound refresh token plainly", func() answer { return v.post(t, tokenV1, plain(v.bound)) }, boundPlainly},
			{"the bound refresh token plainly at version 2", func() answer {
				f := plain(v.bound)
				delete(f, "resource")
				f["scope"] = brokertest.Exchange + "/.default"
				return v.post(t, "/common/oauth2/v2.0/token", f)
			}, boundPlainly},
			{"signed with another session key", func() answer { return v.send(t, tokenV1, resign(stranger, prt.KDF2, nil)) }, 50027},
			{"the bound refresh token signed with another session key", func() answer {
				return v.send(t, tokenV1, resign(stranger, prt.KDF2, map[string]string{"refresh_token": v.bound}))
			}, 50027},
			{"a renewal signed with another session key", func() answer {
				return v.send(t, tokenV1, resign(stranger, prt.KDF2, map[string]string{"scope": "openid aza ugs", "client_id": "38aa3b87-a06d-4817-b275-7a316988d93b"}))
			}, 50027},
			{"a captured request again", func() answer { return v.send(t, tokenV1, used) }, 50027},
			{"a captured request at version 2", func() answer { return v.send(t, "/common/oauth2/v2.0/token", used) }, 50027},
			{"a captured request at the tenant's own address", func() answer { return v.send(t, "/"+v.tenant+"/oauth2/token", used) }, 50027},
			{"without a nonce", func() answer { return v.send(t, tokenV1, v.signed(t, map[string]string{"request_nonce": ""})) }, 50027},
			{"with a nonce of somebody else's server", func() answer {
				return v.send(t, tokenV1, v.signed(t, map[string]string{"request_nonce": (&prt.Nonces{Key: [32]byte{9}}).Mint(v.server.Now())}))
			}, 50027},
			{"saying that the key derivation is version 1", func() answer { return v.send(t, tokenV1, resign(v.key, prt.KDF1, nil)) }, 50027},
		} {
			t.Run(string(policyState)+": "+tt.name, func(t *testing.T) {
				_, before := v.rows(t, 0)
				a := tt.attack()
				if a.ok() || a.code() != tt.code || a.Error != "invalid_grant" {
					t.Errorf("answer %d %s, want invalid_grant %d", a.status, a.text, tt.code)
				}
				if a.code() == 50027 && strings.Contains(a.Text, "device") {
					t.Errorf("a failed proof is told why: %s", a.Text)
				}
				// One attempt, one cause, one row. // P10
				rows, _ := v.rows(t, before)
				if tt.code != 70000 && len(rows) != 1 {
					t.Errorf("%d rows, want 1", len(rows))
				}
				// The honest twin still works.
				if a := v.send(t, tokenV1, v.signed(t, nil)); !a.ok() {
					t.Errorf("the owner is refused: %s", a.text)
				}
			})
		}
	}
}

// The codes of the log say what was missing: 1005 for a proof that fails, 1008 where a token names a device and nothing is
// proven, 1002 where there is no device. // S52
func TestCodesOfRefusedSessions(t *testing.T) {
	v := newVictim(t)
	v.enforce(t, policy.Enabled)
	stranger, err := prt.NewSessionKey()
	must(t, err)
	forged, err := prt.SignSession(stranger, prt.KDF2, v.claims(t, nil))
	must(t, err)
	password := map[string]string{
		"grant_type": "password", "username": brokertest.Alice, "password": brokertest.Password, "client_id": office, "resource": brokertest.Exchange,
	}
	for _, tt := range []struct {
		name   string
		send   func() answer
		result string
		code   int
		says   string
	}{
		{"bound", func() answer { return v.send(t, tokenV1, v.signed(t, nil)) }, "0", 0, ""},
		{"a failed proof", func() answer { return v.send(t, tokenV1, forged) }, "50027", 1005, ""},
		{"a bound token without proof", func() answer {
			return v.post(t, tokenV1, map[string]string{"grant_type": "refresh_token", "refresh_token": v.bound, "client_id": office, "resource": brokertest.Exchange})
		}, "530084", 1008, "broker"},
		// S61: what to do is said.
		{"no device", func() answer { return v.post(t, tokenV1, password) }, "530084", 1002, "egister"},
		// S21, S62: an application that cannot use protected token flows.
		{"an unsupported application", func() answer {
			return v.send(t, tokenV1, v.signed(t, map[string]string{"client_id": sharePS, "resource": sharePoint}))
		}, "530084", 1008, "SharePoint"},
		// S13, S62: an application that is too old.
		{"an old application", func() answer {
			return v.post(t, tokenV1, map[string]string{"grant_type": bearer, "request": v.signed(t, map[string]string{"client_id": teamsApp})}, "x-app-ver", "1.5.00.1")
		}, "530084", 1008, "1.6.00.1331"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.send()
			result, status := v.last(t)
			if result != tt.result || status.Code != tt.code {
				t.Errorf("the log has %s with code %d, want %s with %d", result, status.Code, tt.result, tt.code)
			}
			if !strings.Contains(a.Text, tt.says) {
				t.Errorf("the client hears %q, which does not say %q", a.Text, tt.says)
			}
		})
	}
}

// Of many requests with one nonce, one succeeds. // P03
func TestANonceIsSpentOnce(t *testing.T) {
	v := newVictim(t)
	nonce := v.nonce(t)
	requests := make([]string, 20)
	for n := range requests {
		requests[n] = v.signed(t, map[string]string{"request_nonce": nonce})
	}
	var wg sync.WaitGroup
	granted := make(chan bool, len(requests))
	for _, jws := range requests {
		wg.Go(func() { granted <- v.send(t, tokenV1, jws).ok() })
	}
	wg.Wait()
	close(granted)
	won := 0
	for ok := range granted {
		if ok {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of %d requests with one nonce were granted, want 1", won, len(requests))
	}
	if a := v.send(t, tokenV1, v.signed(t, nil)); !a.ok() {
		t.Errorf("with a nonce of its own: %s", a.text)
	}
}

// A nonce that was given out five minutes ago is too old. // P03
func TestANonceExpires(t *testing.T) {
	v := newVictim(t)
	late := v.signed(t, nil)
	v.server.Advance(prt.NonceLifetime)
	if a := v.send(t, tokenV1, late); a.code() != 50027 {
		t.Errorf("after five minutes: %s", a.text)
	}
	if a := v.send(t, tokenV1, v.signed(t, nil)); !a.ok() {
		t.Errorf("with a fresh nonce: %s", a.text)
	}
}

// A proof made for one purpose is none for another: a browser's cookie names no grant. // P03
func TestACookieIsNoRequest(t *testing.T) {
	v := newVictim(t)
	cookie, err := prt.SignSession(v.key, prt.KDF2, map[string]string{"refresh_token": v.prt, "is_primary": "true", "request_nonce": v.nonce(t)})
	must(t, err)
	if a := v.send(t, tokenV1, cookie); a.ok() {
		t.Error("a browser's cookie was taken for a request for a token")
	}
}

// The algorithm comes from the record: a request that is signed with a device's public certificate as a MAC key, with no
// algorithm, or with the key of a certificate that the thief made for the device's name, is refused. // P04
func TestAlgorithmConfusion(t *testing.T) {
	v := newVictim(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: v.device}, NotAfter: time.Now().AddDate(1, 0, 0)}
	own, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	password := map[string]string{
		"grant_type": "password", "username": brokertest.Alice, "password": brokertest.Password, "scope": "openid aza ugs",
		"client_id": "38aa3b87-a06d-4817-b275-7a316988d93b",
	}
	password["request_nonce"] = v.nonce(t)
	selfMade, err := prt.SignDevice(key, own, prt.KDF2, password)
	must(t, err)
	payload, err := json.Marshal(v.claims(t, nil))
	must(t, err)
	b64 := base64.RawURLEncoding.EncodeToString
	for name, jws := range map[string]string{
		"a certificate of the thief's own":        selfMade,
		"no algorithm":                            b64([]byte(`{"alg":"none","ctx":"AAAA","kdf_ver":2}`)) + "." + b64(payload) + ".",
		"a MAC that claims to be RSA":             b64([]byte(`{"alg":"RS256","ctx":"AAAA","kdf_ver":2}`)) + "." + b64(payload) + "." + b64(make([]byte, 32)),
		"an empty signature":                      b64([]byte(`{"alg":"HS256","ctx":"AAAA","kdf_ver":2}`)) + "." + b64(payload) + ".",
		"a header that names the algorithm twice": b64([]byte(`{"alg":"HS256","alg":"none","ctx":"AAAA"}`)) + "." + b64(payload) + ".",
	} {
		if a := v.send(t, tokenV1, jws); a.ok() {
			t.Errorf("%s: granted", name)
		}
	}
	password["request_nonce"] = v.nonce(t)
	honest, err := v.laptop.SignAsDevice(map[string]any{
		"grant_type": "password", "username": brokertest.Alice, "password": brokertest.Password, "scope": "openid aza ugs",
		"client_id": "38aa3b87-a06d-4817-b275-7a316988d93b", "request_nonce": v.nonce(t),
	})
	must(t, err)
	if a := v.send(t, tokenV1, honest); !a.ok() {
		t.Errorf("signed with the device's own key: %s", a.text)
	}
}

// Sessions with key derivation version 1 begin only where the tenant allows it, and then stay with it. // P04
func TestKeyDerivationVersionOneNeedsLeave(t *testing.T) {
	v := newVictim(t)
	ask := func() answer {
		jws, err := prt.SignDevice(v.deviceKey, v.certificate, prt.KDF1, map[string]string{
			"grant_type": "password", "username": brokertest.Alice, "password": brokertest.Password, "scope": "openid aza ugs",
			"client_id": "38aa3b87-a06d-4817-b275-7a316988d93b", "request_nonce": v.nonce(t),
		})
		must(t, err)
		return v.send(t, tokenV1, jws)
	}
	if a := ask(); a.ok() || !strings.Contains(a.Text, "version 2") {
		t.Errorf("version 1 where it is not allowed: %d %s", a.status, a.text)
	}
	tenant, err := v.server.Store.Tenant(context.Background(), brokertest.Tenant)
	must(t, err)
	tenant.Settings.AllowKDF1 = true
	must(t, v.server.Store.UpdateTenant(context.Background(), tenant, v.audit()))
	a := ask()
	if !a.ok() {
		t.Fatalf("version 1 where it is allowed: %s", a.text)
	}
	old := v
	old.prt = a.Token
	old.key, err = prt.DecryptSessionKey(a.SessionKey, v.transportKey)
	must(t, err)
	for version, want := range map[prt.KDFVersion]bool{prt.KDF1: true, prt.KDF2: false} {
		jws, err := prt.SignSession(old.key, version, old.claims(t, nil))
		must(t, err)
		if got := v.send(t, tokenV1, jws).ok(); got != want {
			t.Errorf("a session of version 1, a request of version %d: granted %v, want %v", version, got, want)
		}
	}
}

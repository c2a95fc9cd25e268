package signin_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"boundgate/internal/broker/brokertest"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

func plainly(token, client string) map[string]string {
	return map[string]string{"grant_type": "refresh_token", "refresh_token": token, "client_id": client, "resource": brokertest.Exchange}
}

// Over random walks of grants, what comes out of a bound request can never be redeemed plainly, and what comes out of an
// unbound one can never be used in a signed request: binding neither weakens nor appears. // P02
func TestBindingIsMonotone(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprintf("walk %d", seed), func(t *testing.T) {
			t.Parallel()
			v, r := newVictim(t), rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a reproducible walk
			unbound := v.post(t, tokenV1, map[string]string{
				"grant_type": "password", "username": brokertest.Alice, "password": brokertest.Password, "client_id": office, "resource": brokertest.Exchange,
			}).Token
			bound := v.bound
			for step := range 12 {
				switch r.IntN(8) {
				case 5: // single sign-on in the browser, and its code
					bound = v.redeem(t, v.authorize(t, asking(), credential, v.cookie(t, nil)).code(), nil).Token
				case 6: // the same, and the answer under the session key
					a := v.redeem(t, v.authorize(t, asking(), credential, v.cookie(t, nil)).code(), map[string]string{"windows_api_version": "2.0"})
					bound = v.opened(t, a)
				case 7: // a password in the browser, and its code
					digest := sha256.Sum256([]byte(verifier))
					page := v.authorize(t, asking("code_challenge", base64.RawURLEncoding.EncodeToString(digest[:]), "code_challenge_method", "S256"))
					unbound = v.redeem(t, v.typePassword(t, page).code(), map[string]string{"code_verifier": verifier}).Token
				case 0: // the PRT for an application
					bound = v.opened(t, v.send(t, tokenV1, v.signed(t, nil)))
				case 1: // a bound refresh token in a signed request
					bound = v.opened(t, v.send(t, tokenV1, v.signed(t, map[string]string{"refresh_token": bound})))
				case 2: // an unbound one plainly, which rotates
					a := v.post(t, tokenV1, plainly(unbound, office))
					if !a.ok() {
						t.Fatalf("step %d: an unbound refresh token plainly: %s", step, a.text)
					}
					unbound = a.Token
				case 3: // another application's name on a bound token
					if a := v.send(t, tokenV1, v.signed(t, map[string]string{"refresh_token": bound, "client_id": teamsApp})); a.ok() {
						t.Fatalf("step %d: a bound refresh token changed its client", step)
					}
				case 4: // the PRT renews, and stays bound
					must(t, v.laptop.Renew(t.Context(), ""))
				}
				if a := v.post(t, tokenV1, plainly(bound, office)); a.ok() {
					t.Fatalf("step %d: a bound refresh token was redeemed plainly", step)
				}
				if a := v.send(t, tokenV1, v.signed(t, map[string]string{"refresh_token": unbound})); a.ok() {
					t.Fatalf("step %d: an unbound refresh token was used in a signed request", step)
				}
			}
		})
	}
}

// opened returns the refresh token of an encrypted answer.
func (v victim) opened(t *testing.T, a answer) string {
	t.Helper()
	if !a.ok() {
		t.Fatalf("refused: %s", a.text)
	}
	text, err := prt.DecryptResponse(v.key, a.text)
	must(t, err)
	return refreshTokenOf(t, text)
}

// A refresh token becomes a PRT once, soon after its sign-in, and only on the device that was registered in that sign-in:
// otherwise a stolen one could be bound to the thief's own device. // P02
func TestARefreshTokenBecomesAPRTOnItsOwnDeviceOnly(t *testing.T) {
	upgrade := func(t *testing.T, v victim, token string) answer {
		t.Helper()
		jws, err := v.laptop.SignAsDevice(map[string]any{
			"grant_type": "refresh_token", "refresh_token": token, "client_id": "29d9ed98-a469-4536-ade2-f981bc1d605e",
			"scope": "openid aza ugs", "request_nonce": v.nonce(t), "win_ver": "10.0.22631.3593",
		})
		must(t, err)
		return v.send(t, tokenV1, jws)
	}
	t.Run("of the sign-in that registered the device, once", func(t *testing.T) {
		v := newVictim(t)
		if a := upgrade(t, v, v.first); !a.ok() || a.SessionKey == "" {
			t.Fatalf("the first time: %s", a.text)
		}
		if a := upgrade(t, v, v.first); a.ok() {
			t.Error("the second time it was granted as well")
		}
	})
	t.Run("not after ten minutes", func(t *testing.T) {
		v := newVictim(t)
		v.server.Advance(session.FreshFor + time.Second)
		if a := upgrade(t, v, v.first); a.ok() {
			t.Error("granted")
		}
	})
	t.Run("not of another sign-in of the same user", func(t *testing.T) {
		v := newVictim(t)
		other := v.post(t, tokenV1, map[string]string{
			"grant_type": "password", "username": brokertest.Alice, "password": brokertest.Password,
			"client_id": "29d9ed98-a469-4536-ade2-f981bc1d605e", "resource": "https://graph.microsoft.com",
		})
		if a := upgrade(t, v, other.Token); a.ok() {
			t.Error("granted")
		}
	})
	t.Run("not of another user", func(t *testing.T) {
		v := newVictim(t)
		bob := v.post(t, tokenV1, map[string]string{
			"grant_type": "password", "username": brokertest.Bob, "password": brokertest.Password,
			"client_id": "29d9ed98-a469-4536-ade2-f981bc1d605e", "resource": "https://graph.microsoft.com",
		})
		if a := upgrade(t, v, bob.Token); a.ok() {
			t.Error("granted")
		}
	})
	t.Run("not of another application", func(t *testing.T) {
		v := newVictim(t)
		app := v.post(t, tokenV1, map[string]string{
			"grant_type": "password", "username": brokertest.Alice, "password": brokertest.Password, "client_id": office, "resource": "https://graph.microsoft.com",
		})
		if a := upgrade(t, v, app.Token); a.ok() {
			t.Error("granted")
		}
	})
}

// A refresh token that was rotated is in two hands: using it again ends all that descends from its sign-in, and nothing
// else of the user's.
func TestReuseEndsTheFamily(t *testing.T) {
	v := newVictim(t)
	password := map[string]string{
		"grant_type": "password", "username": brokertest.Alice, "password": brokertest.Password, "client_id": office, "resource": brokertest.Exchange,
	}
	first, other := v.post(t, tokenV1, password), v.post(t, tokenV1, password)
	second := v.post(t, tokenV1, plainly(first.Token, office))
	if !second.ok() {
		t.Fatalf("rotation: %s", second.text)
	}
	if a := v.post(t, tokenV1, plainly(first.Token, office)); a.code() != 50173 {
		t.Errorf("the rotated token again: %s", a.text)
	}
	if a := v.post(t, tokenV1, plainly(second.Token, office)); a.code() != 50173 {
		t.Errorf("its successor after the reuse: %s", a.text)
	}
	if a := v.post(t, tokenV1, plainly(other.Token, office)); !a.ok() {
		t.Errorf("another sign-in of the user: %s", a.text)
	}
	if a := v.send(t, tokenV1, v.signed(t, nil)); !a.ok() {
		t.Errorf("the bound session: %s", a.text)
	}
}

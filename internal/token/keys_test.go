package token

import (
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"boundgate/internal/directory"
)

// A key is in every resource's set before it signs, and is accepted for as long as what it has signed may live. // P19
func TestKeysRotateWithOverlap(t *testing.T) {
	secrets := memory{}
	keys, err := LoadKeys(t.Context(), secrets, at)
	if err != nil {
		t.Fatal(err)
	}
	signedBy := func() string {
		text, err := keys.sign("", []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			t.Fatal(err)
		}
		return jws.Signatures[0].Header.KeyID
	}
	published, signers := map[string]time.Time{}, map[string]bool{}
	lastSignature := map[string]time.Time{}
	for day := at; day.Before(at.AddDate(1, 0, 0)); day = day.Add(12 * time.Hour) {
		if err := keys.Rotate(t.Context(), day); err != nil {
			t.Fatal(err)
		}
		now := map[string]bool{}
		for _, key := range keys.Public().Keys {
			now[key.KeyID] = true
			if _, before := published[key.KeyID]; !before {
				published[key.KeyID] = day
			}
		}
		id := signedBy()
		if age := day.Sub(published[id]); age < 24*time.Hour && len(signers) > 0 && !signers[id] {
			t.Errorf("on %s a key signs that was published %s ago", day, age)
		}
		signers[id], lastSignature[id] = true, day
		for old, last := range lastSignature {
			if day.Sub(last) <= time.Hour && !now[old] {
				t.Errorf("on %s a key is gone that signed at %s", day, last)
			}
		}
	}
	if len(signers) < 4 {
		t.Errorf("%d keys signed in a year", len(signers))
	}
	other, err := LoadKeys(t.Context(), secrets, at.AddDate(1, 0, 0))
	if err != nil || len(other.Public().Keys) != len(keys.Public().Keys) {
		t.Errorf("another node has other keys: %v, %v", other, err)
	}
}

// The key that an earlier release made goes on signing, and its tokens stay good.
func TestTheFirstKeyOfAnEarlierRelease(t *testing.T) {
	secrets := memory{}
	if _, err := LoadKeys(t.Context(), secrets, at); err != nil {
		t.Fatal(err)
	}
	first, err := parseStored(secrets["signing-key-rs256-1"])
	if err != nil {
		t.Fatal(err)
	}
	old := memory{"signing-key-rs256-1": first.Key}
	keys, err := LoadKeys(t.Context(), old, at)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := keys.sign("", []byte(`{}`)); err != nil || text == "" {
		t.Errorf("%q, %v", text, err)
	}
}

// A resource or a client that asks for ES256 gets it; which algorithm a key verifies, its record says. // P04
func TestES256WhereItIsAskedFor(t *testing.T) {
	issuer := newIssuer(t, memory{})
	v := &Verifier{Issuer: issuer, Now: func() time.Time { return at }}
	to := Audience{Resource: resource(t, directory.MicrosoftGraph), Identifier: string(directory.MicrosoftGraph), Algorithm: "ES256"}
	text, _, err := issuer.AccessToken(V2, subject(), to, at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256}); err != nil {
		t.Error(err)
	}
	if _, err := v.VerifyAccessToken(t.Context(), text, directory.MicrosoftGraph); err != nil {
		t.Error(err)
	}
	s := subject()
	s.ClientAlgorithm = "ES256"
	text, err = issuer.IDToken(V2, s, "", at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256}); err != nil {
		t.Error(err)
	}
	if _, err := issuer.Keys.sign("HS256", []byte(`{}`)); err == nil {
		t.Error("signs with an algorithm that there is no key for")
	}
}

// On the day on which a key may be known to somebody else, new ones sign at once; taken back, the old ones verify nothing,
// on every node and after a restart. // P06 P19
func TestReplaceTheKeys(t *testing.T) {
	for _, revoke := range []bool{false, true} {
		secrets := memory{}
		issuer := newIssuer(t, secrets)
		v := &Verifier{Issuer: issuer, Now: func() time.Time { return at }}
		to := Audience{Resource: resource(t, directory.MicrosoftGraph), Identifier: string(directory.MicrosoftGraph)}
		sign := func() string {
			text, _, err := issuer.AccessToken(V2, subject(), to, at)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		verifies := func(v *Verifier, text string) bool {
			_, err := v.VerifyAccessToken(t.Context(), text, directory.MicrosoftGraph)
			return err == nil
		}
		before := sign()
		if err := issuer.Keys.Replace(t.Context(), time.Now(), revoke); err != nil {
			t.Fatal(err)
		}
		after := sign()
		other := &Verifier{Issuer: newIssuer(t, secrets), Now: v.Now}
		for name, v := range map[string]*Verifier{"this node": v, "another node": other} {
			if verifies(v, before) == revoke || !verifies(v, after) {
				t.Errorf("revoke %v, %s: before %v, after %v", revoke, name, verifies(v, before), verifies(v, after))
			}
		}
		signing := 0
		for _, key := range issuer.Keys.List() {
			if key.Signing {
				signing++
			}
		}
		if signing != len(chains) {
			t.Errorf("%d keys sign: %+v", signing, issuer.Keys.List())
		}
		if err := issuer.Keys.Rotate(t.Context(), time.Now().AddDate(0, 0, 89)); err != nil || len(issuer.Keys.List()) < 2*len(chains) {
			t.Errorf("the successors are not published: %v, %+v", err, issuer.Keys.List())
		}
	}
}

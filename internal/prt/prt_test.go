package prt

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"
)

type vectors struct {
	Derivation struct{ SessionKey, Ctx, Payload, KDF1, KDF2 string }
	Proofs     []struct {
		Name, JWS, Expect string
		Recorded          KDFVersion
	}
	Responses     []struct{ Name, JWE, Expect string }
	TransportKey  struct{ P, Q, Blob, Kid string }
	SessionKeyJWE struct{ JWE, IV, Expect string }
}

func loadVectors(t testing.TB) vectors {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func vectorKey(t testing.TB) SessionKey {
	t.Helper()
	k, err := SessionKeyFrom(unhex(t, loadVectors(t).Derivation.SessionKey))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func vectorTransportKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	v := loadVectors(t).TransportKey
	p, q := new(big.Int).SetBytes(unhex(t, v.P)), new(big.Int).SetBytes(unhex(t, v.Q))
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537},
		D:         new(big.Int).ModInverse(big.NewInt(65537), phi), Primes: []*big.Int{p, q},
	}
	key.Precompute()
	return key
}

func TestDerive(t *testing.T) {
	d := loadVectors(t).Derivation
	for v, want := range map[KDFVersion]string{KDF1: d.KDF1, KDF2: d.KDF2} {
		got := vectorKey(t).Derive(v, unhex(t, d.Ctx), []byte(d.Payload)).Reveal()
		if hex.EncodeToString(got) != want {
			t.Errorf("Derive(%d) = %x, want %s", v, got, want)
		}
	}
}

// Which key derivation counts, the session's record says and not the message. // P04
func TestVerifyVectors(t *testing.T) {
	for _, v := range loadVectors(t).Proofs {
		t.Run(v.Name, func(t *testing.T) {
			p, err := ParseSessionProof(v.JWS)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]error{"valid": nil, "kdf": ErrKDF}[v.Expect]
			if err := p.Verify(vectorKey(t), v.Recorded); !errors.Is(err, want) {
				t.Errorf("Verify = %v, want %v", err, want)
			}
			if p.Claims.RefreshToken.Reveal() != "PRT.example" || p.Claims.RequestNonce != "NONCE.example" {
				t.Errorf("claims = %+v", p.Claims)
			}
		})
	}
}

func TestDecryptResponseVectors(t *testing.T) {
	for _, v := range loadVectors(t).Responses {
		t.Run(v.Name, func(t *testing.T) {
			got, err := DecryptResponse(vectorKey(t), v.JWE)
			if err != nil || string(got) != v.Expect {
				t.Errorf("DecryptResponse = %q, %v, want %q", got, err, v.Expect)
			}
		})
	}
	v := loadVectors(t).Responses[0]
	ctx := unhex(t, loadVectors(t).Derivation.Ctx)
	iv := unhex(t, "000102030405060708090a0b0c0d0e0f")
	got, err := encryptResponse(vectorKey(t), []byte(v.Expect), ctx, iv)
	if err != nil || got != v.JWE {
		t.Errorf("encryptResponse = %s, %v, want %s", got, err, v.JWE)
	}
}

func TestTransportKeyVector(t *testing.T) {
	v := loadVectors(t).TransportKey
	public := &vectorTransportKey(t).PublicKey
	if got := MarshalTransportKey(public); got != v.Blob {
		t.Errorf("MarshalTransportKey = %s, want %s", got, v.Blob)
	}
	if got := KeyID(public); got != v.Kid {
		t.Errorf("KeyID = %s, want %s", got, v.Kid)
	}
	got, err := ParseTransportKey(v.Blob)
	if err != nil || !got.Equal(public) {
		t.Errorf("ParseTransportKey = %v, %v", got, err)
	}
}

func TestTransportKeyAsJWKInStandardBase64(t *testing.T) {
	public := &vectorTransportKey(t).PublicKey
	jwk := fmt.Sprintf(`{"kty":"RSA","kid":"X","alg":"RS256","e":%q,"n":%q}`,
		base64.StdEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()), base64.StdEncoding.EncodeToString(public.N.Bytes()))
	got, err := ParseTransportKey(base64.StdEncoding.EncodeToString([]byte(jwk)))
	if err != nil || !got.Equal(public) {
		t.Errorf("ParseTransportKey = %v, %v", got, err)
	}
}

func TestBadTransportKeysAreRefused(t *testing.T) {
	good := MarshalBlob(&vectorTransportKey(t).PublicKey)
	change := func(at int, to byte) []byte { b := bytes.Clone(good); b[at] = to; return b }
	for name, raw := range map[string][]byte{
		"empty": {}, "cut off": good[:20], "a byte short": good[:len(good)-1], "a byte long": append(bytes.Clone(good), 0),
		"private parts":       change(16, 1),
		"length over bounds":  change(15, 0x7f),
		"wrong bit length":    change(4, 1),
		"an even modulus":     change(len(good)-1, good[len(good)-1]&^1),
		"JSON that is no key": []byte(`{"kty":"EC"}`), "doubled member": []byte(`{"kty":"RSA","n":"AQAB","n":"AQAC","e":"AQAB"}`),
	} {
		if _, err := ParseTransportKey(base64.StdEncoding.EncodeToString(raw)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: ParseTransportKey = %v, want ErrMalformed", name, err)
		}
	}
}

func TestSessionKeyVector(t *testing.T) {
	v := loadVectors(t).SessionKeyJWE
	got, err := DecryptSessionKey(v.JWE, vectorTransportKey(t))
	if err != nil || hex.EncodeToString(got.Reveal()) != v.Expect {
		t.Errorf("DecryptSessionKey = %x, %v, want %s", got.Reveal(), err, v.Expect)
	}
	p, err := splitJWE(v.JWE)
	if err != nil {
		t.Fatal(err)
	}
	again, err := sealSessionKey(vectorKey(t), p.key, unhex(t, v.IV))
	if err != nil || again != v.JWE {
		t.Errorf("sealSessionKey = %s, %v, want %s", again, err, v.JWE)
	}
}

// A session key opens with the transport key that it was encrypted to and with no other. // P01
func TestSessionKeyOpensOnItsDeviceOnly(t *testing.T) {
	device, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key, err := NewSessionKey()
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := EncryptSessionKey(key, &device.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecryptSessionKey(jwe, device); err != nil || !got.Equal(key) {
		t.Errorf("on the device: %v", err)
	}
	if _, err := DecryptSessionKey(jwe, vectorTransportKey(t)); !errors.Is(err, ErrDecrypt) {
		t.Errorf("elsewhere: %v, want ErrDecrypt", err)
	}
}

// Every bit of a signed request matters. // P01
func TestAnyChangedCharacterIsRefused(t *testing.T) {
	key := vectorKey(t)
	for _, v := range []KDFVersion{KDF1, KDF2} {
		jws, err := SignSession(key, v, map[string]string{"refresh_token": "x", "request_nonce": "n"})
		if err != nil {
			t.Fatal(err)
		}
		for n := range jws {
			for _, c := range "A.-9z" {
				changed := jws[:n] + string(c) + jws[n+1:]
				if changed == jws {
					continue
				}
				if p, err := ParseSessionProof(changed); err == nil && p.Verify(key, v) == nil {
					t.Fatalf("version %d: character %d changed to %c and the proof still holds", v, n, c)
				}
			}
		}
	}
}

// A derived key that leaks signs no other payload under version 2; that it does under version 1 is why an administrator
// must allow it. // P01
func TestLeakedDerivedKey(t *testing.T) {
	key := vectorKey(t)
	ctx := []byte("context of a captured request")
	stolen := []byte(`{"request_nonce":"one","refresh_token":"x"}`)
	forged := []byte(`{"request_nonce":"two","refresh_token":"x"}`)
	for v, want := range map[KDFVersion]error{KDF1: nil, KDF2: ErrSignature} {
		jws, err := SignWith(key.Derive(v, ctx, stolen), v, ctx, forged)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParseSessionProof(jws)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Verify(key, v); !errors.Is(err, want) {
			t.Errorf("version %d: Verify = %v, want %v", v, err, want)
		}
	}
}

func testDevice(t testing.TB) (*rsa.PrivateKey, []byte) {
	t.Helper()
	key := vectorTransportKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "device"}, NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

func TestDeviceProof(t *testing.T) {
	key, der := testDevice(t)
	jws, err := SignDevice(key, der, KDF2, map[string]any{"grant_type": "password", "password": "hunter2", "iat": "1700000000", "exp": 1700000060})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParseDeviceProof(jws)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(&key.PublicKey); err != nil {
		t.Errorf("under its own key: %v", err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(&other.PublicKey); !errors.Is(err, ErrSignature) {
		t.Errorf("under another key: %v, want ErrSignature", err)
	}
	if p.KDF != KDF2 || p.Claims.IssuedAt.Unix() != 1700000000 || p.Claims.ExpiresAt.Unix() != 1700000060 {
		t.Errorf("read %+v", p)
	}
}

func TestX5CAsListOfOne(t *testing.T) {
	key, der := testDevice(t)
	text, err := json.Marshal(map[string]any{"alg": "RS256", "x5c": []string{base64.StdEncoding.EncodeToString(der)}})
	if err != nil {
		t.Fatal(err)
	}
	jws := strict64.EncodeToString(text) + "." + strict64.EncodeToString([]byte(`{}`)) + ".AA"
	p, err := ParseDeviceProof(jws)
	if err != nil || !p.Certificate.PublicKey.(*rsa.PublicKey).Equal(&key.PublicKey) || p.KDF != KDF1 {
		t.Errorf("ParseDeviceProof = %+v, %v", p, err)
	}
}

func TestMalformedProofsAreRefused(t *testing.T) {
	part := func(s string) string { return strict64.EncodeToString([]byte(s)) }
	const head = `{"alg":"HS256","ctx":"AAAA"}`
	for name, jws := range map[string]string{
		"empty": "", "two parts": "a.b", "four parts": "a.b.c.d",
		"algorithm none":              part(`{"alg":"none","ctx":"AAAA"}`) + "." + part(`{}`) + ".",
		"algorithm of a device":       part(`{"alg":"RS256","ctx":"AAAA"}`) + "." + part(`{}`) + ".AA",
		"no context":                  part(`{"alg":"HS256"}`) + "." + part(`{}`) + ".AA",
		"context in base64url":        part(`{"alg":"HS256","ctx":"-_-_"}`) + "." + part(`{}`) + ".AA",
		"key derivation 3":            part(`{"alg":"HS256","ctx":"AAAA","kdf_ver":3}`) + "." + part(`{}`) + ".AA",
		"key derivation as text":      part(`{"alg":"HS256","ctx":"AAAA","kdf_ver":"2"}`) + "." + part(`{}`) + ".AA",
		"critical header":             part(`{"alg":"HS256","ctx":"AAAA","crit":["x"]}`) + "." + part(`{}`) + ".AA",
		"doubled claim":               part(head) + "." + part(`{"request_nonce":"a","request_nonce":"b"}`) + ".AA",
		"doubled header member":       part(`{"alg":"HS256","alg":"none","ctx":"AAAA"}`) + "." + part(`{}`) + ".AA",
		"claim of the wrong type":     part(head) + "." + part(`{"request_nonce":1}`) + ".AA",
		"deep nesting":                part(head) + "." + part(strings.Repeat(`{"a":`, 20)+"1"+strings.Repeat("}", 20)) + ".AA",
		"payload is a list":           part(head) + "." + part(`[]`) + ".AA",
		"something behind the object": part(head) + "." + part(`{}{}`) + ".AA",
		"padded":                      part(head) + "." + part(`{}`) + ".AA==",
		"trailing bits":               part(head) + "." + part(`{}`) + ".AB",
		"oversize":                    part(head) + "." + part(`{"a":"`+strings.Repeat("x", MaxJWS)+`"}`) + ".AA",
	} {
		if _, err := ParseSessionProof(jws); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: ParseSessionProof = %v, want ErrMalformed", name, err)
		}
	}
}

// A nonce is good for five minutes, from this server, in this epoch. // P03
func TestNonces(t *testing.T) {
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	n := &Nonces{Key: [32]byte{1}, Epoch: 7}
	nonce := n.Mint(at)
	changed := []byte(nonce)
	changed[3] ^= 1
	for _, tt := range []struct {
		name  string
		check *Nonces
		nonce string
		at    time.Time
		want  error
	}{
		{"at once", n, nonce, at, nil},
		{"just before five minutes", n, nonce, at.Add(NonceLifetime - time.Microsecond), nil},
		{"after five minutes", n, nonce, at.Add(NonceLifetime), ErrNonceExpired},
		{"on a node whose clock is a little behind", n, nonce, at.Add(-20 * time.Second), nil},
		{"from the future", n, nonce, at.Add(-time.Minute), ErrNonceExpired},
		{"changed", n, string(changed), at, ErrNonceInvalid},
		{"of another key", &Nonces{Key: [32]byte{2}, Epoch: 7}, nonce, at, ErrNonceInvalid},
		{"of an epoch before a restore", &Nonces{Key: [32]byte{1}, Epoch: 8}, nonce, at, ErrNonceInvalid},
		{"empty", n, "", at, ErrNonceInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := tt.check.Check(tt.nonce, tt.at); !errors.Is(err, tt.want) {
				t.Errorf("Check = %v, want %v", err, tt.want)
			}
		})
	}
	first, _, _ := n.Check(nonce, at)
	second, _, _ := n.Check(n.Mint(at), at)
	if first == second {
		t.Error("two nonces of one moment have one id")
	}
}

func TestTokensCarryTheirKind(t *testing.T) {
	for _, kind := range []Kind{KindPRT, KindRefreshToken, KindCode} {
		text, hash, err := NewToken(kind)
		if err != nil {
			t.Fatal(err)
		}
		gotKind, gotHash, err := ParseToken(text)
		if err != nil || gotKind != kind || gotHash != hash {
			t.Errorf("ParseToken(NewToken(%c)) = %c, %v", kind, gotKind, err)
		}
		if !strings.Contains(text, ".") || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			t.Errorf("text has characters that clients do not take")
		}
		for _, bad := range []string{"", text + "A", text[1:], "1.X" + text[3:], text[:len(text)-1] + "!"} {
			if _, _, err := ParseToken(bad); !errors.Is(err, ErrMalformed) {
				t.Errorf("ParseToken of a changed text = %v, want ErrMalformed", err)
			}
		}
	}
}

// No way of printing shows a key or a secret. // P11
func TestNothingPrintsASecret(t *testing.T) {
	key := vectorKey(t)
	secret := Secret("hunter2")
	type holder struct {
		Key     SessionKey
		Derived DerivedKey
		Secret  Secret
	}
	h := holder{key, key.Derive(KDF1, []byte("c"), nil), secret}
	text, err := json.Marshal(map[string]any{"k": key, "s": secret})
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %s %x %d", h, h, h, key, key, key) + string(text) + key.LogValue().String() + secret.LogValue().String()
	for _, leak := range []string{"hunter2", "000102", "1 2 3 4", "0x1, 0x2", hex.EncodeToString(h.Derived.Reveal())} {
		if strings.Contains(printed, leak) {
			t.Errorf("printed form contains %q: %s", leak, printed)
		}
	}
}

func FuzzParseSessionProof(f *testing.F) {
	for _, v := range loadVectors(f).Proofs {
		f.Add(v.JWS)
	}
	key := vectorKey(f)
	valid := map[string]bool{}
	for _, v := range loadVectors(f).Proofs {
		valid[v.JWS] = true
	}
	f.Fuzz(func(t *testing.T, jws string) {
		p, err := ParseSessionProof(jws)
		if err == nil && !valid[jws] && (p.Verify(key, KDF1) == nil || p.Verify(key, KDF2) == nil) {
			t.Fatalf("a made-up request verifies: %q", jws)
		}
	})
}

func FuzzParseDeviceProof(f *testing.F) {
	key, der := testDevice(f)
	jws, err := SignDevice(key, der, KDF2, map[string]string{"grant_type": "password"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(jws)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseDeviceProof(text)
		if err == nil && text != jws && p.Verify(&key.PublicKey) == nil {
			t.Fatalf("a made-up request verifies: %q", text)
		}
	})
}

func FuzzDecryptResponse(f *testing.F) {
	for _, v := range loadVectors(f).Responses {
		f.Add(v.JWE)
	}
	key := vectorKey(f)
	f.Fuzz(func(_ *testing.T, jwe string) {
		_, _ = DecryptResponse(key, jwe) // must not panic; form A has no integrity of its own
	})
}

func FuzzParseTransportKey(f *testing.F) {
	f.Add(loadVectors(f).TransportKey.Blob)
	f.Fuzz(func(t *testing.T, text string) {
		key, err := ParseTransportKey(text)
		if err != nil {
			return
		}
		again, err := ParseTransportKey(MarshalTransportKey(key))
		if err != nil || !again.Equal(key) {
			t.Fatalf("%q does not survive printing: %v", text, err)
		}
	})
}

func BenchmarkVerifySession(b *testing.B) {
	key := vectorKey(b)
	jws, err := SignSession(key, KDF2, map[string]string{"refresh_token": "x", "request_nonce": "n", "client_id": "c"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p, err := ParseSessionProof(jws)
		if err != nil || p.Verify(key, KDF2) != nil {
			b.Fatal("does not verify")
		}
	}
}

// Line breaks are not base64 here: a client puts them into any JSON string. // P14
func TestLineBreaksAreRefused(t *testing.T) {
	n := &Nonces{Key: [32]byte{1}}
	at := time.Unix(1700000000, 0)
	for _, nonce := range []string{strings.Repeat("\n", nonceLength), n.Mint(at)[:nonceLength-1] + "\n"} {
		if _, _, err := n.Check(nonce, at); !errors.Is(err, ErrNonceInvalid) {
			t.Errorf("Check(%q) = %v, want ErrNonceInvalid", nonce, err)
		}
	}
	if _, _, err := ParseToken("1.P" + strings.Repeat("\n", tokenLength-3)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a token of line breaks: %v, want ErrMalformed", err)
	}
	blob := MarshalTransportKey(&vectorTransportKey(t).PublicKey)
	if _, err := ParseTransportKey(blob[:9] + "\n" + blob[9:]); !errors.Is(err, ErrMalformed) {
		t.Errorf("a transport key with a line break: %v, want ErrMalformed", err)
	}
}

// FuzzNonce holds Check to its promise: no text makes it fail otherwise than with its two errors, and what it takes is what
// Mint gave out. // P03
func FuzzNonce(f *testing.F) {
	n := &Nonces{Key: [32]byte{1}, Epoch: 7}
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	// Not from Mint, which draws: each of fuzzing's processes must know the same one.
	raw := binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro()))
	raw = append(raw, make([]byte, nonceRandom)...)
	mac := n.mac(raw)
	minted := strict64.EncodeToString(append(raw, mac[:]...))
	if _, _, err := n.Check(minted, at); err != nil {
		f.Fatal(err)
	}
	f.Add(minted)
	f.Add(strings.Repeat("\n", nonceLength))
	f.Add(strings.Repeat("A", nonceLength))
	f.Fuzz(func(t *testing.T, nonce string) {
		_, _, err := n.Check(nonce, at)
		switch {
		case err == nil && nonce != minted:
			t.Errorf("Check takes %q, which Mint did not give out", nonce)
		case err != nil && !errors.Is(err, ErrNonceInvalid) && !errors.Is(err, ErrNonceExpired):
			t.Errorf("Check(%q) = %v", nonce, err)
		}
	})
}

// As long as any node takes a nonce, its record among the spent ones is kept, whoever's clock drops it. // P03
func TestASpentNonceIsRememberedWhileAnyNodeTakesIt(t *testing.T) {
	n := &Nonces{Key: [32]byte{1}}
	minted := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	nonce := n.Mint(minted)
	_, dropped, err := n.Check(nonce, minted)
	if err != nil {
		t.Fatal(err)
	}
	behind := dropped.Add(-nonceSkew) // the slowest clock when the fastest drops the record
	if _, _, err := n.Check(nonce, behind); !errors.Is(err, ErrNonceExpired) {
		t.Errorf("after its record is dropped at %s, a node at %s says %v", dropped, behind, err)
	}
}

// Without a key there are no nonces. // P19
func TestNoncesNeedAKey(t *testing.T) {
	n := &Nonces{}
	forged := make([]byte, nonceBytes)
	at := time.Unix(1700000000, 0)
	binary.BigEndian.PutUint64(forged, uint64(at.UnixMicro()))
	mac := n.mac(forged[:nonceTime+nonceRandom])
	copy(forged[nonceTime+nonceRandom:], mac[:])
	if _, _, err := n.Check(strict64.EncodeToString(forged), at); !errors.Is(err, ErrNonceInvalid) {
		t.Errorf("a nonce under the absent key: %v, want ErrNonceInvalid", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("Mint gave out a nonce without a key")
		}
	}()
	n.Mint(at)
}

// Nothing that holds a secret shows it, under any verb, in any encoding, nor inside a field that fmt cannot see into. // P11
func TestWhatHoldsSecretsPrintsRedacted(t *testing.T) {
	key, err := SessionKeyFrom([]byte("SECRET-session-key-of-32-bytes!!"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := SignSession(key, KDF2, map[string]string{"request_nonce": "SECRET-nonce", "refresh_token": "SECRET-token"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParseSessionProof(jws)
	if err != nil {
		t.Fatal(err)
	}
	deviceKey, der := testDevice(t)
	if jws, err = SignDevice(deviceKey, der, KDF2, map[string]string{"password": "SECRET-password", "request_nonce": "SECRET-nonce"}); err != nil {
		t.Fatal(err)
	}
	d, err := ParseDeviceProof(jws)
	if err != nil {
		t.Fatal(err)
	}
	type hidden struct{ key SessionKey }
	for name, value := range map[string]any{
		"a session key": key, "a derived key": key.Derive(KDF1, []byte("c"), nil), "a secret": Secret("SECRET-text"),
		"claims": p.Claims, "a session proof": p, "a session proof by value": *p, "a device proof": d, "a device proof by value": *d,
		"nonces": Nonces{Key: [32]byte([]byte("SECRET-key-of-nonces-in-32-bytes"))}, "a key in an unexported field": hidden{key},
	} {
		out := new(bytes.Buffer)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%t"} {
			fmt.Fprintf(out, verb, value)
		}
		slog.New(slog.NewJSONHandler(out, nil)).Info("json", "value", value)
		slog.New(slog.NewTextHandler(out, nil)).Info("text", "value", value)
		for _, leak := range []string{"SECRET", "534543524554", "83 69 67 82 69 84", "0x53, 0x45", "U0VDUkVU"} {
			if strings.Contains(out.String(), leak) {
				t.Errorf("%s shows %q in %.300s", name, leak, out)
			}
		}
	}
}

// The zero session key is no key: what a record without one would let a forger sign does not verify. // P04
func TestNoKeyVerifiesNothing(t *testing.T) {
	key := vectorKey(t)
	jws, err := SignSession(key, KDF2, map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParseSessionProof(jws)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(SessionKey{}, KDF2); !errors.Is(err, ErrNoKey) {
		t.Errorf("Verify without a key = %v, want ErrNoKey", err)
	}
	p.KDF = 0
	if err := p.Verify(key, 0); !errors.Is(err, ErrKDF) {
		t.Errorf("Verify with a record of no version = %v, want ErrKDF", err)
	}
	_, sign := SignSession(SessionKey{}, KDF2, map[string]string{})
	_, wrap := EncryptSessionKey(SessionKey{}, &vectorTransportKey(t).PublicKey)
	_, encrypt := EncryptResponse(SessionKey{}, nil)
	_, decrypt := DecryptResponse(SessionKey{}, "")
	for name, err := range map[string]error{"SignSession": sign, "EncryptSessionKey": wrap, "EncryptResponse": encrypt, "DecryptResponse": decrypt} {
		if !errors.Is(err, ErrNoKey) {
			t.Errorf("%s without a key = %v, want ErrNoKey", name, err)
		}
	}
	if (SessionKey{}).Equal(key) || key.Equal(SessionKey{}) || !(SessionKey{}).Equal(SessionKey{}) {
		t.Error("no key equals a key")
	}
}

// What a claim says is read in one way only, or not at all.
func TestClaimsAreReadStrictly(t *testing.T) {
	for _, tt := range []struct {
		name, payload string
		want          Claims
		refused       bool
	}{
		{"a claim", `{"refresh_token":"A"}`, Claims{RefreshToken: "A"}, false},
		{"null is absence", `{"refresh_token":null,"iat":null}`, Claims{}, false},
		{"unknown claims are ignored", `{"group_sids":[],"tgt":{"a":[1]}}`, Claims{}, false},
		{"a name in other letters is another name", `{"refresh_token":"A","Refresh_Token":"B"}`, Claims{RefreshToken: "A"}, false},
		{"and alone is unknown", `{"REFRESH_TOKEN":"B"}`, Claims{}, false},
		{"a time as a number", `{"iat":1700000000}`, Claims{IssuedAt: ClaimTime{time.Unix(1700000000, 0).UTC()}}, false},
		{"a time as a string", `{"iat":"1700000000"}`, Claims{IssuedAt: ClaimTime{time.Unix(1700000000, 0).UTC()}}, false},
		{"a time with a fraction", `{"iat":1700000000.25}`, Claims{IssuedAt: ClaimTime{time.Unix(1700000000, 0).UTC()}}, false},
		{"a time that is no number", `{"iat":"nan"}`, Claims{}, true},
		{"a time in hexadecimal", `{"iat":"0x1p30"}`, Claims{}, true},
		{"a time before 1970", `{"iat":-1}`, Claims{}, true},
		{"a time after all calendars", `{"iat":1e300}`, Claims{}, true},
		{"a number for a string", `{"refresh_token":1}`, Claims{}, true},
		{"a member twice", `{"refresh_token":"A","refresh_token":"B"}`, Claims{}, true},
		{"a member twice, once in escapes", `{"refresh_token":"A","refresh\u005ftoken":"B"}`, Claims{}, true},
		{"a member twice further in", `{"a":[{"b":1,"b":2}]}`, Claims{}, true},
		{"what is not UTF-8", "{\"refresh_token\":\"\xff\"}", Claims{}, true},
		{"something after the object", `{}{}`, Claims{}, true},
		{"an array", `[]`, Claims{}, true},
		{"too deep an array", `{"a":` + strings.Repeat("[", maxNesting) + strings.Repeat("]", maxNesting) + `}`, Claims{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got Claims
			err := decodeObject([]byte(tt.payload), &got)
			if tt.refused != errors.Is(err, ErrMalformed) || !tt.refused && err != nil {
				t.Fatalf("error %v, want refused: %t", err, tt.refused)
			}
			if !tt.refused && got != tt.want {
				t.Errorf("read a refresh token %q and a time %s", got.RefreshToken.Reveal(), got.IssuedAt)
			}
		})
	}
}

// A value of the wrong type is not quoted in the error. // P11
func TestErrorsDoNotQuoteClaims(t *testing.T) {
	for _, payload := range []string{`{"iat":"SECRET"}`, `{"password":["SECRET"]}`, `{"password":"SECRET`, `{"SECRET":1,"SECRET":1}`} {
		var c Claims
		if err := decodeObject([]byte(payload), &c); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

// The version is the number 1 or 2, written as clients write it; its absence is 1. // P04
func TestKDFVersionInTheHeader(t *testing.T) {
	for member, want := range map[string]KDFVersion{
		``: KDF1, `,"kdf_ver":1`: KDF1, `,"kdf_ver":2`: KDF2, `,"KDF_VER":2`: KDF1,
		`,"kdf_ver":0`: 0, `,"kdf_ver":3`: 0, `,"kdf_ver":"2"`: 0, `,"kdf_ver":2.0`: 0, `,"kdf_ver":null`: 0, `,"kdf_ver":[2]`: 0,
	} {
		p, err := ParseSessionProof(strict64.EncodeToString([]byte(`{"alg":"HS256","ctx":"AAAA"`+member+`}`)) + ".e30.AAAA")
		if want == 0 && !errors.Is(err, ErrMalformed) || want != 0 && (err != nil || p.KDF != want) {
			t.Errorf("header with %q: %v, want version %d", member, err, want)
		}
	}
}

// A transport key has bounds on which the secrecy of session keys rests.
func TestWeakTransportKeysAreRefused(t *testing.T) {
	key := vectorTransportKey(t)
	with := func(change func(*rsa.PublicKey)) string {
		public := rsa.PublicKey{N: new(big.Int).Set(key.N), E: key.E}
		change(&public)
		return MarshalTransportKey(&public)
	}
	if _, err := ParseTransportKey(with(func(*rsa.PublicKey) {})); err != nil {
		t.Fatalf("the key unchanged: %v", err)
	}
	private := fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAB","d":%q}`, standard64.EncodeToString(key.N.Bytes()), standard64.EncodeToString(key.D.Bytes()))
	for name, text := range map[string]string{
		"exponent 3":             with(func(k *rsa.PublicKey) { k.E = 3 }),
		"an even exponent":       with(func(k *rsa.PublicKey) { k.E = 65538 }),
		"an even modulus":        with(func(k *rsa.PublicKey) { k.N.SetBit(k.N, 0, 0) }),
		"2047 bits":              with(func(k *rsa.PublicKey) { k.N.SetBit(k.N, 2047, 0) }),
		"4098 bits":              with(func(k *rsa.PublicKey) { k.N.SetBit(k.N, 4097, 1) }),
		"a private key in a JWK": standard64.EncodeToString([]byte(private)),
	} {
		if _, err := ParseTransportKey(text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
}

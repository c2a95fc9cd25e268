package broker_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boundgate/internal/broker"
	"boundgate/internal/broker/brokertest"
	"boundgate/internal/prt"
	"boundgate/internal/tpm"
)

// loot is what a thief reads in a copied state file.
type loot struct {
	TenantID string
	Accounts []struct {
		PrimaryRefreshToken string
		SessionKeyJWE       string `json:"session_key_jwe"`
		RefreshTokens       map[string]string
	}
}

func steal(t *testing.T, dir string) loot {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	var l loot
	if err := json.Unmarshal(text, &l); err != nil || len(l.Accounts) != 1 || len(l.Accounts[0].RefreshTokens) != 1 {
		t.Fatalf("read the stolen state: %v, %+v", err, l)
	}
	return l
}

func TestCopyWithoutKeysIsWorthless(t *testing.T) { // P01
	server := brokertest.New(t)
	owner := newLaptop(t, server)
	owner.register(t, false)
	if _, err := owner.exchange(t.Context(), ""); err != nil {
		t.Fatalf("the owner's token: %v", err)
	}
	thief := openLaptop(t, server, copyOf(t, owner.dir, false))
	stolen := steal(t, thief.dir)
	var refreshToken string
	for _, text := range stolen.Accounts[0].RefreshTokens {
		refreshToken = text
	}
	plainly := func(token string) error {
		_, err := thief.RedeemUnbound(t.Context(), server.URL, stolen.TenantID, token, office, brokertest.Exchange)
		return err
	}

	for _, tt := range []struct {
		name string
		try  func() error
		want error // nil where the server refuses
	}{
		{"asks for a token", func() error { _, err := thief.exchange(t.Context(), ""); return err }, broker.ErrKeysMissing},
		{"renews the session", func() error { return thief.Renew(t.Context(), "") }, broker.ErrKeysMissing},
		{"signs in with the password", func() error {
			return thief.SignIn(t.Context(), brokertest.Alice, brokertest.Password)
		}, broker.ErrKeysMissing},
		{"signs as the device", func() error { _, err := thief.SignAsDevice(map[string]any{}); return err }, broker.ErrKeysMissing},
		{"ends the registration", func() error { return thief.leave(t.Context()) }, broker.ErrKeysMissing},
		{"redeems the Primary Refresh Token plainly", func() error { return plainly(stolen.Accounts[0].PrimaryRefreshToken) }, nil},
		{"redeems the application's refresh token plainly", func() error { return plainly(refreshToken) }, nil},
	} {
		err := tt.try()
		var refusal *broker.Refusal
		if tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && !errors.As(err, &refusal) {
			t.Errorf("a thief without the keys %s: %v, want %v or a refusal", tt.name, err, tt.want)
		}
	}
	if got := thief.status(t); got.KeyProtection != "missing" || !strings.Contains(got.Warning, "not here") {
		t.Errorf("the copy's Status() = %+v, want the keys missing", got)
	}
	if _, err := owner.exchange(t.Context(), ""); err != nil {
		t.Errorf("the owner's token afterwards: %v", err)
	}
}

// A thief who makes keys of his own in the copy's place has signatures, and none that anyone believes.
func TestCopyWithOtherKeysIsWorthless(t *testing.T) { // P01
	server := brokertest.New(t)
	owner := newLaptop(t, server)
	owner.register(t, false)
	thief := openLaptop(t, server, copyOf(t, owner.dir, false))
	keys := tpm.NewSoftwareStore(filepath.Join(thief.dir, "keys"))
	for _, name := range []string{"device", "transport"} {
		if _, err := keys.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := thief.exchange(t.Context(), ""); !errors.Is(err, prt.ErrDecrypt) {
		t.Errorf("Token() = %v, want that the session key does not open", err)
	}
	if err := thief.Renew(t.Context(), ""); !errors.Is(err, prt.ErrDecrypt) {
		t.Errorf("Renew() = %v, want that the session key does not open", err)
	}
	wantCode(t, "SignIn() with the password", thief.SignIn(t.Context(), brokertest.Alice, brokertest.Password), 50027)
	if err := thief.leave(t.Context()); !errors.Is(err, broker.ErrUnreachable) {
		t.Errorf("Leave() = %v, want that TLS does not come about", err)
	}
	if _, err := owner.exchange(t.Context(), ""); err != nil {
		t.Errorf("the owner's token afterwards: %v", err)
	}
}

// Keys in files can be copied. The broker does not claim otherwise.
func TestCopyWithKeysIsTheDevice(t *testing.T) { // P20
	server := brokertest.New(t)
	owner := newLaptop(t, server)
	owner.register(t, false)
	thief := openLaptop(t, server, copyOf(t, owner.dir, true))
	if _, err := thief.exchange(t.Context(), ""); err != nil {
		t.Errorf("Token() of the copy: %v", err)
	}
	for _, l := range []laptop{owner, thief} {
		if got := l.status(t); got.KeyProtection != "software" || !strings.Contains(got.Warning, "whoever copies them copies the device") {
			t.Errorf("Status() = %+v, want software keys and a warning", got)
		}
	}
}

// Nothing that the broker writes or sends shows the session key, or a key that one of its requests was signed with.
func TestSessionKeysAreWrittenNowhere(t *testing.T) { // P11
	server := brokertest.New(t)
	sent := &recorder{}
	server.Through(sent.record)
	l := newLaptop(t, server)
	l.register(t, false)
	if _, err := l.exchange(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := l.Renew(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	transport, err := tpm.NewSoftwareStore(filepath.Join(l.dir, "keys")).Open("transport")
	if err != nil {
		t.Fatal(err)
	}
	session, err := prt.DecryptSessionKey(steal(t, l.dir).Accounts[0].SessionKeyJWE, transport)
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{"the session key": session.Reveal()}
	for i, jws := range sent.signed(t) {
		proof, err := prt.ParseSessionProof(jws)
		if err != nil {
			continue // signed with the device key
		}
		secrets[fmt.Sprintf("the key of request %d", i)] = derive(session.Reveal(), proof.Context, proof.Payload)
	}
	if len(secrets) != 3 {
		t.Fatalf("%d secrets, want the session key and those of a token request and a renewal", len(secrets))
	}

	status, err := json.Marshal(l.status(t))
	if err != nil {
		t.Fatal(err)
	}
	places := map[string][]byte{"status": status, "requests": []byte(strings.Join(sent.bodies, "\n")), "%+v": fmt.Appendf(nil, "%+v %#v", l, l.Broker)}
	err = filepath.WalkDir(filepath.Dir(l.dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		places[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for place, text := range places {
		for what, secret := range secrets {
			for form, shown := range forms(secret) {
				if bytes.Contains(text, shown) {
					t.Errorf("%s is in %s, in %s", what, place, form)
				}
			}
		}
	}
}

// forms returns the ways in which a secret could be written.
func forms(secret []byte) map[string][]byte {
	return map[string][]byte{
		"raw bytes": secret, "hexadecimal": []byte(hex.EncodeToString(secret)),
		"upper-case hexadecimal": []byte(strings.ToUpper(hex.EncodeToString(secret))),
		"base64":                 []byte(base64.RawStdEncoding.EncodeToString(secret)),
		"base64url":              []byte(base64.RawURLEncoding.EncodeToString(secret)),
		"a list of numbers":      []byte(strings.Trim(fmt.Sprint(secret), "[]")),
		"a JSON list":            []byte(strings.ReplaceAll(strings.Trim(fmt.Sprint(secret), "[]"), " ", ",")),
	}
}

// A recorder keeps the bodies of requests.
type recorder struct {
	bodies []string
	paths  []string
	header []http.Header
}

func (r *recorder) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var body bytes.Buffer
		if _, err := body.ReadFrom(http.MaxBytesReader(w, req.Body, 1<<20)); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.bodies, r.paths, r.header = append(r.bodies, body.String()), append(r.paths, req.Method+" "+req.URL.Path), append(r.header, req.Header.Clone())
		req.Body = readCloser{&body}
		next.ServeHTTP(w, req)
	})
}

type readCloser struct{ *bytes.Buffer }

// Close implements io.Closer.
func (readCloser) Close() error { return nil }

// signed returns the signed requests among those that were recorded.
func (r *recorder) signed(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, form := range r.forms(t) {
		if jws := form.Get("request"); jws != "" {
			all = append(all, jws)
		}
	}
	return all
}

func (r *recorder) forms(t *testing.T) []url.Values {
	t.Helper()
	var all []url.Values
	for _, body := range r.bodies {
		if strings.HasPrefix(body, "{") {
			continue
		}
		form, err := url.ParseQuery(body)
		if err != nil {
			t.Fatalf("a request's body is no form: %v", err)
		}
		all = append(all, form)
	}
	return all
}

package demo

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"boundgate/internal/broker"
	"boundgate/internal/prt"
	"boundgate/internal/tpm"
)

// A tap keeps a copy of the requests that cross a connection, as malware on the wire would.
type tap struct {
	next     http.RoundTripper
	mu       sync.Mutex
	requests []captured
}

type captured struct{ address, body string }

// RoundTrip copies the request and passes it on.
func (t *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		t.mu.Lock()
		t.requests = append(t.requests, captured{r.URL.String(), string(body)})
		t.mu.Unlock()
	}
	return t.next.RoundTrip(r)
}

// last returns the latest captured request that was signed with a session key.
func (t *tap) last() (captured, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n := len(t.requests) - 1; n >= 0; n-- {
		form, err := url.ParseQuery(t.requests[n].body)
		if err == nil && strings.Contains(headerOf(form.Get("request")), "HS256") {
			return t.requests[n], nil
		}
	}
	return captured{}, errors.New("no signed request was captured")
}

func headerOf(jws string) string {
	head, _, _ := strings.Cut(jws, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return ""
	}
	return string(text)
}

// loot is what the thief carries to another machine.
type loot struct {
	dir      string // a copy of the broker's directory without the keys
	captured captured
	leaked   leakedKey // a derived key out of the memory of Alice's laptop
	prt      string
	sealed   string            // session_key_jwe
	refresh  map[string]string // bound refresh tokens, by client and tenant
	tenant   string
}

// leakedKey is a derived key with the context that it derives from.
type leakedKey struct{ key, ctx []byte }

// theft plays the ways in which a copied session is used elsewhere. Each is refused, and the owner still works.
func (s *story) theft(ctx context.Context) error {
	if err := s.devices["alice-laptop"].Renew(ctx, ""); err != nil {
		return err
	}
	l, err := s.steal()
	s.out.Step("thief", "copies state, tokens, requests and a derived key", "without the private keys", err)
	if err != nil {
		return err
	}
	for _, attack := range []struct {
		what string
		code int // of the refusal
		try  func(context.Context, loot) error
	}{
		{"presents the PRT as a refresh token", 70000, s.prtPlainly},
		{"presents a bound refresh token plainly", 530084, s.boundPlainly},
		{"signs a request with a session key of his own", 50027, s.ownSessionKey},
		{"sends a captured request again", 50027, s.replay},
		{"sends a captured request to the other endpoint", 50027, s.replayElsewhere},
		{"signs a new request with a leaked derived key", 50027, s.leakedKeyNewBody},
		{"the same, saying that it is version 1", 50027, s.leakedKeyVersion1},
		{"the PRT in a request signed by his own device", 50027, s.ownDevice},
	} {
		result, err := refusedWith(attack.try(ctx, l), attack.code)
		s.out.Step("thief", attack.what, result, err)
	}
	s.out.Step("thief", "unwraps the session key with a key of his own", "does not open", s.ownTransportKey(l))
	s.out.Step("alice, laptop", "Outlook asks for Exchange", "token; the owner still works", s.actors[0].ask(ctx))
	return nil
}

// steal copies the broker's files except the keys, and takes what was captured.
func (s *story) steal() (loot, error) {
	from, to := filepath.Join(s.Dir, "alice-laptop"), filepath.Join(s.Dir, "thief")
	if err := copyTree(from, to, func(path string) bool { return strings.HasPrefix(path, "keys") }); err != nil {
		return loot{}, err
	}
	text, err := os.ReadFile(filepath.Join(to, "state.json"))
	if err != nil {
		return loot{}, err
	}
	var state struct {
		TenantID string
		Accounts []struct {
			PrimaryRefreshToken string
			SessionKeyJWE       string `json:"session_key_jwe"`
			RefreshTokens       map[string]string
		}
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return loot{}, err
	}
	a := state.Accounts[0]
	l := loot{dir: to, prt: a.PrimaryRefreshToken, sealed: a.SessionKeyJWE, refresh: a.RefreshTokens, tenant: state.TenantID}
	if l.captured, err = s.tap.last(); err != nil {
		return loot{}, err
	}
	l.leaked, err = s.leak(a.SessionKeyJWE, l.captured)
	return l, err
}

// leak computes the key that signed the captured request, as it lay in the memory of Alice's laptop at that moment.
func (s *story) leak(sealed string, c captured) (leakedKey, error) {
	transport, err := tpm.NewSoftwareStore(filepath.Join(s.Dir, "alice-laptop", "keys")).Open("transport")
	if err != nil {
		return leakedKey{}, err
	}
	key, err := prt.DecryptSessionKey(sealed, transport)
	if err != nil {
		return leakedKey{}, err
	}
	form, err := url.ParseQuery(c.body)
	if err != nil {
		return leakedKey{}, err
	}
	proof, err := prt.ParseSessionProof(form.Get("request"))
	if err != nil {
		return leakedKey{}, err
	}
	digest := sha256.Sum256(append(append([]byte(nil), proof.Context...), proof.Payload...))
	return leakedKey{derive(key.Reveal(), digest[:]), proof.Context}, nil
}

// derive is the key derivation of the protocol (NIST SP 800-108), written out: a thief has no need of our code.
func derive(key, context []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte{0, 0, 0, 1})
	mac.Write([]byte("AzureAD-SecureConversation\x00"))
	mac.Write(context)
	var bits [4]byte
	binary.BigEndian.PutUint32(bits[:], 256)
	mac.Write(bits[:])
	return mac.Sum(nil)
}

// forge signs claims with a derived key.
func forge(k leakedKey, header map[string]any, claims map[string]any) (string, error) {
	header["alg"], header["ctx"] = "HS256", base64.StdEncoding.EncodeToString(k.ctx)
	head, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	input := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(payload)
	mac := hmac.New(sha256.New, k.key)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

func (s *story) prtPlainly(ctx context.Context, l loot) error {
	b, err := broker.Open(broker.Options{HTTP: s.HTTP})
	if err != nil {
		return err
	}
	_, err = b.RedeemUnbound(ctx, s.URL, l.tenant, l.prt, appOffice, exchange)
	return err
}

func (s *story) boundPlainly(ctx context.Context, l loot) error {
	b, err := broker.Open(broker.Options{HTTP: s.HTTP})
	if err != nil {
		return err
	}
	for key, text := range l.refresh {
		client, _, _ := strings.Cut(key, " ")
		if client == appOffice {
			_, err = b.RedeemUnbound(ctx, s.URL, l.tenant, text, appOffice, exchange)
			return err
		}
	}
	return errors.New("the thief found no bound refresh token")
}

// claims are those of an honest request for Exchange with the stolen PRT and a fresh nonce.
func (s *story) claims(ctx context.Context, l loot) (map[string]any, error) {
	nonce, err := s.nonce(ctx)
	return map[string]any{
		"grant_type": "refresh_token", "refresh_token": l.prt, "client_id": appOffice, "scope": "openid",
		"resource": exchange, "request_nonce": nonce, "win_ver": windows11.Version,
	}, err
}

func (s *story) ownSessionKey(ctx context.Context, l loot) error {
	claims, err := s.claims(ctx, l)
	if err != nil {
		return err
	}
	key, err := prt.NewSessionKey()
	if err != nil {
		return err
	}
	jws, err := prt.SignSession(key, prt.KDF2, claims)
	if err != nil {
		return err
	}
	return s.post(ctx, "/"+l.tenant+"/oauth2/token", jws)
}

func (s *story) replay(ctx context.Context, l loot) error {
	return s.postBody(ctx, l.captured.address, l.captured.body)
}

func (s *story) replayElsewhere(ctx context.Context, l loot) error {
	return s.postBody(ctx, strings.Replace(l.captured.address, "/oauth2/token", "/oauth2/v2.0/token", 1), l.captured.body)
}

func (s *story) leakedKeyNewBody(ctx context.Context, l loot) error {
	claims, err := s.claims(ctx, l)
	if err != nil {
		return err
	}
	jws, err := forge(l.leaked, map[string]any{"kdf_ver": 2}, claims)
	if err != nil {
		return err
	}
	return s.post(ctx, "/"+l.tenant+"/oauth2/token", jws)
}

func (s *story) leakedKeyVersion1(ctx context.Context, l loot) error {
	claims, err := s.claims(ctx, l)
	if err != nil {
		return err
	}
	jws, err := forge(l.leaked, map[string]any{}, claims)
	if err != nil {
		return err
	}
	return s.post(ctx, "/"+l.tenant+"/oauth2/token", jws)
}

// ownDevice signs a request for a PRT with the key of a device that the thief has registered in his own organisation.
func (s *story) ownDevice(ctx context.Context, l loot) error {
	hugo := s.cast.Fabrikam.People["hugo"]
	b, err := s.joined(ctx, "thief-laptop", hugo, windows11, s.HTTP)
	if err != nil {
		return err
	}
	nonce, err := s.nonce(ctx)
	if err != nil {
		return err
	}
	jws, err := b.SignAsDevice(map[string]any{
		"grant_type": "refresh_token", "refresh_token": l.refresh[appOffice+" "+l.tenant], "client_id": "29d9ed98-a469-4536-ade2-f981bc1d605e",
		"scope": "openid aza ugs", "request_nonce": nonce, "win_ver": windows11.Version,
	})
	if err != nil {
		return err
	}
	return s.post(ctx, "/"+l.tenant+"/oauth2/token", jws)
}

func (s *story) ownTransportKey(l loot) error {
	own, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	if _, err := prt.DecryptSessionKey(l.sealed, own); err == nil {
		return errors.New("the session key opened with the thief's key")
	}
	return nil
}

// copiedKeys says plainly what is not protected: keys in files can be copied, and the copy is the device.
func (s *story) copiedKeys(ctx context.Context) error {
	to := filepath.Join(s.Dir, "copy-with-keys")
	if err := copyTree(filepath.Join(s.Dir, "alice-laptop"), to, func(string) bool { return false }); err != nil {
		return err
	}
	b, err := broker.Open(broker.Options{Dir: to, HTTP: s.HTTP, Keys: tpm.NewSoftwareStore(filepath.Join(to, "keys"))})
	if err != nil {
		return err
	}
	_, err = b.Token(ctx, broker.TokenRequest{Client: appOffice, Resource: exchange})
	s.out.Step("thief, with the keys", "copies the key files as well", "token: keys in files can be copied", err)
	s.out.Note("Keys in a TPM cannot be copied. The broker marks its keys as software wherever they show.")
	return nil
}

func (s *story) nonce(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/common/oauth2/token", strings.NewReader("grant_type=srv_challenge"))
	if err != nil {
		return "", err
	}
	var reply struct{ Nonce string }
	if err := send(s.HTTP, req, &reply); err != nil {
		return "", err
	}
	return reply.Nonce, nil
}

func (s *story) post(ctx context.Context, path, jws string) error {
	form := url.Values{
		"windows_api_version": {"2.2"}, "client_info": {"1"}, "request": {jws},
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"},
	}
	return s.postBody(ctx, s.URL+path, form.Encode())
}

// postBody sends a form; the answer's refusal is a *broker.Refusal.
func (s *story) postBody(ctx context.Context, address, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode == http.StatusOK {
		return err
	}
	refusal := &broker.Refusal{Status: resp.StatusCode}
	if err := json.Unmarshal(text, refusal); err != nil {
		return fmt.Errorf("the server answered %d: %w", resp.StatusCode, err)
	}
	return refusal
}

// copyTree copies a directory with its modes, but for what leave says.
func copyTree(from, to string, leave func(path string) bool) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil || relative != "." && leave(relative) {
			return err
		}
		target := filepath.Join(to, relative)
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o600)
	})
}

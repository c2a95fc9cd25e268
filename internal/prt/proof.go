package prt

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Bounds of what is looked at, in bytes.
const (
	MaxJWS         = 32 << 10
	maxHeader      = 12 << 10
	maxContext     = 256
	maxCertificate = 8 << 10
	minRSABits     = 2048
)

// compact is a JWS in compact form, split and decoded, believed in nothing.
type compact struct {
	header       []byte
	payload      []byte
	signature    []byte
	signingInput string
}

// strict64 is base64url without padding, RFC 7515 section 2; standard64 is the padded base64 of ctx, x5c and key blobs.
var (
	strict64   = base64.RawURLEncoding.Strict()
	standard64 = base64.StdEncoding.Strict()
)

// decode64 refuses what is not the one encoding of its bytes. Package base64 passes over line breaks, so that many texts
// would stand for the same bytes and a text's length would not tell theirs.
func decode64(encoding *base64.Encoding, text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("base64 has line breaks")
	}
	return encoding.DecodeString(text)
}

func splitJWS(jws string) (compact, error) {
	var c compact
	if len(jws) > MaxJWS {
		return c, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxJWS)
	}
	parts := strings.Split(jws, ".")
	if len(parts) != 3 {
		return c, fmt.Errorf("%w: a signed request has three parts", ErrMalformed)
	}
	if len(parts[0]) > maxHeader {
		return c, fmt.Errorf("%w: the header is too long", ErrMalformed)
	}
	for n, into := range []*[]byte{&c.header, &c.payload, &c.signature} {
		b, err := decode64(strict64, parts[n])
		if err != nil {
			return c, fmt.Errorf("%w: part %d is not base64url: %w", ErrMalformed, n+1, err)
		}
		*into = b
	}
	c.signingInput = parts[0] + "." + parts[1]
	return c, nil
}

// header is the protected header of a signed request.
type header struct {
	Algorithm string          `json:"alg"`
	Context   string          `json:"ctx"`
	KDF       json.RawMessage `json:"kdf_ver"`
	X5C       json.RawMessage `json:"x5c"`
	Critical  json.RawMessage `json:"crit"`
}

// read parses header and claims. The algorithm must be the one that the caller expects.
func (c compact) read(algorithm string) (h header, claims Claims, kdf KDFVersion, err error) {
	if err = decodeObject(c.header, &h); err != nil {
		return h, claims, 0, fmt.Errorf("header: %w", err)
	}
	if h.Critical != nil {
		return h, claims, 0, fmt.Errorf("%w: critical header members are not supported", ErrMalformed)
	}
	if h.Algorithm != algorithm {
		return h, claims, 0, fmt.Errorf("%w: the algorithm is not %s", ErrMalformed, algorithm)
	}
	switch string(h.KDF) {
	case "", "1":
		kdf = KDF1
	case "2":
		kdf = KDF2
	default:
		return h, claims, 0, fmt.Errorf("%w: kdf_ver is neither 1 nor 2", ErrMalformed)
	}
	if err = decodeObject(c.payload, &claims); err != nil {
		return h, claims, 0, fmt.Errorf("claims: %w", err)
	}
	return h, claims, kdf, nil
}

// A SessionProof is a request signed with a key that derives from a session key (MS-OAPXBC 3.1.5.1.3): a JWS with HS256 and
// the derivation's context in its header.
type SessionProof struct {
	redacted[sessionProofLabel]
	Context []byte
	KDF     KDFVersion // as the header says; 1 where it says nothing
	Payload []byte     // the JSON text, byte for byte as signed
	Claims  Claims
	jws     compact
}

type sessionProofLabel struct{}

func (sessionProofLabel) label() string { return "session-proof:redacted" }

// ParseSessionProof reads a session-signed request without believing it.
func ParseSessionProof(jws string) (*SessionProof, error) {
	c, err := splitJWS(jws)
	if err != nil {
		return nil, err
	}
	h, claims, kdf, err := c.read("HS256")
	if err != nil {
		return nil, err
	}
	ctx, err := decode64(standard64, h.Context)
	if err != nil || len(ctx) == 0 || len(ctx) > maxContext {
		return nil, fmt.Errorf("%w: ctx is not base64 of 1 to %d bytes", ErrMalformed, maxContext)
	}
	return &SessionProof{Context: ctx, KDF: kdf, Payload: c.payload, Claims: claims, jws: c}, nil
}

// Verify checks the proof under the session's key and the derivation version that the session's record names (P04).
func (p *SessionProof) Verify(key SessionKey, recorded KDFVersion) error {
	if key.IsZero() {
		return ErrNoKey
	}
	if !recorded.known() || p.KDF != recorded {
		return ErrKDF
	}
	derived := key.Derive(recorded, p.Context, p.Payload)
	mac := hmac.New(sha256.New, derived.Reveal())
	mac.Write([]byte(p.jws.signingInput))
	if !hmac.Equal(mac.Sum(nil), p.jws.signature) { // constant time (P17)
		return ErrSignature
	}
	return nil
}

// A DeviceProof is a request signed with a device key: a JWS with RS256 that shows the device's certificate.
type DeviceProof struct {
	redacted[deviceProofLabel]
	Certificate *x509.Certificate
	KDF         KDFVersion // which derivation the device will use, as the header says; 1 where it says nothing
	Claims      Claims
	jws         compact
}

type deviceProofLabel struct{}

func (deviceProofLabel) label() string { return "device-proof:redacted" }

// ParseDeviceProof reads a device-signed request without believing it. The certificate may be the string x5c or the only
// element of an array: clients differ.
func ParseDeviceProof(jws string) (*DeviceProof, error) {
	c, err := splitJWS(jws)
	if err != nil {
		return nil, err
	}
	h, claims, kdf, err := c.read("RS256")
	if err != nil {
		return nil, err
	}
	certificate, err := parseX5C(h.X5C)
	if err != nil {
		return nil, fmt.Errorf("%w: x5c: %w", ErrMalformed, err)
	}
	return &DeviceProof{Certificate: certificate, KDF: kdf, Claims: claims, jws: c}, nil
}

func parseX5C(raw json.RawMessage) (*x509.Certificate, error) {
	if len(raw) > maxCertificate {
		return nil, errors.New("too long")
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		var list []string
		if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 {
			return nil, errors.New("neither a certificate nor a list of them")
		}
		text = list[0]
	}
	der, err := decode64(standard64, text)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// Verify checks the proof under the device key on record. The key's type decides the algorithm.
func (p *DeviceProof) Verify(key crypto.PublicKey) error {
	public, ok := key.(*rsa.PublicKey)
	if !ok || public.N.BitLen() < minRSABits {
		return fmt.Errorf("prt: the device key on record is not RSA of %d bits or more", minRSABits)
	}
	digest := sha256.Sum256([]byte(p.jws.signingInput))
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], p.jws.signature); err != nil {
		return ErrSignature
	}
	return nil
}

// SignSession signs claims with a key derived from a session key. It is the client's side of SessionProof.
func SignSession(key SessionKey, v KDFVersion, claims any) (string, error) {
	if key.IsZero() {
		return "", ErrNoKey
	}
	if !v.known() {
		return "", ErrKDF
	}
	ctx := make([]byte, 24)
	if _, err := rand.Read(ctx); err != nil {
		return "", fmt.Errorf("draw context: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	return SignWith(key.Derive(v, ctx, payload), v, ctx, payload)
}

// SignWith signs a payload with a derived key. Whoever has a derived key without its session key is a thief, or a test.
func SignWith(key DerivedKey, v KDFVersion, ctx, payload []byte) (string, error) {
	h := map[string]any{"alg": "HS256", "typ": "JWT", "ctx": base64.StdEncoding.EncodeToString(ctx)}
	if v != KDF1 {
		h["kdf_ver"] = int(v)
	}
	input, err := signingInput(h, payload)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key.Reveal())
	mac.Write([]byte(input))
	return input + "." + strict64.EncodeToString(mac.Sum(nil)), nil
}

// SignDevice signs claims with a device key and shows its certificate. It is the client's side of DeviceProof.
func SignDevice(signer crypto.Signer, certificate []byte, v KDFVersion, claims any) (string, error) {
	h := map[string]any{"alg": "RS256", "typ": "JWT", "x5c": base64.StdEncoding.EncodeToString(certificate)}
	if v != KDF1 {
		h["kdf_ver"] = int(v)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	input, err := signingInput(h, payload)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(input))
	signature, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("sign with the device key: %w", err)
	}
	return input + "." + strict64.EncodeToString(signature), nil
}

func signingInput(h map[string]any, payload []byte) (string, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return "", fmt.Errorf("encode header: %w", err)
	}
	return strict64.EncodeToString(text) + "." + strict64.EncodeToString(payload), nil
}

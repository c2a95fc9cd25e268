package prt

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the protocol's RSA-OAEP is with SHA-1; OAEP does not rest on its collision resistance
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// maxJWE bounds an encrypted answer, in bytes.
const maxJWE = 256 << 10

// ErrDecrypt means that a message does not open under the key.
var ErrDecrypt = errors.New("prt: cannot decrypt")

// EncryptSessionKey wraps a session key for a transport key: a JWE whose content encryption key is the session key
// (MS-OAPXBC 3.2.5.1.2.2). The content is a dummy byte.
func EncryptSessionKey(key SessionKey, to *rsa.PublicKey) (string, error) {
	if key.IsZero() {
		return "", ErrNoKey
	}
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, to, key.Reveal(), nil)
	if err != nil {
		return "", fmt.Errorf("wrap session key: %w", err)
	}
	iv := make([]byte, 12)
	if _, err := rand.Read(iv); err != nil {
		return "", fmt.Errorf("draw iv: %w", err)
	}
	return sealSessionKey(key, wrapped, iv)
}

func sealSessionKey(key SessionKey, wrapped, iv []byte) (string, error) {
	protected := strict64.EncodeToString([]byte(`{"enc":"A256GCM","alg":"RSA-OAEP"}`))
	aead, err := newGCM(key.Reveal())
	if err != nil {
		return "", err
	}
	sealed := aead.Seal(nil, iv, []byte{0}, []byte(protected))
	return joinJWE(protected, wrapped, iv, sealed[:1], sealed[1:]), nil
}

// DecryptSessionKey unwraps a session key with the transport key, which may be in a TPM, and checks the dummy content.
func DecryptSessionKey(jwe string, with crypto.Decrypter) (SessionKey, error) {
	p, err := splitJWE(jwe)
	if err != nil {
		return SessionKey{}, err
	}
	if p.header.Algorithm != "RSA-OAEP" || p.header.Encryption != "A256GCM" {
		return SessionKey{}, fmt.Errorf("%w: not RSA-OAEP with A256GCM", ErrMalformed)
	}
	raw, err := with.Decrypt(rand.Reader, p.key, &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1})
	if err != nil {
		return SessionKey{}, fmt.Errorf("%w: %w", ErrDecrypt, err)
	}
	key, err := SessionKeyFrom(raw)
	if err != nil {
		return SessionKey{}, fmt.Errorf("%w: %w", ErrDecrypt, err)
	}
	if _, err := p.openGCM(key.Reveal()); err != nil {
		return SessionKey{}, err
	}
	return key, nil
}

// EncryptResponse encrypts an answer under a key derived with version 1 from a fresh context. It has the form that clients
// take: a header that says A256GCM over AES-256-CBC with an empty tag. TLS gives the integrity that this form lacks.
func EncryptResponse(key SessionKey, plaintext []byte) (string, error) {
	if key.IsZero() {
		return "", ErrNoKey
	}
	random := make([]byte, 32+aes.BlockSize)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("draw context: %w", err)
	}
	return encryptResponse(key, plaintext, random[:32], random[32:])
}

func encryptResponse(key SessionKey, plaintext, ctx, iv []byte) (string, error) {
	protected := strict64.EncodeToString([]byte(`{"alg":"dir","enc":"A256GCM","ctx":"` + base64.StdEncoding.EncodeToString(ctx) + `"}`))
	derived := key.Derive(KDF1, ctx, nil)
	block, err := aes.NewCipher(derived.Reveal())
	if err != nil {
		return "", fmt.Errorf("response key: %w", err)
	}
	padding := aes.BlockSize - len(plaintext)%aes.BlockSize
	text := append(append(make([]byte, 0, len(plaintext)+padding), plaintext...), bytes.Repeat([]byte{byte(padding)}, padding)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, text)
	return joinJWE(protected, nil, iv, text, nil), nil
}

// DecryptResponse opens an answer: AES-256-CBC with an empty tag, or AES-256-GCM.
func DecryptResponse(key SessionKey, jwe string) ([]byte, error) {
	if key.IsZero() {
		return nil, ErrNoKey
	}
	p, err := splitJWE(jwe)
	if err != nil {
		return nil, err
	}
	if p.header.Algorithm != "dir" || p.header.Encryption != "A256GCM" || len(p.key) != 0 {
		return nil, fmt.Errorf("%w: not a response under a session key", ErrMalformed)
	}
	ctx, err := decode64(standard64, p.header.Context)
	if err != nil || len(ctx) == 0 || len(ctx) > maxContext {
		return nil, fmt.Errorf("%w: ctx", ErrMalformed)
	}
	derived := key.Derive(KDF1, ctx, nil)
	if len(p.tag) == 0 {
		return p.openCBC(derived.Reveal())
	}
	return p.openGCM(derived.Reveal())
}

type jweHeader struct {
	Algorithm  string `json:"alg"`
	Encryption string `json:"enc"`
	Context    string `json:"ctx"`
}

type jweParts struct {
	protected                string
	header                   jweHeader
	key, iv, ciphertext, tag []byte
}

func splitJWE(jwe string) (jweParts, error) {
	var p jweParts
	if len(jwe) > maxJWE {
		return p, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, maxJWE)
	}
	parts := strings.Split(jwe, ".")
	if len(parts) != 5 {
		return p, fmt.Errorf("%w: an encrypted message has five parts", ErrMalformed)
	}
	var text []byte
	for n, into := range []*[]byte{&text, &p.key, &p.iv, &p.ciphertext, &p.tag} {
		b, err := decode64(strict64, parts[n])
		if err != nil {
			return p, fmt.Errorf("%w: part %d is not base64url: %w", ErrMalformed, n+1, err)
		}
		*into = b
	}
	p.protected = parts[0]
	return p, decodeObject(text, &p.header)
}

func (p jweParts) openGCM(key []byte) ([]byte, error) {
	aead, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	if len(p.iv) != aead.NonceSize() || len(p.tag) != aead.Overhead() {
		return nil, fmt.Errorf("%w: iv or tag", ErrMalformed)
	}
	text, err := aead.Open(nil, p.iv, append(append([]byte(nil), p.ciphertext...), p.tag...), []byte(p.protected))
	if err != nil {
		return nil, ErrDecrypt
	}
	return text, nil
}

func (p jweParts) openCBC(key []byte) ([]byte, error) {
	if len(p.iv) != aes.BlockSize || len(p.ciphertext) == 0 || len(p.ciphertext)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("%w: iv or length", ErrMalformed)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("response key: %w", err)
	}
	text := make([]byte, len(p.ciphertext))
	cipher.NewCBCDecrypter(block, p.iv).CryptBlocks(text, p.ciphertext)
	padding := int(text[len(text)-1])
	if padding == 0 || padding > aes.BlockSize || !bytes.Equal(text[len(text)-padding:], bytes.Repeat([]byte{byte(padding)}, padding)) {
		return nil, ErrDecrypt
	}
	return text[:len(text)-padding], nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("content key: %w", err)
	}
	return cipher.NewGCM(block)
}

func joinJWE(protected string, parts ...[]byte) string {
	var b strings.Builder
	b.WriteString(protected)
	for _, p := range parts {
		b.WriteByte('.')
		b.WriteString(strict64.EncodeToString(p))
	}
	return b.String()
}

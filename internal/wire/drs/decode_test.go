package drs

import (
	"errors"
	"testing"

	"boundgate/internal/aadsts"
)

// FuzzJoinBody holds the decoders to two promises: whatever is sent, they answer with a refusal that a client may see or
// with a request; and what one accepts has no member twice, however it is written.
func FuzzJoinBody(f *testing.F) {
	f.Add([]byte(`{"CertificateRequest":{"Type":"pkcs10","Data":"AAAA"},"TransportKey":"AAAA","JoinType":0,"attributes":{"ReuseDevice":"true"}}`))
	f.Add([]byte(`{"CertificateRequest":{"Type":"pkcs10","Data":""},"JoinType":6,"ServerAdJoinData":{"ClientIdentity":{"Type":"sha256signed","Sid":"S-1-5.2026-03-01 12:00:00Z","SignedBlob":"AAAA"}}}`))
	f.Add([]byte(`{"JoinType":0,"jointype":4}`))
	f.Add([]byte(`{"x":[[[[[[[[[]]]]]]]]]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var refusal *aadsts.Error
		_, joinErr := parseJoin(text)
		if joinErr != nil && (!errors.As(joinErr, &refusal) || refusal.HTTPStatus() >= 500) {
			t.Fatalf("parseJoin(%q): %v is not a refusal", text, joinErr)
		}
		_, hybridErr := parseHybridJoin(text)
		if hybridErr != nil && (!errors.As(hybridErr, &refusal) || refusal.HTTPStatus() >= 500) {
			t.Fatalf("parseHybridJoin(%q): %v is not a refusal", text, hybridErr)
		}
		if joinErr == nil {
			if _, err := parseJoin(append([]byte(`{"JOINTYPE":4,`), trimOpening(text)...)); err == nil {
				t.Fatalf("%q is accepted with a second join type", text)
			}
		}
	})
}

// trimOpening returns what follows the opening brace of an accepted body.
func trimOpening(text []byte) []byte {
	for i, b := range text {
		if b == '{' {
			return text[i+1:]
		}
	}
	return nil
}

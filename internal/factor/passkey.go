package factor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"
)

// maxAnswer bounds an authenticator's answer and the state of a challenge, in bytes.
const maxAnswer = 32 << 10

// ErrUnavailable means that the server's public URL has an IP address for a host: passkeys need a name.
var ErrUnavailable = errors.New("factor: passkeys need a host name in the public URL")

// Available reports whether there can be passkeys at all.
func (p *Passkeys) Available() bool { return p != nil && p.lib != nil }

// Passkeys runs the ceremonies of Web Authentication. It keeps nothing between their two halves: the caller keeps the
// state, out of the person's hands.
type Passkeys struct{ lib *webauthn.WebAuthn }

// NewPasskeys returns the ceremonies of the server at a public URL: its host is the relying party's id, and its origin the
// only one that counts.
func NewPasskeys(publicURL string) (*Passkeys, error) {
	u, err := url.Parse(publicURL)
	if err != nil {
		return nil, fmt.Errorf("passkeys: public URL: %w", err)
	}
	if net.ParseIP(u.Hostname()) != nil {
		return &Passkeys{}, nil // browsers know no passkeys of an address
	}
	lib, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "Boundgate", RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementDiscouraged, UserVerification: protocol.VerificationPreferred,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys: %w", err)
	}
	return &Passkeys{lib}, nil
}

// A holder is a person as the library sees one.
type holder struct {
	person      Person
	credentials []webauthn.Credential
}

func (h holder) WebAuthnID() []byte                         { return []byte(h.person.User) }
func (h holder) WebAuthnName() string                       { return h.person.Name }
func (h holder) WebAuthnDisplayName() string                { return h.person.DisplayName }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.credentials }

func newHolder(p Person, factors []Factor) (holder, error) {
	h := holder{person: p}
	for _, f := range factors {
		if f.Kind != PassKey || f.User != p.User || f.Tenant != p.Tenant {
			continue
		}
		c, err := f.credential()
		if err != nil {
			return h, err
		}
		h.credentials = append(h.credentials, c)
	}
	return h, nil
}

func (f Factor) credential() (webauthn.Credential, error) {
	var c webauthn.Credential
	if err := json.Unmarshal(f.Credential, &c); err != nil {
		return c, fmt.Errorf("passkey on record: %w", err)
	}
	c.Authenticator.SignCount = f.SignCount
	return c, nil
}

// BeginRegistration makes a challenge for a new passkey of a person. The options go to navigator.credentials.create.
func (p *Passkeys) BeginRegistration(who Person, known []Factor) (options json.RawMessage, state []byte, err error) {
	return p.beginRegistration(who, known)
}

// BeginVerifiedRegistration is BeginRegistration for a passkey that verifies its user, by a PIN or a finger: it refuses any
// other answer.
func (p *Passkeys) BeginVerifiedRegistration(who Person, known []Factor) (options json.RawMessage, state []byte, err error) {
	return p.beginRegistration(who, known, webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
		ResidentKey: protocol.ResidentKeyRequirementDiscouraged, UserVerification: protocol.VerificationRequired,
	}))
}

func (p *Passkeys) beginRegistration(who Person, known []Factor, how ...webauthn.RegistrationOption) (options json.RawMessage, state []byte, err error) {
	if p.lib == nil {
		return nil, nil, ErrUnavailable
	}
	h, err := newHolder(who, known)
	if err != nil {
		return nil, nil, err
	}
	var exclude []protocol.CredentialDescriptor
	for _, c := range h.credentials {
		exclude = append(exclude, c.Descriptor())
	}
	creation, session, err := p.lib.BeginRegistration(h, append(how, webauthn.WithExclusions(exclude))...)
	if err != nil {
		return nil, nil, fmt.Errorf("begin to register a passkey: %w", err)
	}
	return encode(creation, session)
}

// FinishRegistration checks the answer to a challenge and returns the new passkey.
func (p *Passkeys) FinishRegistration(who Person, state, response []byte, at time.Time) (Factor, error) {
	h, session, err := p.finish(who, nil, state, response)
	if err != nil {
		return Factor{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return Factor{}, fmt.Errorf("%w: %w", ErrNotProven, err)
	}
	c, err := p.lib.CreateCredential(h, session, parsed)
	if err != nil {
		return Factor{}, fmt.Errorf("%w: %w", ErrNotProven, err)
	}
	record, err := json.Marshal(c)
	if err != nil {
		return Factor{}, fmt.Errorf("encode passkey: %w", err)
	}
	return Factor{
		ID: uuid.NewString(), Tenant: who.Tenant, User: who.User, Kind: PassKey, DisplayName: "Passkey", Credential: record,
		SignCount: c.Authenticator.SignCount, CreatedAt: at, UserVerified: c.Flags.UserVerified,
	}, nil
}

// BeginAssertion makes a challenge for one of the person's passkeys. The options go to navigator.credentials.get.
func (p *Passkeys) BeginAssertion(who Person, known []Factor) (options json.RawMessage, state []byte, err error) {
	return p.beginAssertion(who, known)
}

// BeginVerifiedAssertion is BeginAssertion for a passkey that verifies its user: it refuses any other answer.
func (p *Passkeys) BeginVerifiedAssertion(who Person, known []Factor) (options json.RawMessage, state []byte, err error) {
	return p.beginAssertion(who, known, webauthn.WithUserVerification(protocol.VerificationRequired))
}

func (p *Passkeys) beginAssertion(who Person, known []Factor, how ...webauthn.LoginOption) (options json.RawMessage, state []byte, err error) {
	if p.lib == nil {
		return nil, nil, ErrUnavailable
	}
	h, err := newHolder(who, known)
	if err != nil {
		return nil, nil, err
	}
	assertion, session, err := p.lib.BeginLogin(h, how...)
	if err != nil {
		return nil, nil, fmt.Errorf("begin to use a passkey: %w", err)
	}
	return encode(assertion, session)
}

// FinishAssertion checks the answer to a challenge and returns the passkey that gave it, with its new counter. One whose
// counter has gone back has been copied and is refused.
func (p *Passkeys) FinishAssertion(who Person, known []Factor, state, response []byte) (Factor, error) {
	h, session, err := p.finish(who, known, state, response)
	if err != nil {
		return Factor{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return Factor{}, fmt.Errorf("%w: %w", ErrNotProven, err)
	}
	c, err := p.lib.ValidateLogin(h, session, parsed)
	switch {
	case err != nil:
		return Factor{}, fmt.Errorf("%w: %w", ErrNotProven, err)
	case c.Authenticator.CloneWarning:
		return Factor{}, fmt.Errorf("%w: its counter has gone back", ErrNotProven)
	}
	for _, f := range known {
		own, err := f.credential()
		if f.Kind == PassKey && err == nil && string(own.ID) == string(c.ID) {
			f.SignCount, f.UserVerified = c.Authenticator.SignCount, c.Flags.UserVerified
			return f, nil
		}
	}
	return Factor{}, ErrNotProven
}

func (p *Passkeys) finish(who Person, known []Factor, state, response []byte) (holder, webauthn.SessionData, error) {
	var session webauthn.SessionData
	if p.lib == nil {
		return holder{}, session, ErrUnavailable
	}
	h, err := newHolder(who, known)
	if err != nil {
		return h, session, err
	}
	if len(state) > maxAnswer || len(response) > maxAnswer {
		return h, session, fmt.Errorf("%w: too long", ErrNotProven)
	}
	if err := json.Unmarshal(state, &session); err != nil {
		return h, session, fmt.Errorf("%w: state: %w", ErrNotProven, err)
	}
	return h, session, nil
}

func encode(options, session any) (json.RawMessage, []byte, error) {
	o, err := json.Marshal(options)
	if err != nil {
		return nil, nil, fmt.Errorf("encode challenge: %w", err)
	}
	s, err := json.Marshal(session)
	if err != nil {
		return nil, nil, fmt.Errorf("encode state of a challenge: %w", err)
	}
	return o, s, nil
}

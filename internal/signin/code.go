package signin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

// identifyCode finds the sign-in that an authorization code stands for, and the session that it belongs to.
func (s *Service) identifyCode(ctx context.Context, a *attempt, text prt.Secret) error {
	kind, hash, err := prt.ParseToken(text.Reveal())
	if err != nil || kind != prt.KindCode {
		return s.unknownToken(ctx, a, errors.New("not an authorization code"))
	}
	record, err := s.Sessions.Code(ctx, hash)
	if errors.Is(err, session.ErrNotFound) {
		return s.unknownToken(ctx, a, err)
	}
	if err != nil {
		return err
	}
	a.redeemed = &record
	if record.Session != "" {
		owner, err := s.Sessions.SessionByID(ctx, record.Home, record.Session)
		if errors.Is(err, session.ErrNotFound) {
			return s.unknownToken(ctx, a, err)
		}
		if err != nil {
			return err
		}
		a.prt = &owner
	}
	return s.identifyByID(ctx, a, record.Home, record.HomeUser)
}

// inheritDevice takes over what was proven when the code was given out. The registration must still be the one of then.
func (s *Service) inheritDevice(ctx context.Context, a *attempt, home directory.TenantID, id, registration string) error {
	d, err := s.Devices.DeviceByID(ctx, home, id)
	if errors.Is(err, device.ErrNotFound) || err == nil && d.Registration != registration {
		return aadsts.DeviceNotFound.Becausef("its registration has ended")
	}
	if err != nil {
		return err
	}
	if !d.Enabled {
		return aadsts.DeviceDisabled
	}
	a.useDevice(d)
	return nil
}

// checkCode checks that the code is redeemed once, in time, by the client that it was given to, at the address that it was
// sent to, by whoever asked for it (RFC 6749 section 4.1.3, RFC 7636 section 4.6, RFC 9700 section 2.1).
func (s *Service) checkCode(a *attempt, presented AuthorizationCode) error {
	c := a.redeemed
	switch {
	case c.Client != a.client:
		return aadsts.ClientMismatch
	case c.Tenant != a.tenant.ID:
		return aadsts.InvalidToken.Becausef("given out by tenant %s", c.Tenant)
	case !c.SpentAt.IsZero():
		// The code is in two hands: what came of it ends.
		a.effects.RevokeFamilies = []string{c.Family}
		return aadsts.CodeRedeemed
	case !a.at.Before(c.ExpiresAt):
		return aadsts.CodeExpired
	case subtle.ConstantTimeCompare([]byte(c.RedirectURI), []byte(presented.RedirectURI)) != 1:
		return aadsts.RedirectURIMismatch
	}
	if err := checkVerifier(c.Challenge, presented.Verifier); err != nil {
		return err
	}
	if a.prt != nil {
		if err := a.checkOwner(); err != nil {
			return err
		}
	}
	a.origin = c.Origin
	a.origin.Fresh = c.Interactive
	a.effects.SpendCodes = []prt.Hash{c.Hash}
	return nil
}

// checkOwner checks the session that a code or a token belongs to.
func (a *attempt) checkOwner() error {
	switch {
	case !a.prt.RevokedAt.IsZero():
		return aadsts.GrantRevoked
	case !a.at.Before(a.prt.ExpiresAt):
		return aadsts.TokenExpired
	}
	return nil
}

// The bounds of a code verifier (RFC 7636 section 4.1).
const (
	minVerifier = 43
	maxVerifier = 128
)

// checkVerifier compares a code verifier with the challenge of the method S256. A verifier for a code without a challenge
// is refused too: it would pass for protection that there is none (RFC 9700 section 2.1.1).
func checkVerifier(challenge string, verifier prt.Secret) error {
	text := verifier.Reveal()
	if challenge == "" && text == "" {
		return nil
	}
	digest := sha256.Sum256([]byte(text))
	computed := base64.RawURLEncoding.EncodeToString(digest[:])
	if len(text) < minVerifier || len(text) > maxVerifier || subtle.ConstantTimeCompare([]byte(computed), []byte(challenge)) != 1 {
		return aadsts.VerifierMismatch
	}
	return nil
}

// challengeLength is that of a SHA-256 in base64url.
const challengeLength = 43

// checkCodeRequest checks the redirect URI, and that the request is protected: by a code challenge, or by the proof of a
// device's key.
func (a *attempt) checkCodeRequest() error {
	c := a.req.Code
	if c == nil {
		return nil
	}
	if a.app == nil {
		return aadsts.UnknownClient
	}
	platform, ok := a.app.Redirect(c.RedirectURI)
	if !ok {
		return aadsts.RedirectURIUnknown
	}
	a.platformAsked = platform
	if c.Challenge == "" && a.session == nil && a.req.Device == nil {
		return aadsts.MissingParameter.Saying("The request has no code_challenge: PKCE with the method S256 is required.")
	}
	if c.Challenge != "" && len(c.Challenge) != challengeLength {
		return aadsts.MalformedRequest.Saying("The code_challenge is not one of the method S256.")
	}
	return nil
}

// issueCode gives out an authorization code. One that was obtained with a PRT credential belongs to that session; one that
// a device without a session has vouched for remembers the device and binds nothing.
func (s *Service) issueCode(a *attempt) error {
	text, hash, err := prt.NewToken(prt.KindCode)
	if err != nil {
		return err
	}
	w := a.words()
	c := session.Code{
		Hash: hash, Family: uuid.NewString(), Tenant: a.tenant.ID, User: a.user.ID, Client: a.client, Home: a.home.ID,
		HomeUser: a.homeUser.ID, RedirectURI: a.req.Code.RedirectURI, Platform: string(a.platformAsked),
		Challenge: a.req.Code.Challenge, Resource: w.resource, Scope: w.scope, Nonce: a.req.Nonce, Capabilities: a.req.Capabilities, Contexts: a.req.Demand.Contexts,
		From: a.from(), Origin: a.origin, Interactive: a.origin.Fresh, IssuedAt: a.at, ExpiresAt: a.at.Add(session.CodeLifetime),
	}
	c.Origin.Fresh = false
	if a.prt != nil {
		c.Session = a.prt.Session
	}
	if a.deviceProven() {
		c.Device, c.Registration = a.device.ID, a.device.Registration
	}
	a.effects.NewCodes = append(a.effects.NewCodes, c)
	a.code, a.family = text, c.Family
	return nil
}

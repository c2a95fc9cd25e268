package signin

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/clientauth"
	"boundgate/internal/directory"
	"boundgate/internal/prt"
	"boundgate/internal/session"
	"boundgate/internal/token"
)

// issue makes what the request has earned. Whatever comes out of a bound request is bound to the same session, and nothing
// unbound becomes bound (P02).
func (s *Service) issue(_ context.Context, a *attempt) (err error) {
	if a.guest() && a.issuesPRT() {
		return aadsts.UserNotInTenant
	}
	//exhaustive:enforce
	switch a.kind {
	case prtByPassword, prtByRefreshToken:
		a.grant, err = s.issuePRT(a)
	case prtRenewal:
		a.grant, err = s.renewPRT(a)
	case passwordGrant, refreshGrant, prtUse, codeGrant, deviceCodeGrant, onBehalfOfGrant:
		a.grant, err = s.issueTokens(a)
	case clientCredentialsGrant:
		a.grant, err = s.issueAppOnly(a)
	case typedPassword, browserSession, browserPRT:
		err = s.authorize(a)
	}
	return err
}

// authorize gives the sign-in pages what they asked for: a code, an answer to a device code, or a session alone.
func (s *Service) authorize(a *attempt) error {
	switch {
	case a.req.Code != nil:
		return s.issueCode(a)
	case a.approves != nil:
		s.approveDevice(a)
	}
	return nil
}

// issueAppOnly gives a client a token of its own. There is no person, no ID token and no refresh token in it (RFC 6749
// section 4.4.3).
func (s *Service) issueAppOnly(a *attempt) (token.Grant, error) {
	grant := token.Grant{
		Version: a.req.Version, Resource: a.requested.identifier, ExpiresIn: session.AccessTokenLifetime,
		ExpiresOn: a.at.Add(session.AccessTokenLifetime),
	}
	subject := token.Subject{
		Tenant: a.tenant.ID, User: a.servicePrincipal(), Client: a.client, AppOnly: true, ClientAuth: a.tokenClientAuth(),
		Origin: session.Origin{AuthTime: a.at, TransferMethod: "none"},
	}
	audience := token.Audience{Resource: a.resource, Identifier: a.requested.identifier, Algorithm: a.resource.SigningAlgorithm}
	var err error
	grant.AccessToken, a.tokenID, err = s.Tokens.AccessToken(a.req.Version, subject, audience, a.at)
	return grant, err
}

// issuePRT begins a session: a new session key, encrypted to the transport key of the device that signed the request.
func (s *Service) issuePRT(a *attempt) (token.Grant, error) {
	if !wantsPRT(a.words().scope) {
		return token.Grant{}, aadsts.InvalidScope.Saying("A request signed with a device key asks for a Primary Refresh Token: its scope must have openid and aza.")
	}
	// The version that this session's requests will use is fixed here (P04).
	if a.signed.KDF == prt.KDF1 && !a.tenant.Settings.AllowKDF1 {
		return token.Grant{}, aadsts.KDFVersionRefused
	}
	transport, err := transportKey(a.device.TransportKey)
	if err != nil {
		return token.Grant{}, err
	}
	key, err := prt.NewSessionKey()
	if err != nil {
		return token.Grant{}, err
	}
	jwe, err := prt.EncryptSessionKey(key, transport)
	if err != nil {
		return token.Grant{}, fmt.Errorf("encrypt session key: %w", err)
	}
	origin := a.origin
	origin.Strength = append(append(session.Strength(nil), origin.Strength...), session.DeviceKey)
	grant, err := s.newPRT(a, session.PRT{
		Session: uuid.NewString(), Device: a.device.ID, Registration: a.device.Registration, Key: key, KDF: a.signed.KDF, Origin: origin,
	})
	grant.SessionKeyJWE = jwe
	return grant, err
}

// renewPRT gives a new PRT for the same session: key, device and strength stay.
func (s *Service) renewPRT(a *attempt) (token.Grant, error) {
	if a.refresh != nil {
		return token.Grant{}, aadsts.InvalidToken.Becausef("a refresh token renews no PRT")
	}
	grant, err := s.newPRT(a, session.PRT{
		Session: a.prt.Session, Device: a.prt.Device, Registration: a.prt.Registration, Key: a.prt.Key, KDF: a.prt.KDF, Origin: a.prt.Origin,
	})
	grant.EncryptTo = &a.prt.Key
	return grant, err
}

func (s *Service) newPRT(a *attempt, p session.PRT) (token.Grant, error) {
	text, hash, err := prt.NewToken(prt.KindPRT)
	if err != nil {
		return token.Grant{}, err
	}
	p.Hash, p.Tenant, p.User = hash, a.home.ID, a.homeUser.ID
	p.IssuedAt, p.ExpiresAt = a.at, a.at.Add(session.PRTLifetime)
	a.effects.NewPRTs = append(a.effects.NewPRTs, p)
	subject := a.subject(p.Session)
	idToken, err := s.Tokens.IDToken(a.req.Version, subject, "", a.at)
	if err != nil {
		return token.Grant{}, err
	}
	return token.Grant{
		Version: a.req.Version, PRT: true, RefreshToken: text, RefreshTokenExpiresIn: session.PRTLifetime,
		ExpiresIn: session.PRTLifetime, ExpiresOn: p.ExpiresAt, IDToken: idToken, ClientInfo: a.clientInfo(),
	}, nil
}

// issueTokens gives an application what it asked for.
func (s *Service) issueTokens(a *attempt) (token.Grant, error) {
	t := a.requested
	sid, family := a.sessionIDs()
	grant := token.Grant{
		Version: a.req.Version, Scope: t.text, Resource: t.identifier,
		ExpiresIn: session.AccessTokenLifetime, ExpiresOn: a.at.Add(session.AccessTokenLifetime), ClientInfo: a.clientInfo(),
	}
	subject := a.subject(sid)
	var err error
	// A v1 request that names no resource gets an ID token and a refresh token only.
	if t.identifier != "" || a.req.Version == token.V2 {
		subject.Contexts = a.facts.Contexts // they were judged with everything else
		audience := token.Audience{Resource: a.resource, Identifier: t.identifier, Scopes: t.scopes, Algorithm: a.resource.SigningAlgorithm}
		if grant.AccessToken, a.tokenID, err = s.Tokens.AccessToken(a.req.Version, subject, audience, a.at); err != nil {
			return token.Grant{}, err
		}
	}
	if t.openID {
		if grant.IDToken, err = s.Tokens.IDToken(a.req.Version, subject, a.nonce(), a.at); err != nil {
			return token.Grant{}, err
		}
	}
	if a.mayRefresh() {
		if grant.RefreshToken, err = a.newRefreshToken(family); err != nil {
			return token.Grant{}, err
		}
	}
	if a.session != nil || a.redeemed != nil && a.prt != nil && a.req.Encrypted {
		grant.EncryptTo = &a.prt.Key
	}
	grant.Family = grant.RefreshToken != "" && a.app != nil && a.app.Family && a.tenant.Settings.FamilyRefreshTokens
	return grant, nil
}

// mayRefresh reports whether a refresh token belongs to the answer: where one is asked for or was presented. A token on
// behalf of a person lives as long as the access token that it rests on was meant to, and no longer.
func (a *attempt) mayRefresh() bool {
	if a.kind == onBehalfOfGrant {
		return false
	}
	return a.requested.offline || a.session != nil || a.kind == refreshGrant
}

// nonce is the OpenID Connect nonce of the request that the person made.
func (a *attempt) nonce() string {
	if a.redeemed != nil {
		return a.redeemed.Nonce
	}
	return a.req.Nonce
}

// sessionIDs returns the id of the sign-in that the tokens derive from and the family of a new refresh token.
func (a *attempt) sessionIDs() (sid, family string) {
	switch {
	case a.refresh != nil:
		family = a.refresh.Family
	case a.redeemed != nil:
		family = a.redeemed.Family
	case a.family != "":
		family = a.family
	default:
		family = uuid.NewString()
	}
	if a.prt != nil {
		return a.prt.Session, family
	}
	return family, family
}

// newRefreshToken records a refresh token that is bound as strongly as what was presented.
func (a *attempt) newRefreshToken(family string) (string, error) {
	text, hash, err := prt.NewToken(prt.KindRefreshToken)
	if err != nil {
		return "", err
	}
	record := session.RefreshToken{
		Hash: hash, Family: family, Tenant: a.tenant.ID, User: a.user.ID, Client: a.client,
		Home: a.home.ID, HomeUser: a.homeUser.ID, Origin: a.origin, Platform: string(a.signInPlatform()),
		Resource: a.requested.identifier, Scope: a.requested.text,
		Interactive: a.origin.Fresh, IssuedAt: a.at, ExpiresAt: a.at.Add(session.RefreshTokenLifetime),
	}
	if a.signInPlatform() == directory.SPA {
		record.ExpiresAt = a.spaExpiry()
	}
	if a.prt != nil {
		record.Session, record.Device, record.Registration = a.prt.Session, a.prt.Device, a.prt.Registration
	}
	a.effects.NewRefreshTokens = append(a.effects.NewRefreshTokens, record)
	return text, nil
}

// servicePrincipal is the application's object in the tenant.
func (a *attempt) servicePrincipal() directory.ObjectID {
	if a.app.ServicePrincipal != "" {
		return a.app.ServicePrincipal
	}
	return directory.ObjectID(a.app.AppID)
}

// spaExpiry ends a page's refresh tokens a day after the sign-in; rotation does not lengthen it (RFC 9700 section 4.14.2).
func (a *attempt) spaExpiry() time.Time {
	if a.refresh != nil {
		return a.refresh.ExpiresAt
	}
	return a.at.Add(session.SPATokenLifetime)
}

// tokenClientAuth is how the client has authenticated, as tokens say it.
func (a *attempt) tokenClientAuth() token.ClientAuth {
	switch a.clientAuth {
	case clientauth.Secret:
		return token.ClientSecret
	case clientauth.Assertion, clientauth.Federated:
		return token.ClientAssertion
	case clientauth.None:
	}
	return token.ClientPublic
}

func (a *attempt) capabilities() []string {
	if a.redeemed != nil {
		return a.redeemed.Capabilities
	}
	if a.deviceCode != nil {
		return a.deviceCode.Capabilities
	}
	return a.req.Capabilities
}

func (a *attempt) subject(sid string) token.Subject {
	s := token.Subject{
		Tenant: a.tenant.ID, User: a.user.ID, UPN: a.user.UPN, DisplayName: a.user.DisplayName, Client: a.client,
		SessionID: sid, Origin: a.origin, Guest: a.guest(), Capabilities: a.capabilities(), ClientAuth: a.tokenClientAuth(),
	}
	if a.app != nil {
		s.ClientAlgorithm = a.app.SigningAlgorithm
	}
	if a.deviceProven() {
		s.DeviceID = a.device.ID
	}
	return s
}

func (a *attempt) clientInfo() string {
	if !a.req.ClientInfo {
		return ""
	}
	return token.ClientInfo(a.home.ID, a.homeUser.ID)
}

func transportKey(spki []byte) (*rsa.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, fmt.Errorf("transport key on record: %w", err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("transport key on record is not an RSA key")
	}
	return key, nil
}

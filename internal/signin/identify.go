package signin

import (
	"context"
	"errors"
	"strings"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

// identify finds out whose credential is presented: the home tenant, the user as far as there is one, and the record of
// the token. It proves nothing yet.
func (s *Service) identify(ctx context.Context, a *attempt) error {
	switch c := a.req.Credential.(type) {
	case Password:
		a.kind = passwordGrant
		return s.identifyByName(ctx, a, c.Username)
	case RefreshToken:
		a.kind = refreshGrant
		return s.identifyByRefreshToken(ctx, a, c.Token)
	case Signed:
		return s.identifySigned(ctx, a, c.JWS)
	case AuthorizationCode:
		a.kind = codeGrant
		return s.identifyCode(ctx, a, c.Code)
	case DeviceCode:
		a.kind = deviceCodeGrant
		return s.identifyDeviceCode(ctx, a, c.Code)
	case ClientCredentials:
		a.kind = clientCredentialsGrant
		return s.identifyClient(ctx, a)
	case OnBehalfOf:
		a.kind = onBehalfOfGrant
		return s.identifyAssertion(ctx, a, c.Assertion)
	case TypedPassword:
		a.kind, a.visit = typedPassword, c.Visit
		return s.identifyByName(ctx, a, c.Username)
	case Browser:
		a.kind = browserSession
		return s.identifyBrowser(ctx, a, c)
	case BrowserPRT:
		a.kind = browserPRT
		return s.identifyBrowserPRT(ctx, a, c.JWS)
	}
	return aadsts.UnsupportedGrant
}

// identifySigned reads a signed request without believing it: who it claims to be from decides whose key must verify it.
func (s *Service) identifySigned(ctx context.Context, a *attempt, jws string) error {
	if p, err := prt.ParseSessionProof(jws); err == nil {
		a.session = p
		return s.identifySession(ctx, a, p)
	}
	p, err := prt.ParseDeviceProof(jws)
	if err != nil {
		return aadsts.MalformedRequest.Saying("The signed request is malformed.").Because(err)
	}
	a.signed = p
	switch p.Claims.GrantType {
	case "password":
		a.kind = prtByPassword
		return s.identifyByName(ctx, a, p.Claims.Username)
	case "refresh_token":
		a.kind = prtByRefreshToken
		return s.identifyByRefreshToken(ctx, a, p.Claims.RefreshToken)
	}
	return aadsts.UnsupportedGrant.Saying("The signed request's grant_type is not supported.")
}

// identifySession finds the session whose key a request claims to be signed with, by the token inside the request: a PRT,
// or a refresh token that is bound to the session.
func (s *Service) identifySession(ctx context.Context, a *attempt, p *prt.SessionProof) error {
	// A browser's cookie is signed in the same way but names no grant: it is no request for this endpoint (P03).
	if p.Claims.GrantType != "refresh_token" {
		return aadsts.UnsupportedGrant.Saying("The signed request's grant_type is not supported.")
	}
	a.kind = prtUse
	if wantsPRT(p.Claims.Scope) {
		a.kind = prtRenewal
	}
	kind, hash, err := prt.ParseToken(p.Claims.RefreshToken.Reveal())
	if err != nil {
		return s.unknownToken(ctx, a, err)
	}
	if kind == prt.KindRefreshToken {
		return s.identifyBoundToken(ctx, a, hash)
	}
	if kind != prt.KindPRT {
		return s.unknownToken(ctx, a, errors.New("neither a PRT nor a refresh token"))
	}
	record, err := s.Sessions.PRT(ctx, hash)
	if errors.Is(err, session.ErrNotFound) {
		return s.unknownToken(ctx, a, err)
	}
	if err != nil {
		return err
	}
	a.prt = &record
	return s.identifyByID(ctx, a, record.Tenant, record.User)
}

// identifyBoundToken finds the session of a bound refresh token that is presented inside a signed request.
func (s *Service) identifyBoundToken(ctx context.Context, a *attempt, hash prt.Hash) error {
	record, err := s.Sessions.RefreshToken(ctx, hash)
	if errors.Is(err, session.ErrNotFound) || err == nil && !record.Bound() {
		return s.unknownToken(ctx, a, errors.New("no bound refresh token"))
	}
	if err != nil {
		return err
	}
	a.refresh = &record
	owner, err := s.Sessions.SessionByID(ctx, record.Home, record.Session)
	if errors.Is(err, session.ErrNotFound) {
		return s.unknownToken(ctx, a, err)
	}
	if err != nil {
		return err
	}
	a.prt = &owner
	return s.identifyByID(ctx, a, record.Home, record.HomeUser)
}

func (s *Service) identifyByRefreshToken(ctx context.Context, a *attempt, text prt.Secret) error {
	kind, hash, err := prt.ParseToken(text.Reveal())
	if err != nil || kind != prt.KindRefreshToken {
		return s.unknownToken(ctx, a, errors.New("not a refresh token"))
	}
	record, err := s.Sessions.RefreshToken(ctx, hash)
	if errors.Is(err, session.ErrNotFound) {
		return s.unknownToken(ctx, a, err)
	}
	if err != nil {
		return err
	}
	a.refresh = &record
	return s.identifyByID(ctx, a, record.Home, record.HomeUser)
}

func (s *Service) identifyByID(ctx context.Context, a *attempt, tenant directory.TenantID, user directory.ObjectID) (err error) {
	if a.home, err = s.Directory.TenantByName(ctx, string(tenant)); err != nil {
		return notFound(err, aadsts.InvalidToken)
	}
	a.homeUser, err = s.Directory.UserByID(ctx, tenant, user)
	if errors.Is(err, directory.ErrNotFound) {
		// Deleted since: the attempt still gets its row.
		a.tenant = a.home
		return aadsts.GrantRevoked.Because(err)
	}
	a.username = a.homeUser.UPN
	return err
}

// identifyByName finds the tenant and the user of a user name. A name that does not exist is no error here: its password is
// checked like any other, so that nobody can tell.
func (s *Service) identifyByName(ctx context.Context, a *attempt, name string) error {
	local, domain, ok := directory.SplitUPN(name)
	if !ok {
		a.username = ""
		return s.atPathTenant(ctx, a, aadsts.InvalidCredentials)
	}
	a.username = local + "@" + domain
	var err error
	a.home, err = s.Directory.TenantByName(ctx, domain)
	if errors.Is(err, directory.ErrNotFound) {
		return s.atPathTenant(ctx, a, aadsts.InvalidCredentials)
	}
	if err != nil {
		return err
	}
	a.homeUser, err = s.Directory.UserByName(ctx, a.home.ID, a.username)
	if errors.Is(err, directory.ErrNotFound) {
		return nil
	}
	return err
}

// unknownToken refuses a token that is not known, with a row where the address names a tenant.
func (s *Service) unknownToken(ctx context.Context, a *attempt, cause error) error {
	return s.atPathTenant(ctx, a, aadsts.InvalidToken.Because(cause))
}

// atPathTenant refuses, with a row in the tenant that the address names, if it names one.
func (s *Service) atPathTenant(ctx context.Context, a *attempt, refusal *aadsts.Error) error {
	if anyTenant(a.req.PathTenant) {
		return refusal
	}
	tenant, err := s.Directory.TenantByName(ctx, a.req.PathTenant)
	if err != nil {
		return notFound(err, aadsts.UnknownTenant)
	}
	a.tenant = tenant
	return refusal
}

// anyTenant reports whether a path segment stands for whichever tenant the user belongs to.
func anyTenant(segment string) bool {
	return strings.EqualFold(segment, "common") || strings.EqualFold(segment, "organizations")
}

// notFound returns refusal where err says that something does not exist, and err otherwise.
func notFound(err error, refusal *aadsts.Error) error {
	if errors.Is(err, directory.ErrNotFound) {
		return refusal.Because(err)
	}
	return err
}

// wantsPRT reports whether a scope asks for a Primary Refresh Token.
func wantsPRT(scope string) bool {
	openid, aza := false, false
	for _, s := range strings.Fields(scope) {
		openid = openid || s == "openid"
		aza = aza || s == "aza"
	}
	return openid && aza
}

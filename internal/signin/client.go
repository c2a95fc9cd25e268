package signin

import (
	"context"

	"boundgate/internal/aadsts"
	"boundgate/internal/clientauth"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
)

// authenticateClient checks what the client presents of its own. A client that can hold a secret must show one, except
// where the sign-in went to its native platform (RFC 6749 section 3.2.1). An assertion is used once.
func (s *Service) authenticateClient(a *attempt) error {
	presented := a.req.ClientAuth
	switch {
	case a.app == nil:
		return nil
	case a.app.Disabled:
		return aadsts.ApplicationDisabled
	case a.atAuthorize():
		return nil
	}
	if a.signInPlatform() == directory.SPA && !a.req.CrossOrigin {
		return aadsts.CrossOriginOnly
	}
	if presented == (clientauth.Presented{}) && !a.needsClientAuth() {
		return nil
	}
	result, err := s.Clients.Authenticate(a.tenant, *a.app, presented, a.at)
	if err != nil {
		return err
	}
	a.clientAuth = result.Method
	if !result.Expires.IsZero() {
		if a.replayed {
			return aadsts.ClientAssertionInvalid.Becausef("the assertion has been used")
		}
		a.effects.SpendNonces = append(a.effects.SpendNonces, journal.SpentNonce{ID: result.Spend, Expires: result.Expires})
	}
	return nil
}

func (a *attempt) needsClientAuth() bool {
	//exhaustive:enforce
	switch a.kind {
	case clientCredentialsGrant, onBehalfOfGrant:
		return true
	case prtByPassword, prtByRefreshToken, prtUse, prtRenewal:
		return false // the device signs
	case passwordGrant, refreshGrant, codeGrant, deviceCodeGrant, typedPassword, browserSession, browserPRT:
	}
	switch a.signInPlatform() {
	case directory.Web:
		return true
	case directory.SPA, directory.PublicClient:
		return false
	}
	return a.app.Confidential()
}

// signInPlatform is the platform of the redirect URI that the sign-in uses, or began with; "" where there was none.
func (a *attempt) signInPlatform() directory.Platform {
	switch {
	case a.platformAsked != "":
		return a.platformAsked
	case a.redeemed != nil:
		return directory.Platform(a.redeemed.Platform)
	case a.refresh != nil:
		return directory.Platform(a.refresh.Platform)
	}
	return ""
}

// identifyClient notes the tenant of a request that a client makes for itself. It names no user.
func (s *Service) identifyClient(ctx context.Context, a *attempt) error {
	if anyTenant(a.req.PathTenant) {
		return aadsts.NoTenant.Saying("A client asks for a token of its own at its tenant's address.")
	}
	tenant, err := s.Directory.TenantByName(ctx, a.req.PathTenant)
	if err != nil {
		return notFound(err, aadsts.UnknownTenant)
	}
	a.home, a.tenant = tenant, tenant
	return nil
}

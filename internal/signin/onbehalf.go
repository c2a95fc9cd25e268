package signin

import (
	"context"
	"errors"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
	"boundgate/internal/prt"
	"boundgate/internal/session"
	"boundgate/internal/token"
)

// identifyAssertion finds the person of an access token that a resource was called with and now shows for another token.
func (s *Service) identifyAssertion(ctx context.Context, a *attempt, assertion prt.Secret) error {
	claims, err := s.Verifier.VerifyAssertion(ctx, assertion.Reveal())
	if errors.Is(err, token.ErrInvalid) {
		return s.atPathTenant(ctx, a, aadsts.AssertionInvalid.Because(err))
	}
	if err != nil {
		return err
	}
	if claims.AppOnly {
		return s.atPathTenant(ctx, a, aadsts.AssertionInvalid.Becausef("a token of an application, not of a person"))
	}
	a.assertion = &claims
	tenant, err := s.Directory.TenantByName(ctx, string(claims.Tenant))
	if err != nil {
		return notFound(err, aadsts.AssertionInvalid)
	}
	user, err := s.Directory.UserByID(ctx, tenant.ID, claims.User)
	if errors.Is(err, directory.ErrNotFound) {
		a.tenant = tenant
		return aadsts.GrantRevoked.Because(err)
	}
	if err != nil {
		return err
	}
	if user.HomeTenant != "" {
		return s.identifyByID(ctx, a, user.HomeTenant, user.HomeUser)
	}
	a.home, a.homeUser, a.username = tenant, user, user.UPN
	return nil
}

// checkAssertion checks that the access token was issued for the very client that shows it, and takes its sign-in over.
// What comes of it lives no longer than an access token: no refresh token is issued, for that would outlive what it rests
// on (P02).
func (s *Service) checkAssertion(ctx context.Context, a *attempt) error {
	c := a.assertion
	if c.Tenant != a.tenant.ID {
		return aadsts.AssertionInvalid.Becausef("issued by tenant %s", c.Tenant)
	}
	own, err := s.Directory.ResourceNamed(ctx, a.tenant.ID, string(a.client))
	if errors.Is(err, directory.ErrNotFound) || err == nil && !own.Names(c.Audience) {
		return aadsts.AssertionInvalid.Becausef("issued for another resource")
	}
	if err != nil {
		return err
	}
	a.origin = session.Origin{AuthTime: c.AuthTime, Strength: c.Strength, TransferMethod: c.TransferMethod}
	a.family = c.SessionID
	return nil
}

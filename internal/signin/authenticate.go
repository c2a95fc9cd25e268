package signin

import (
	"context"
	"errors"
	"time"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
	"boundgate/internal/password"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

// authenticate checks the credential itself: the password, or the state of the token and of all that it rests on.
func (s *Service) authenticate(ctx context.Context, a *attempt) error {
	var err error
	//exhaustive:enforce
	switch a.kind {
	case passwordGrant:
		if a.tenant.Settings.DenyPasswordGrant {
			return aadsts.PasswordGrantDisabled
		}
		c, _ := a.req.Credential.(Password)
		err = s.checkPassword(ctx, a, c.Password)
	case prtByPassword:
		err = s.checkPassword(ctx, a, a.signed.Claims.Password)
	case refreshGrant:
		err = s.checkRefreshToken(a)
	case prtByRefreshToken:
		err = s.checkUpgrade(a)
	case prtUse, prtRenewal, browserPRT:
		err = s.checkSession(a)
	case codeGrant:
		c, _ := a.req.Credential.(AuthorizationCode)
		err = s.checkCode(a, c)
	case deviceCodeGrant:
		err = s.checkDeviceCode(a)
	case onBehalfOfGrant:
		err = s.checkAssertion(ctx, a)
	case typedPassword:
		c, _ := a.req.Credential.(TypedPassword)
		if err = s.checkPassword(ctx, a, c.Password); err == nil {
			err = a.beginBrowser(c)
		}
	case browserSession:
		c, _ := a.req.Credential.(Browser)
		err = s.checkBrowser(ctx, a, c)
	case clientCredentialsGrant:
		return nil // authenticateClient has
	}
	if err != nil {
		return err
	}
	if err := s.checkUsers(a); err != nil {
		return err
	}
	a.authenticated = true
	if a.issuesPRT() {
		return s.checkDeviceUser(a)
	}
	return nil
}

// checkPassword refuses an unknown name, a wrong password and a locked account. The first two are one refusal, and take
// equally long.
func (s *Service) checkPassword(ctx context.Context, a *attempt, secret prt.Secret) error {
	if !s.Attempts.admit(a) {
		return aadsts.AccountLocked
	}
	ok, err := s.Passwords.Verify(ctx, a.homeUser.PasswordHash, secret.Reveal())
	switch {
	case errors.Is(err, password.ErrBusy):
		return aadsts.TooManyRequests.Because(err)
	case err != nil:
		return err
	case !ok || a.homeUser.ID == "":
		return aadsts.InvalidCredentials
	}
	a.origin = session.Origin{
		AuthTime: a.at, Strength: session.Strength{session.Password}, TransferMethod: "none", Fresh: true,
	}
	return nil
}

// checkRefreshToken checks a refresh token that is presented plainly. Whether it may be is the judgement of its binding.
func (s *Service) checkRefreshToken(a *attempt) error {
	t := a.refresh
	if err := checkToken(a, t); err != nil {
		return err
	}
	if !s.ownOrFamily(a, t.Client) {
		return aadsts.ClientMismatch
	}
	if t.Tenant != a.tenant.ID {
		return aadsts.InvalidToken.Becausef("issued by tenant %s", t.Tenant)
	}
	a.takeOrigin(t.Origin)
	if !t.Bound() {
		a.effects.SpendTokens = []prt.Hash{t.Hash}
	}
	return nil
}

// checkToken checks the state of a refresh token. One that was rotated before is in two hands: all that descend from the
// same sign-in end (RFC 9700 section 4.14.2).
func checkToken(a *attempt, t *session.RefreshToken) error {
	switch {
	case !t.RevokedAt.IsZero():
		return aadsts.GrantRevoked
	case !t.SpentAt.IsZero():
		a.effects.RevokeFamilies = []string{t.Family}
		return aadsts.TokenReused
	case !a.at.Before(t.ExpiresAt):
		return aadsts.TokenExpired
	}
	return nil
}

// checkUpgrade checks that a refresh token may become a PRT on the device that signed the request: soon after the
// interactive sign-in that issued it, once, and only on a device that was registered in that sign-in by the same user.
// Otherwise a stolen refresh token could be bound to the thief's own device (P02).
func (s *Service) checkUpgrade(a *attempt) error {
	t := a.refresh
	if err := checkToken(a, t); err != nil {
		return err
	}
	refuse := func(why string) error { return aadsts.UpgradeRefused.Becausef("%s", why) }
	switch {
	case t.Client != directory.AuthenticationBroker:
		return refuse("issued to a client that is not the broker")
	case t.Tenant != a.tenant.ID || t.Home != a.tenant.ID:
		return refuse("issued by another tenant")
	case t.Bound():
		return refuse("it is bound to a session already")
	case !t.UpgradedAt.IsZero():
		return refuse("it has become a PRT before")
	case !t.Interactive || !t.Origin.Fresh:
		return refuse("it was not issued by an interactive sign-in")
	case a.at.Sub(t.Origin.AuthTime) > session.FreshFor:
		return refuse("the sign-in is too old")
	case t.Origin.TransferMethod == "deviceCodeFlow" && !a.tenant.Settings.AllowDeviceCodeSessions:
		return refuse("the session began with a device code")
	case a.device.Owner != t.User:
		return refuse("the device was registered by someone else")
	case a.device.SignIn != t.Family:
		return refuse("the device was not registered in the same sign-in")
	}
	a.takeOrigin(t.Origin)
	a.origin.Fresh = true
	a.effects.UpgradeTokens = []prt.Hash{t.Hash}
	return nil
}

// checkSession checks the session behind a session-signed request.
func (s *Service) checkSession(a *attempt) error {
	if a.refresh != nil {
		if err := checkToken(a, a.refresh); err != nil {
			return err
		}
		if !s.ownOrFamily(a, a.refresh.Client) {
			return aadsts.ClientMismatch
		}
		if a.refresh.Tenant != a.tenant.ID {
			return aadsts.InvalidToken.Becausef("issued by tenant %s", a.refresh.Tenant)
		}
	}
	if !a.device.Enabled {
		return aadsts.DeviceDisabled
	}
	if err := a.checkOwner(); err != nil {
		return err
	}
	a.takeOrigin(a.prt.Origin)
	if a.kind == browserPRT {
		return a.checkDemand(a.origin.AuthTime)
	}
	return nil
}

// takeOrigin lets a token inherit what began its session. Nothing that comes from a token is fresh.
func (a *attempt) takeOrigin(o session.Origin) {
	a.origin = o
	a.origin.Fresh = false
}

// ownOrFamily reports whether the client may redeem a refresh token that was issued to owner: its own or, where the tenant
// has family refresh tokens on, one of a family that both belong to.
func (s *Service) ownOrFamily(a *attempt, owner directory.AppID) bool {
	if owner == a.client {
		return true
	}
	if !a.tenant.Settings.FamilyRefreshTokens || a.app == nil || !a.app.Family {
		return false
	}
	app, ok := directory.WellKnownApplication(owner)
	return ok && app.Family
}

// checkUsers checks that the user, here and at home, is enabled and has not ended the session (P06).
func (s *Service) checkUsers(a *attempt) error {
	if a.user.ID == "" { // the password was right, so the person may know
		return aadsts.UserNotInTenant.Becausef("%s is not the home of %s", a.tenant.ID, a.username)
	}
	for _, u := range []directory.User{a.homeUser, a.user} {
		if !u.Enabled {
			return aadsts.AccountDisabled
		}
		if endedSince(u, a.origin.AuthTime) {
			return aadsts.GrantRevoked
		}
	}
	a.effects.Subject = &journal.Subject{
		Tenant: a.home.ID, User: a.homeUser.ID, AuthTime: a.origin.AuthTime, PasswordChangedAt: a.homeUser.PasswordChangedAt,
	}
	return nil
}

func endedSince(u directory.User, authTime time.Time) bool {
	return authTime.Before(u.SessionsValidFrom) || authTime.Before(u.PasswordChangedAt)
}

// checkDeviceUser checks that the device may hold a session of this user: a person's own device holds its owner's alone.
func (s *Service) checkDeviceUser(a *attempt) error {
	switch {
	case !a.device.Enabled:
		return aadsts.DeviceDisabled
	case a.device.Tenant != a.tenant.ID:
		return aadsts.DeviceNotFound
	case a.device.TrustType == device.Registered && a.device.Owner != a.homeUser.ID:
		return aadsts.DeviceAuthenticationFailed
	}
	return nil
}

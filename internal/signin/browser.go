package signin

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
	"boundgate/internal/policy"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

// browserRecords returns what is recorded of a browser's cookie, the newest first; nothing for a cookie that is none.
func (s *Service) browserRecords(ctx context.Context, cookie prt.Secret) ([]session.Browser, error) {
	hash, ok := browserHash(cookie)
	if !ok {
		return nil, nil
	}
	return s.Sessions.BrowserSessions(ctx, hash)
}

func browserHash(cookie prt.Secret) (prt.Hash, bool) {
	kind, hash, err := prt.ParseToken(cookie.Reveal())
	return hash, err == nil && kind == prt.KindBrowser
}

// identifyBrowser finds the account of a browser that a request is about.
func (s *Service) identifyBrowser(ctx context.Context, a *attempt, c Browser) error {
	list, err := s.browserRecords(ctx, c.Visit.Session)
	if err != nil {
		return err
	}
	a.visit = c.Visit
	var live []session.Browser
	for _, b := range list {
		if b.RevokedAt.IsZero() && a.at.Before(b.ExpiresAt) && (c.Account == "" || b.User == c.Account) {
			live = append(live, b)
		}
	}
	switch len(live) {
	case 0:
		return s.atPathTenant(ctx, a, aadsts.SignInNeeded)
	case 1:
		a.browser = &live[0]
		return s.identifyByID(ctx, a, live[0].Tenant, live[0].User)
	}
	return s.atPathTenant(ctx, a, aadsts.AccountSelectionNeeded)
}

// identifyBrowserPRT finds the session that a browser's broker speaks for. What it signs names no grant, so that it is no
// request for the token endpoint, and a request for the token endpoint is none for this one (P03).
func (s *Service) identifyBrowserPRT(ctx context.Context, a *attempt, jws string) error {
	p, err := prt.ParseSessionProof(jws)
	if err != nil {
		return aadsts.MalformedRequest.Saying("The single sign-on credential is malformed.").Because(err)
	}
	if p.Claims.GrantType != "" {
		return aadsts.UnsupportedGrant.Saying("The signed request is for another endpoint.")
	}
	a.session = p
	kind, hash, err := prt.ParseToken(p.Claims.RefreshToken.Reveal())
	if err != nil || kind != prt.KindPRT {
		return s.unknownToken(ctx, a, errors.New("not a PRT"))
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

// checkBrowser checks a browser's session against what the client demands, and takes a second factor with it.
func (s *Service) checkBrowser(ctx context.Context, a *attempt, c Browser) error {
	b := a.browser
	a.origin = b.Origin
	a.origin.Fresh = b.Interaction != "" && b.Interaction == a.visit.ID
	if err := a.checkDemand(b.Origin.AuthTime); err != nil {
		return err
	}
	if c.Factor == nil {
		return nil
	}
	if err := s.checkFactor(ctx, a, c.Factor); err != nil {
		return err
	}
	next := *b
	next.Origin.Strength = a.origin.Strength
	return a.signInBrowser(next, next.Persistent)
}

// checkDemand checks how long ago the person proved who they are. A device is registered by a fresh sign-in only, so that
// a session of earlier does not lead to a token that registration would refuse (P08).
func (a *attempt) checkDemand(authTime time.Time) error {
	d := a.req.Demand
	switch {
	case a.origin.Fresh:
		return nil
	case d.Login, a.resource.AppID == directory.DeviceRegistration:
		return aadsts.FreshSignInNeeded
	case d.MaxAge != nil && a.at.Sub(authTime) > *d.MaxAge:
		return aadsts.FreshSignInNeeded
	}
	return nil
}

// beginBrowser begins a browser's session with a password that was right.
func (a *attempt) beginBrowser(c TypedPassword) error {
	lifetime := session.BrowserLifetime
	if c.StaySignedIn {
		lifetime = session.PersistentBrowserLifetime
	}
	return a.signInBrowser(session.Browser{
		Tenant: a.home.ID, User: a.homeUser.ID, Session: uuid.NewString(), Origin: a.origin, Interaction: c.Visit.ID,
		Persistent: c.StaySignedIn, IssuedAt: a.at, ExpiresAt: a.at.Add(lifetime),
	}, c.StaySignedIn)
}

// signInBrowser gives the browser a new cookie with which r is signed in.
func (a *attempt) signInBrowser(r session.Browser, persistent bool) error {
	text, hash, err := prt.NewToken(prt.KindBrowser)
	if err != nil {
		return err
	}
	before, _ := browserHash(a.visit.Session)
	r.Hash, r.Origin.Fresh = hash, false
	a.effects.Browser = &journal.BrowserSignIn{Before: before, Record: r}
	a.cookie = Cookie{Text: prt.Secret(text), Persistent: persistent, Known: a.known()}
	a.browser = &r
	return nil
}

// keepBrowser makes the browser keep its session as the policies say: one that they want gone with the browser's windows
// loses its place on the disk, whichever application put it there. Another tenant's policies lengthen nothing.
func (a *attempt) keepBrowser() error {
	if !a.atAuthorize() || a.browser == nil {
		return nil
	}
	r := *a.browser
	switch {
	case a.verdict.PersistentBrowser == policy.PersistNever && r.Persistent:
		if end := a.at.Add(session.BrowserLifetime); end.Before(r.ExpiresAt) {
			r.ExpiresAt = end
		}
	case a.verdict.PersistentBrowser == policy.PersistAlways && !r.Persistent && a.effects.Browser != nil && !a.guest():
		r.ExpiresAt = a.at.Add(session.PersistentBrowserLifetime)
	default:
		return nil
	}
	r.Persistent = !r.Persistent
	return a.signInBrowser(r, r.Persistent)
}

// SignOut ends what is signed in in a browser: one account, or all where user is "".
func (s *Service) SignOut(ctx context.Context, cookie prt.Secret, user directory.ObjectID) error {
	hash, ok := browserHash(cookie)
	if !ok {
		return nil
	}
	return s.Sessions.SignOut(ctx, hash, user)
}

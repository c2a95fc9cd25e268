package signin

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/clientauth"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
	"boundgate/internal/lockout"
	"boundgate/internal/policy"
	"boundgate/internal/prt"
	"boundgate/internal/session"
	"boundgate/internal/token"
)

// An attempt is one sign-in as it unfolds: what was asked, and what the steps have learnt so far.
type attempt struct {
	req Request
	at  time.Time // the one moment that row, token and policies agree on
	id  string    // of the row; the trace id of errors
	// replayed is true where the nonce of the proof turned out to be spent when the first decision was committed.
	replayed bool

	// identify
	kind       kind
	username   string // as presented, lower case
	visit      Visit  // to the sign-in pages
	session    *prt.SessionProof
	signed     *prt.DeviceProof
	prt        *session.PRT          // the session on whose key the request is signed, or to which the code belongs
	refresh    *session.RefreshToken // the refresh token that is presented
	redeemed   *session.Code         // the authorization code that is presented
	deviceCode *session.DeviceCode   // the device code that is presented
	approves   *PendingDevice        // the device code that the person answers
	assertion  *token.Claims         // of the access token that is presented
	browser    *session.Browser      // the browser's session that is presented, or that begins
	home       directory.Tenant      // where session and devices live
	homeUser   directory.User        // the user there; zero where there is no such user

	// address
	tenant    directory.Tenant // whose resource is asked for
	user      directory.User   // the user there: the same, or a guest
	client    directory.AppID
	app       *directory.Application // nil where the tenant does not know it
	resource  directory.Resource
	requested target
	// platformAsked is that of the redirect URI of an authorization request.
	platformAsked directory.Platform
	clientAuth    clientauth.Method

	// proveDevice
	device     *device.Device // proven, or named by the token's record
	evidence   policy.Evidence
	proofError error
	binding    policy.Binding

	// authenticate
	authenticated bool
	guess         *lockout.Guess // nil where nothing could be guessed
	origin        session.Origin

	// judge
	judged  bool // policies were evaluated
	facts   policy.Facts
	verdict policy.Verdict

	missingConsent []string
	// passkeyAsked is true where nothing but a passkey that verifies its user helps now.
	passkeyAsked bool

	// issue
	grant   token.Grant
	code    string // authorization code
	cookie  Cookie
	family  string // of the tokens, where what was presented says so
	tokenID string
	effects journal.Effects
}

// kind is what a request does, by its credential.
type kind int

const (
	passwordGrant kind = iota + 1
	refreshGrant
	prtByPassword     // device-signed, with a password
	prtByRefreshToken // device-signed, with a refresh token
	prtUse            // session-signed, for an application
	prtRenewal        // session-signed, for a new PRT
	codeGrant
	deviceCodeGrant
	clientCredentialsGrant
	onBehalfOfGrant
	typedPassword  // in the sign-in pages
	browserSession // of the sign-in pages, with or without a second factor
	browserPRT     // added to a browser's request by a broker
)

func newAttempt(req Request, at time.Time) *attempt {
	return &attempt{req: req, at: at, id: uuid.NewString(), approves: req.Approve}
}

// interactive reports whether the user presented credentials in this request.
func (a *attempt) interactive() bool {
	switch c := a.req.Credential.(type) {
	case Password, TypedPassword:
		return true
	case Browser:
		return c.Factor != nil || a.approves != nil
	}
	return a.kind == prtByPassword
}

// atAuthorize reports whether the request is at the authorization endpoint or in the sign-in pages.
func (a *attempt) atAuthorize() bool {
	return a.kind == typedPassword || a.kind == browserSession || a.kind == browserPRT
}

// inBrowser reports whether a person can be asked for more.
func (a *attempt) inBrowser() bool { return a.kind == typedPassword || a.kind == browserSession }

// visiting reports whether the person only signs in in the browser, to look at the account's own pages.
func (a *attempt) visiting() bool { return a.atAuthorize() && a.req.Code == nil && a.approves == nil }

// deviceProven reports whether the device has proven its key, to this request or to the authorization endpoint before.
func (a *attempt) deviceProven() bool {
	return a.device != nil && (a.evidence.ProofHeld || a.req.Device != nil && !a.evidence.ProofFailed)
}

// from is where what is judged comes from: for a code the request that it answered, for an approval the device that asks.
func (a *attempt) from() From {
	switch {
	case a.redeemed != nil:
		return a.redeemed.From
	case a.approves != nil:
		return a.approves.Record.From
	}
	from := boundedFrom(a.req.From)
	from.ClaimedOS = logged(a.claimedOS())
	return from
}

// boundedFrom bounds what a client says of itself, which is kept with codes.
func boundedFrom(f From) From {
	return From{
		Address: logged(f.Address), UserAgent: logged(f.UserAgent), AppVersion: logged(f.AppVersion), OS: logged(f.OS), SKU: logged(f.SKU),
	}
}

// issuesPRT reports whether the request asks for a PRT rather than for an application's token.
func (a *attempt) issuesPRT() bool {
	return a.kind == prtByPassword || a.kind == prtByRefreshToken || a.kind == prtRenewal
}

// hasRow reports whether the request is one that the sign-in log keeps: it names a user or a token, in a known tenant.
func (a *attempt) hasRow() bool { return a.tenant.ID != "" && a.kind != 0 }

// guest reports whether the user's home is another tenant than the resource's.
func (a *attempt) guest() bool { return a.home.ID != "" && a.home.ID != a.tenant.ID }

// verdictError returns the refusal that the policies call for, or that the token's own binding does. A refusal for want of
// a bound session says what is missing.
func (a *attempt) verdictError() *aadsts.Error {
	if cause := a.verdict.Cause; cause.Refuses() {
		if cause.Requirement == policy.RequireRecentSignIn && a.atAuthorize() {
			return aadsts.FreshSignInNeeded // which the pages can mend at once
		}
		if cause.Err.Code != aadsts.TokenProtectionRequired.Code {
			return a.challenged(a.untrusted(cause), cause)
		}
		why := policy.Explain(a.binding.Reason, a.evidence)
		return cause.Err.Saying("%s %s", cause.Err.Message, why.Message).WithRemedy(why.Remedy)
	}
	if a.req.Demand.MultiFactor && !a.origin.Strength.Has(session.MultiFactor) {
		return aadsts.MultiFactorRequired.Saying("The application asks for multifactor authentication.")
	}
	if a.kind == refreshGrant && a.refresh.Bound() {
		return aadsts.BoundTokenUnproven
	}
	return nil
}

// challenged adds a claims challenge that names the policy, where a prompt helps: the client repeats it when it asks the
// person.
func (a *attempt) challenged(refusal *aadsts.Error, cause policy.Cause) *aadsts.Error {
	if refusal.OAuth != aadsts.MultiFactorRequired.OAuth {
		return refusal
	}
	return refusal.WithClaims(toJSON(map[string]any{"access_token": map[string]any{"capolids": map[string]any{"essential": true, "values": []string{cause.PolicyID}}}}))
}

// effectsOf returns the effects that the outcome has: a proof that verified is spent, and reuse revokes, even where the
// request is refused; everything else happens only with a grant.
func (a *attempt) effectsOf(decided error) journal.Effects {
	if decided == nil {
		return a.effects
	}
	e := journal.Effects{SpendNonces: a.effects.SpendNonces, RevokeFamilies: a.effects.RevokeFamilies}
	if a.authenticated && a.cookie.Text != "" {
		e.Browser, e.UseFactors, e.NewFactors, e.Subject = a.effects.Browser, a.effects.UseFactors, a.effects.NewFactors, a.effects.Subject
		e.Audit, e.FirstFactor = a.effects.Audit, a.effects.FirstFactor
	}
	return e
}

// reuseOf returns the token families to revoke because of a conflict: a token that two requests spent is in two hands.
func (a *attempt) reuseOf(conflict error) []string {
	switch {
	case errors.Is(conflict, journal.ErrTokenSpent) && a.refresh != nil:
		return []string{a.refresh.Family}
	case errors.Is(conflict, journal.ErrCodeSpent) && a.redeemed != nil:
		return []string{a.redeemed.Family}
	}
	return nil
}

// keptCookie is the cookie that the browser gets although the request is refused.
func (a *attempt) keptCookie() Cookie {
	if !a.authenticated {
		return Cookie{}
	}
	return a.cookie
}

package signin

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
	"boundgate/internal/policy"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

// An attempt is one sign-in as it unfolds: what was asked, and what the steps have learnt so far.
type attempt struct {
	req Request
	at  time.Time // the one moment that row, token and policies agree on
	id  string    // of the row; the trace id of errors
	// replayed is true where the nonce of the proof turned out to be spent when the first decision was committed.
	replayed bool

	// identify
	kind     kind
	username string // as presented, lower case
	session  *prt.SessionProof
	signed   *prt.DeviceProof
	prt      *session.PRT          // the session on whose key the request is signed
	refresh  *session.RefreshToken // the refresh token that is presented
	home     directory.Tenant      // where session and devices live
	homeUser directory.User        // the user there; zero where there is no such user

	// address
	tenant    directory.Tenant // whose resource is asked for
	user      directory.User   // the user there: the same, or a guest
	client    directory.AppID
	app       *directory.Application // nil where the tenant does not know it
	resource  directory.Resource
	requested target

	// proveDevice
	device     *device.Device // proven, or named by the token's record
	evidence   policy.Evidence
	proofError error
	binding    policy.Binding

	// authenticate
	origin session.Origin

	// judge
	judged  bool // policies were evaluated
	facts   policy.Facts
	verdict policy.Verdict

	// issue
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
)

func newAttempt(req Request, at time.Time) *attempt {
	return &attempt{req: req, at: at, id: uuid.NewString()}
}

// interactive reports whether the user presented credentials in this request.
func (a *attempt) interactive() bool { return a.kind == passwordGrant || a.kind == prtByPassword }

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
func (a *attempt) verdictError() error {
	if cause := a.verdict.Cause; cause.Refuses() {
		if cause.Err.Code != aadsts.TokenProtectionRequired.Code {
			return cause.Err
		}
		why := policy.Explain(a.binding.Reason, a.evidence)
		return cause.Err.Saying("%s %s", cause.Err.Message, why.Message).WithRemedy(why.Remedy)
	}
	if a.kind == refreshGrant && a.refresh.Bound() {
		return aadsts.BoundTokenUnproven
	}
	return nil
}

// effectsOf returns the effects that the outcome has: a proof that verified is spent, and reuse revokes, even where the
// request is refused; everything else happens only with a grant.
func (a *attempt) effectsOf(decided error) journal.Effects {
	if decided == nil {
		return a.effects
	}
	return journal.Effects{SpendNonces: a.effects.SpendNonces, RevokeFamilies: a.effects.RevokeFamilies}
}

// reuseOf returns the token families to revoke because of a conflict: a token that two requests spent is in two hands.
func (a *attempt) reuseOf(conflict error) []string {
	if errors.Is(conflict, journal.ErrTokenSpent) && a.refresh != nil {
		return []string{a.refresh.Family}
	}
	return nil
}

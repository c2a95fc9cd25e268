package signin

import (
	"crypto/sha256"
	"sync"
	"time"

	"boundgate/internal/aadsts"
	"boundgate/internal/lockout"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

// The limits on failing attempts: within one window, so many failures of one credential from one address.
const (
	failureWindow    = time.Minute
	failuresPerToken = 60
	trackedKeys      = 100_000 // memory bound; beyond it the oldest window is forgotten
)

// Attempts counts failures, so that guessing and hammering stop before they cost anything. Its memory is bounded.
type Attempts struct {
	passwords *lockout.Guard
	codes     *lockout.Guard
	polls     *lockout.Pace

	mu      sync.Mutex
	began   time.Time
	current map[[32]byte]int
	before  map[[32]byte]int // the window before, so that a new window does not begin at nothing
}

// NewAttempts returns an empty count.
func NewAttempts() *Attempts {
	return &Attempts{
		passwords: lockout.New(lockout.Passwords), codes: lockout.New(lockout.Codes), polls: lockout.NewPace(session.DeviceCodeInterval),
		current: map[[32]byte]int{}, before: map[[32]byte]int{},
	}
}

// tooMany reports whether this failure repeats one that the log has often enough. A request whose proof holds is never held
// back: whoever has only a copy cannot lock the owner out by failing with it.
func (c *Attempts) tooMany(a *attempt) bool {
	return !a.evidence.ProofHeld && c.count(a.at, a.credentialKey()) >= failuresPerToken
}

// admit reports whether the password of the attempt is looked at, now and from there.
func (c *Attempts) admit(a *attempt) bool { return a.begin(c.passwords, a.passwordTry()) }

// admitFactor reports whether the second factor of the attempt is looked at, now and from there.
func (c *Attempts) admitFactor(a *attempt) bool { return a.begin(c.codes, a.factorTry()) }

func (a *attempt) begin(g *lockout.Guard, t lockout.Try) (ok bool) {
	a.guess, ok = g.Begin(t, a.shown())
	return ok
}

// learn takes notice of how an attempt ended.
func (c *Attempts) learn(a *attempt, err error) {
	code := 0
	if err != nil {
		code = aadsts.Of(err).Code
	}
	if a.guess != nil {
		a.guessed(code)
	}
	switch code {
	case 0, aadsts.ServerError.Code, aadsts.AuthorizationPending.Code: // answers rather than failures
		return
	}
	c.add(a.at, a.credentialKey())
}

// guessed says how a guess has ended, whatever the policies have said of the application.
func (a *attempt) guessed(code int) {
	switch {
	case a.authenticated:
		a.guess.Right()
	case code == aadsts.InvalidCredentials.Code, code == aadsts.SecondFactorWrong.Code:
		a.guess.Wrong()
	default:
		a.guess.Void()
	}
}

// passwordTry is an attempt at the account that was named. A device that has proven its key is as familiar as a browser
// that shows that the account has signed in there.
func (a *attempt) passwordTry() lockout.Try {
	place := a.visit.knownAs(a.username).Password
	if a.kind == prtByPassword && a.evidence.ProofHeld && a.device != nil {
		place = "device " + string(a.device.ID)
	}
	return lockout.Try{Account: a.username, Address: a.req.From.Address, Place: place, At: a.at}
}

// factorTry is an attempt at the second factor. Only a second factor makes a browser familiar to it: one who has no more
// than the password could enter it as often as he likes.
func (a *attempt) factorTry() lockout.Try {
	return lockout.Try{
		Account: string(a.home.ID) + "/" + string(a.homeUser.ID), Address: a.req.From.Address,
		Place: a.visit.knownAs(a.username).Factor, At: a.at,
	}
}

// shown is what was shown and found wrong, so that the same mistake counts once.
func (a *attempt) shown() string {
	switch c := a.req.Credential.(type) {
	case Password:
		return c.Password.Reveal()
	case TypedPassword:
		return c.Password.Reveal()
	case Browser:
		if code, ok := c.Factor.(Code); ok {
			return code.Text.Reveal()
		}
	}
	if a.signed != nil {
		return a.signed.Claims.Password.Reveal()
	}
	return a.id // counts by itself
}

func (c *Attempts) count(at time.Time, key [32]byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(at)
	return c.current[key] + c.before[key]
}

func (c *Attempts) add(at time.Time, keys ...[32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(at)
	for _, key := range keys {
		c.current[key]++
	}
}

// turn begins a new window when the current one is over or full.
func (c *Attempts) turn(at time.Time) {
	if age := at.Sub(c.began); age < failureWindow && len(c.current) < trackedKeys {
		return
	} else if age >= 2*failureWindow {
		c.current = map[[32]byte]int{}
	}
	c.before, c.current, c.began = c.current, map[[32]byte]int{}, at
}

// credentialKey stands for one credential from one address, without keeping either.
func (a *attempt) credentialKey() [32]byte {
	text := ""
	switch c := a.req.Credential.(type) {
	case Password:
		text = "user " + c.Username
	case RefreshToken:
		text = "token " + c.Token.Reveal()
	case AuthorizationCode:
		text = "code " + c.Code.Reveal()
	case DeviceCode:
		text = "device code " + c.Code.Reveal()
	case ClientCredentials:
		text = "client " + a.req.Client
	case OnBehalfOf:
		text = "assertion " + c.Assertion.Reveal()
	case TypedPassword:
		text = "user " + c.Username
	case Browser:
		text = "browser " + c.Visit.Session.Reveal()
	case BrowserPRT:
		text = "signed " + c.JWS
	case Signed:
		text = "signed " + c.JWS
		if p, err := prt.ParseSessionProof(c.JWS); err == nil {
			text = "session " + p.Claims.RefreshToken.Reveal()
		}
	}
	return sha256.Sum256([]byte(a.req.From.Address + "\x00" + text))
}

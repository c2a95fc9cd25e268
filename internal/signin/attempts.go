package signin

import (
	"crypto/sha256"
	"sync"
	"time"

	"boundgate/internal/aadsts"
	"boundgate/internal/prt"
)

// The limits on failing attempts: within one window, so many failures of one credential from one address, and so many
// wrong passwords for one account from one address before it is locked there, and there alone.
const (
	failureWindow    = time.Minute
	failuresPerToken = 60
	wrongPasswords   = 10
	wrongFactors     = 5
	// wrongPasswordsAnywhere bounds guessing that is spread over many addresses; it locks an account for the window.
	wrongPasswordsAnywhere = 100
	trackedKeys            = 100_000 // memory bound; beyond it the oldest window is forgotten
)

// Attempts counts failures, so that guessing and hammering stop before they cost anything. Its memory is bounded.
type Attempts struct {
	mu      sync.Mutex
	began   time.Time
	current map[[32]byte]int
	before  map[[32]byte]int // the window before, so that a new window does not begin at nothing
}

// NewAttempts returns an empty count.
func NewAttempts() *Attempts {
	return &Attempts{current: map[[32]byte]int{}, before: map[[32]byte]int{}}
}

// tooMany reports whether this failure repeats one that the log has often enough. A request whose proof holds is never held
// back: whoever has only a copy cannot lock the owner out by failing with it.
func (c *Attempts) tooMany(a *attempt) bool {
	return !a.evidence.ProofHeld && c.count(a.at, a.credentialKey()) >= failuresPerToken
}

// locked reports whether passwords for the account are not checked for now.
func (c *Attempts) locked(a *attempt) bool {
	return c.count(a.at, a.accountKey(a.req.From.Address)) >= wrongPasswords ||
		c.count(a.at, a.accountKey("")) >= wrongPasswordsAnywhere
}

// factorLocked reports whether second factors of the account are not checked for now.
func (c *Attempts) factorLocked(a *attempt) bool { return c.count(a.at, a.factorKey()) >= wrongFactors }

// learn counts a refusal; a success forgets the failures of the account at this address.
func (c *Attempts) learn(a *attempt, err error) {
	if err == nil {
		c.forget(a.accountKey(a.req.From.Address))
		return
	}
	switch aadsts.Of(err).Code {
	case aadsts.ServerError.Code:
		return
	case aadsts.AuthorizationPending.Code:
		return // an answer rather than a failure
	case aadsts.SecondFactorWrong.Code:
		c.add(a.at, a.factorKey())
	case aadsts.InvalidCredentials.Code:
		c.add(a.at, a.accountKey(a.req.From.Address), a.accountKey(""))
	}
	c.add(a.at, a.credentialKey())
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

func (c *Attempts) forget(key [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.current, key)
	delete(c.before, key)
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

func (a *attempt) accountKey(address string) [32]byte {
	return sha256.Sum256([]byte("account\x00" + address + "\x00" + a.username))
}

func (a *attempt) factorKey() [32]byte {
	return sha256.Sum256([]byte("factor\x00" + string(a.home.ID) + "\x00" + string(a.homeUser.ID)))
}

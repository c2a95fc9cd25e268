// Package lockout holds guessers back without letting them lock anybody out.
//
// What an attacker can choose (the account's name, the address to come from) may not close the door to its owner. So
// failures count per place. A place is familiar where the account has signed in before: by an address of the last thirty
// days, by a browser that shows so, by a device that has proven its key. Failures from elsewhere never count against a
// familiar place; all unfamiliar places together have one small budget for each account, so that guesses that are spread
// over a botnet come to an end as well.
//
// Nothing is stored: after a restart the counts begin anew. Memory is bounded.
package lockout

import (
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

// Limits say how many failures close what.
type Limits struct {
	// PerPlace failures for one account from one place close that place, for up to twice PlaceWindow.
	PerPlace    int
	PlaceWindow time.Duration
	// PerAccount failures in an hour for one account, from all unfamiliar places together, close those places for up to two
	// hours.
	PerAccount int
	// PerAddress accounts that one address fails for close it, to accounts that are not familiar there, for up to twenty
	// minutes: password spraying.
	PerAddress int
}

// Passwords are the limits for passwords: a botnet has at most 20 guesses an hour at an account. NIST SP 800-63B section
// 5.2.2 allows 100 in a row.
var Passwords = Limits{PerPlace: 10, PlaceWindow: time.Minute, PerAccount: 20, PerAddress: 20}

// Codes are the limits for the codes of a second factor, of which three in a million are right at any moment.
var Codes = Limits{PerPlace: 5, PlaceWindow: 10 * time.Minute, PerAccount: 20, PerAddress: 20}

const (
	// FamiliarFor is how long an address stays familiar to an account.
	FamiliarFor = 30 * 24 * time.Hour
	// tracked bounds each count; beyond it the older half is forgotten.
	tracked = 50_000
)

// A Try is one attempt at an account.
type Try struct {
	Account string // normalised: the same account has one name
	Address string
	// Familiar is true where the request itself shows that the account has signed in there before.
	Familiar bool
	At       time.Time
}

// A Guard counts failures.
type Guard struct {
	limits   Limits
	mu       sync.Mutex
	seed     [32]byte // so that nobody can choose colliding keys, and no password stands in memory
	places   counter
	accounts counter
	sprays   counter
	seen     counter // wrong passwords that were counted
	familiar map[key]time.Time
}

type key [sha256.Size]byte

// New returns a guard that has seen nothing.
func New(limits Limits) *Guard {
	g := &Guard{
		limits: limits, places: newCounter(limits.PlaceWindow), accounts: newCounter(time.Hour), sprays: newCounter(10 * time.Minute), seen: newCounter(time.Hour),
		familiar: map[key]time.Time{},
	}
	if _, err := rand.Read(g.seed[:]); err != nil {
		panic("lockout: no randomness: " + err.Error()) // crypto/rand.Read never fails
	}
	return g
}

// Locked reports whether a password is not looked at. The answer rests on no more than what the caller has shown: it is the
// same for accounts that do not exist.
func (g *Guard) Locked(t Try) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.places.count(g.placeKey(t), t.At) >= g.limits.PerPlace {
		return true
	}
	if g.isFamiliar(t) {
		return false
	}
	return g.accounts.count(g.key("account", t.Account), t.At) >= g.limits.PerAccount || g.sprays.count(g.key("spray", prefix(t.Address)), t.At) >= g.limits.PerAddress
}

// Failed counts a wrong password. The same wrong password counts once in an hour: a program that knows only the old one
// must not lock its owner out.
func (g *Guard) Failed(t Try, password string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	place := g.placeKey(t)
	if g.seen.add(g.key("seen", string(place[:]), password), t.At) > 1 {
		return
	}
	first := g.places.add(place, t.At) == 1
	if g.isFamiliar(t) {
		return
	}
	g.accounts.add(g.key("account", t.Account), t.At)
	if first {
		g.sprays.add(g.key("spray", prefix(t.Address)), t.At)
	}
}

// Succeeded forgets the failures of the place, which is familiar from now on.
func (g *Guard) Succeeded(t Try) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.places.forget(g.placeKey(t))
	if len(g.familiar) >= tracked {
		for k := range g.familiar { // any of them: what is lost is a comfort
			delete(g.familiar, k)
			if len(g.familiar) < tracked/2 {
				break
			}
		}
	}
	g.familiar[g.key("familiar", t.Account, prefix(t.Address))] = t.At
}

func (g *Guard) isFamiliar(t Try) bool {
	last, ok := g.familiar[g.key("familiar", t.Account, prefix(t.Address))]
	return t.Familiar || ok && t.At.Sub(last) < FamiliarFor
}

// placeKey stands for an account at a place. A place that the request shows to be familiar is one place, wherever it is:
// it moves with its owner.
func (g *Guard) placeKey(t Try) key {
	if t.Familiar {
		return g.key("shown", t.Account)
	}
	return g.key("place", t.Account, prefix(t.Address))
}

func (g *Guard) key(parts ...string) key {
	h := sha256.New()
	h.Write(g.seed[:])
	for _, p := range parts {
		length := uint32(len(p)) //nolint:gosec // texts here are bounded by the protocols
		h.Write([]byte{byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length)})
		h.Write([]byte(p))
	}
	return key(h.Sum(nil))
}

// prefix is the network that one customer of a provider usually has: a whole /64 of IPv6 is one place.
func prefix(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	a = a.Unmap()
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return address
	}
	return p.String()
}

// A counter counts within two windows of a length, the current one and the one before, so that a new window does not begin
// at nothing.
type counter struct {
	length          time.Duration
	began           time.Time
	current, before map[key]int
}

func newCounter(length time.Duration) counter {
	return counter{length: length, current: map[key]int{}, before: map[key]int{}}
}

func (c *counter) count(k key, at time.Time) int {
	c.turn(at)
	return c.current[k] + c.before[k]
}

func (c *counter) add(k key, at time.Time) int {
	c.turn(at)
	c.current[k]++
	return c.current[k] + c.before[k]
}

func (c *counter) forget(k key) {
	delete(c.current, k)
	delete(c.before, k)
}

// turn begins a new window when the current one is over or full.
func (c *counter) turn(at time.Time) {
	age := at.Sub(c.began)
	if age < c.length && len(c.current) < tracked {
		return
	}
	if age >= 2*c.length {
		c.current = map[key]int{}
	}
	c.before, c.current, c.began = c.current, map[key]int{}, at
}

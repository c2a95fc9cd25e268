// Package lockout holds guessers back without letting them lock anybody out.
//
// What an attacker can choose (the account's name, the address to come from) may not close the door to its owner. So
// failures count per place. A place is familiar where the account has signed in before: an address of the last thirty
// days, a browser that shows so, a device that has proven its key. Failures from elsewhere never count against a familiar
// place, nor those at one familiar place against another; all unfamiliar places together have one small budget for each
// account, so that guesses that are spread over a botnet come to an end as well.
//
// While a place is closed a password is not looked at, and none is hashed: that is what makes guessing cost little (P14). The
// answer and its time are the same for accounts that do not exist.
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
	// PerPlace failures in a row for one account from one place close that place for Wait; each further failure closes it
	// for twice as long, up to MostWait. A success, or a day without a failure, forgets them.
	PerPlace       int
	Wait, MostWait time.Duration
	// PerAccount failures in an hour for one account, from all unfamiliar places together, close those places for up to two
	// hours.
	PerAccount int
	// PerAddress accounts that one address fails for close it, to accounts that are not familiar there, for up to twenty
	// minutes: password spraying.
	PerAddress int
	// CountRepeats counts the same wrong secret each time. A wrong password stays wrong; a wrong code may be right in the
	// next half minute.
	CountRepeats bool
}

// Passwords are the limits for passwords: a botnet has at most 20 guesses an hour at an account, and who shares a familiar
// place some 40 in a day. NIST SP 800-63B section 5.2.2 allows 100 in a row.
var Passwords = Limits{PerPlace: 10, Wait: time.Minute, MostWait: time.Hour, PerAccount: 20, PerAddress: 20}

// Codes are the limits for the codes of a second factor, of which three in a million are right at any moment.
var Codes = Limits{PerPlace: 5, Wait: 10 * time.Minute, MostWait: time.Hour, PerAccount: 20, PerAddress: 20, CountRepeats: true}

// tracked bounds each count; beyond it the older half is forgotten.
const tracked = 50_000

// A Try is one attempt at an account.
type Try struct {
	Account string // normalised: the same account has one name
	Address string
	// Place names the browser or device that the request itself shows the account to have signed in from; "" for none.
	Place string
	At    time.Time
}

// A Guard counts failures.
type Guard struct {
	limits   Limits
	mu       sync.Mutex
	seed     [32]byte // so that nobody can choose colliding keys, and no password stands in memory
	places   generations[streak]
	accounts counter
	sprays   counter // accounts that an address has failed for
	sprayed  counter // account and address, so that an account counts once
	seen     counter // wrong passwords that were counted
	familiar addresses
}

type key [sha256.Size]byte

// New returns a guard that has seen nothing.
func New(limits Limits) *Guard {
	const spraying = 10 * time.Minute
	g := &Guard{
		limits: limits, accounts: newCounter(time.Hour), sprays: newCounter(spraying), sprayed: newCounter(spraying), seen: newCounter(time.Hour),
	}
	if _, err := rand.Read(g.seed[:]); err != nil {
		panic("lockout: no randomness: " + err.Error()) // crypto/rand.Read never fails
	}
	return g
}

// Begin reports whether a secret may be looked at. If so it counts as wrong until the guess is said to be Right or Void: of
// guesses that are made at the same time no more are looked at than of guesses one after the other. A repeated wrong
// password counts once in an hour, so that a program that knows only the old one does not lock its owner out.
func (g *Guard) Begin(t Try, secret string) (*Guess, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	guess := g.guess(t, secret)
	if g.closed(guess) {
		return nil, false
	}
	if g.seen.add(guess.seen, t.At) == 1 || g.limits.CountRepeats {
		streak := g.places.get(guess.place)
		guess.counted, guess.before = true, streak.last
		g.places.put(guess.place, streak.failed(t.At))
		if !guess.familiar {
			g.accounts.add(guess.account, t.At)
		}
	}
	return guess, true
}

// closed rests on no more than what the caller has shown.
func (g *Guard) closed(guess *Guess) bool {
	at := guess.try.At
	if at.Before(g.places.get(guess.place).opens(g.limits)) {
		return true
	}
	return !guess.familiar &&
		(g.accounts.count(guess.account, at) >= g.limits.PerAccount || g.sprays.count(guess.network, at) >= g.limits.PerAddress)
}

// placeKey stands for an account at a place. A place that the request shows is that place wherever it is: it moves with
// its owner.
func (g *Guard) placeKey(t Try) key {
	if t.Place != "" {
		return g.key("shown", t.Account, t.Place)
	}
	return g.key("place", t.Account, Network(t.Address))
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

// Network returns the network of an address that one customer of a provider usually has: a whole /64 of IPv6 is one place.
// What is no address is its own network.
func Network(address string) string {
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

package lockout

import "time"

// A Guess is a secret that is being looked at. Its outcome is said once: Wrong, Right or Void.
type Guess struct {
	guard    *Guard
	try      Try
	familiar bool
	counted  bool      // as a failure; a repeated wrong password is not
	before   time.Time // when the place had failed last

	place, account, network, seen key
}

func (g *Guard) guess(t Try, secret string) *Guess {
	place, network := g.placeKey(t), g.key("network", Network(t.Address))
	account := g.key("account", t.Account)
	return &Guess{
		guard: g, try: t, familiar: t.Place != "" || g.familiar.has(account, network, t.At),
		place: place, account: account, network: network, seen: g.key("seen", string(place[:]), secret),
	}
}

// Wrong leaves the guess counted. Only now does it tell of its address: an office whose people sign in at the same time
// is no sprayer of passwords.
func (u *Guess) Wrong() {
	g := u.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	if u.familiar {
		return
	}
	if g.sprayed.add(g.key("sprayed", string(u.network[:]), string(u.account[:])), u.try.At) == 1 {
		g.sprays.add(u.network, u.try.At)
	}
}

// Right forgets the failures of the place, and makes the address familiar.
func (u *Guess) Right() {
	g := u.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	u.undo()
	g.places.forget(u.place)
	g.familiar.add(u.account, u.network, u.try.At)
}

// Void takes the guess back: whether the secret is right was not found out, or tells nothing.
func (u *Guess) Void() {
	u.guard.mu.Lock()
	defer u.guard.mu.Unlock()
	u.undo()
}

func (u *Guess) undo() {
	g := u.guard
	g.seen.take(u.seen)
	if !u.counted {
		return
	}
	u.counted = false
	g.places.put(u.place, g.places.get(u.place).undone(u.try.At, u.before))
	if !u.familiar {
		g.accounts.take(u.account)
	}
}

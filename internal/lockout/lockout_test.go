package lockout

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var morning = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

const owner = "alice@contoso.example"

// try makes one wrong guess and reports whether it was looked at.
func (g *Guard) try(t Try, secret string) bool {
	guess, ok := g.Begin(t, secret)
	if ok {
		guess.Wrong()
	}
	return ok
}

// open reports whether a guess would be looked at.
func (g *Guard) open(t Try) bool {
	guess, ok := g.Begin(t, "a look")
	if ok {
		guess.Void()
	}
	return ok
}

func signedIn(t *testing.T, g *Guard, try Try) {
	t.Helper()
	guess, ok := g.Begin(try, "the right one")
	if !ok {
		t.Fatalf("%+v is locked out", try)
	}
	guess.Right()
}

// A botnet cannot lock the owner out of a familiar place, and gets its budget of guesses and no more. // P14
func TestABotnetLocksNobodyOut(t *testing.T) {
	g := New(Passwords)
	signedIn(t, g, Try{Account: owner, Address: "192.0.2.7", At: morning})
	guesses := 0
	at := morning
	for n := range 10_000 {
		at = at.Add(8640 * time.Millisecond) // a day in all
		if g.try(Try{Account: owner, Address: fmt.Sprintf("198.18.%d.%d", n/256, n%256), At: at}, fmt.Sprint("guess ", n)) {
			guesses++
		}
		for name, place := range map[string]Try{
			"the address":             {Account: owner, Address: "192.0.2.7", At: at},
			"the browser, in a train": {Account: owner, Address: "203.0.113.9", Place: "browser", At: at},
		} {
			if !g.open(place) {
				t.Fatalf("after %d guesses the owner is locked out of %s", guesses, name)
			}
		}
	}
	if guesses > 24*Passwords.PerAccount+Passwords.PerAccount {
		t.Errorf("%d guesses in a day", guesses)
	}
	if guesses < Passwords.PerAccount {
		t.Errorf("%d guesses: an unfamiliar place of the owner's has no chance at all", guesses)
	}
}

// A familiar place is closed by its own failures, for longer and longer, and opens again. // P14
func TestAPlaceIsClosedByItsOwnFailures(t *testing.T) {
	for name, limits := range map[string]Limits{"passwords": Passwords, "codes": Codes} {
		t.Run(name, func(t *testing.T) {
			g := New(limits)
			try := Try{Account: owner, Address: "192.0.2.7", Place: "browser", At: morning}
			for n := range limits.PerPlace {
				if !g.try(try, fmt.Sprint(n)) {
					t.Fatalf("closed after %d", n)
				}
			}
			for n, wait := range []time.Duration{limits.Wait, 2 * limits.Wait, 4 * limits.Wait, limits.MostWait, limits.MostWait} {
				if n == 3 { // until it lasts as long as it ever does
					for w := 8 * limits.Wait; w < limits.MostWait; w *= 2 {
						try.At = try.At.Add(w)
						g.try(try, w.String())
					}
				}
				try.At = try.At.Add(min(wait, limits.MostWait) - time.Second)
				if g.open(try) {
					t.Fatalf("closure %d: open before %s are over", n, wait)
				}
				try.At = try.At.Add(time.Second)
				if !g.try(try, fmt.Sprint("again ", n)) {
					t.Fatalf("closure %d: not open after %s", n, wait)
				}
			}
			try.At = try.At.Add(limits.MostWait)
			signedIn(t, g, try)
			if !g.try(try, "a slip") || !g.open(try) {
				t.Error("the right one is no new beginning")
			}
		})
	}
}

// Whoever shares a familiar place with the owner, or has a copy of what shows it, closes that place and no other, and gets
// no more than some forty guesses a day there. // P14
func TestASharedPlace(t *testing.T) {
	g := New(Passwords)
	guesses := 0
	for n := range 24 * 60 {
		at := morning.Add(time.Duration(n) * time.Minute)
		if g.try(Try{Account: owner, Address: "192.0.2.7", Place: "lobby", At: at}, fmt.Sprint(n)) {
			guesses++
		}
		if !g.open(Try{Account: owner, Address: "192.0.2.7", Place: "desk", At: at}) {
			t.Fatal("the desk is closed by guesses in the lobby")
		}
	}
	if guesses > 40 {
		t.Errorf("%d guesses in a day", guesses)
	}
}

// A program that knows only the old password fails a thousand times and locks nobody out; a wrong code counts each time,
// for it may be right half a minute later. // P14
func TestTheSamePasswordCountsOnce(t *testing.T) {
	passwords, codes := New(Passwords), New(Codes)
	looked := 0
	for n := range 1000 {
		try := Try{Account: owner, Address: "192.0.2.7", At: morning.Add(time.Duration(n) * time.Second)}
		if !passwords.try(try, "the password of last month") {
			t.Fatal("locked by one wrong password")
		}
		if codes.try(try, "000000") {
			looked++
		}
	}
	if most := Codes.PerPlace + 1; looked > most { // 1000 seconds hold one wait
		t.Errorf("the same code was looked at %d times", looked)
	}
}

// Guesses that are under way at the same time are no more than guesses one after the other. // P14
func TestGuessesAtTheSameTime(t *testing.T) {
	g := New(Codes)
	try := Try{Account: owner, Address: "192.0.2.7", At: morning}
	var looked atomic.Int32
	var all sync.WaitGroup
	for n := range 1000 {
		all.Go(func() {
			if _, ok := g.Begin(try, fmt.Sprint(n)); ok { // and its outcome is still unknown
				looked.Add(1)
			}
		})
	}
	all.Wait()
	if got := int(looked.Load()); got != Codes.PerPlace {
		t.Errorf("%d guesses were looked at, want %d", got, Codes.PerPlace)
	}
}

// What was not found out counts for nothing, also where the place had just opened again.
func TestAVoidGuessCountsForNothing(t *testing.T) {
	g := New(Passwords)
	try := Try{Account: owner, Address: "192.0.2.7", At: morning}
	for n := range 100 {
		guess, ok := g.Begin(try, fmt.Sprint(n))
		if !ok {
			t.Fatalf("closed by %d that were not looked at", n)
		}
		guess.Void()
	}
	for n := range Passwords.PerPlace {
		g.try(try, fmt.Sprint(n))
	}
	try.At = try.At.Add(Passwords.Wait)
	for range 3 {
		if !g.open(try) {
			t.Fatal("closed again by one that was not looked at")
		}
	}
}

// One address that tries many accounts is closed, but not to those who are familiar there. // P14
func TestSpraying(t *testing.T) {
	g := New(Passwords)
	signedIn(t, g, Try{Account: owner, Address: "192.0.2.7", At: morning})
	for n := range Passwords.PerAddress {
		g.try(Try{Account: fmt.Sprint("user", n), Address: "192.0.2.7", At: morning}, "Spring2026!")
	}
	if g.open(Try{Account: "another", Address: "192.0.2.7", At: morning}) {
		t.Error("the address may go on")
	}
	if !g.open(Try{Account: owner, Address: "192.0.2.7", At: morning}) {
		t.Error("who is familiar there is locked out")
	}
	if !g.open(Try{Account: "another", Address: "192.0.2.8", At: morning}) {
		t.Error("its neighbour is closed")
	}
	for n := range 1 << 10 {
		g.try(Try{Account: fmt.Sprint("v6 ", n), Address: fmt.Sprintf("2001:db8::%x", n), At: morning}, "x")
	}
	if g.open(Try{Account: "someone", Address: "2001:db8::ffff:1", At: morning}) {
		t.Error("another address of the same /64 may go on")
	}
}

// An office whose people all sign in at the same minute, from one address, is no sprayer of passwords.
func TestAnOfficeInTheMorning(t *testing.T) {
	g := New(Passwords)
	under := make([]*Guess, 2000)
	for n := range under {
		guess, ok := g.Begin(Try{Account: fmt.Sprint("person ", n), Address: "192.0.2.7", At: morning}, "right")
		if !ok {
			t.Fatalf("person %d has to wait", n)
		}
		under[n] = guess
	}
	for _, guess := range under {
		guess.Right()
	}
	if !g.open(Try{Account: "the last one", Address: "192.0.2.7", At: morning}) {
		t.Error("the last one has to wait")
	}
}

// Whoever has an account and many addresses makes the server forget none of the owner's.
func TestAddressesOfOthersAreNotForgotten(t *testing.T) {
	g := New(Passwords)
	signedIn(t, g, Try{Account: owner, Address: "192.0.2.7", At: morning})
	for n := range 3 * tracked {
		signedIn(t, g, Try{Account: "mallory", Address: fmt.Sprintf("2001:db8:%x:%x::1", n>>16, n&0xffff), At: morning})
	}
	for n := range 30 {
		g.try(Try{Account: owner, Address: fmt.Sprintf("198.18.0.%d", n), At: morning}, fmt.Sprint(n))
	}
	if !g.open(Try{Account: owner, Address: "192.0.2.7", At: morning}) {
		t.Error("the owner's address is unfamiliar")
	}
	later := morning.Add(FamiliarFor)
	for n := range 30 {
		g.try(Try{Account: owner, Address: fmt.Sprintf("198.18.0.%d", n), At: later}, fmt.Sprint(n))
	}
	if g.open(Try{Account: owner, Address: "192.0.2.7", At: later}) {
		t.Error("an address is familiar for ever")
	}
}

// However many accounts and addresses there are, memory has an end. // P14
func TestMemoryIsBounded(t *testing.T) {
	g := New(Passwords)
	for n := range 4 * tracked {
		try := Try{Account: fmt.Sprint(n), Address: fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255), At: morning}
		g.try(try, "x")
		if n%2 == 0 {
			signedIn(t, g, try)
		}
	}
	for name, c := range map[string]counter{"accounts": g.accounts, "sprays": g.sprays, "sprayed": g.sprayed, "seen": g.seen} {
		if n := len(c.current) + len(c.before); n > 2*tracked {
			t.Errorf("%s: %d", name, n)
		}
	}
	if n := len(g.places.current) + len(g.places.before); n > 2*tracked {
		t.Errorf("places: %d", n)
	}
	if n := len(g.familiar.of.current) + len(g.familiar.of.before); n > 2*tracked {
		t.Errorf("familiar: %d", n)
	}
}

// FuzzLockout holds the guard to three promises, whatever is tried in whatever order: nothing is locked before anything has
// failed, strangers get no more than their budget, and a guess that is void leaves no trace.
func FuzzLockout(f *testing.F) {
	f.Add("a", "192.0.2.1", []byte{1, 2, 3, 200, 5, 6})
	f.Add("", "no address", []byte("000000000000000000000000000000000000000000000000"))
	f.Fuzz(func(t *testing.T, account, address string, steps []byte) {
		g := New(Passwords)
		at, looked := morning, 0
		for n, b := range steps {
			at = at.Add(time.Duration(b&7) * time.Second)
			try := Try{Account: account, Address: address + string(rune('a'+b>>5)), At: at}
			guess, ok := g.Begin(try, fmt.Sprint(n))
			switch {
			case !ok && looked == 0:
				t.Fatal("locked before anything has failed")
			case ok && b&8 != 0:
				guess.Void()
				if again, still := g.Begin(try, fmt.Sprint(n)); !still {
					t.Fatal("a void guess has closed the place")
				} else {
					again.Void()
				}
			case ok:
				guess.Wrong()
				looked++
			}
		}
		hours := int(at.Sub(morning)/time.Hour) + 1
		if most := Passwords.PerAccount * (hours + 1); looked > most {
			t.Fatalf("%d guesses in %d hours, want at most %d", looked, hours, most)
		}
	})
}

// A device that asks faster than it was told is told to slow down, and one that keeps to the interval is not.
func TestPace(t *testing.T) {
	p := NewPace(5 * time.Second)
	at := morning
	for _, step := range []struct {
		after time.Duration
		fast  bool
	}{{0, false}, {5 * time.Second, false}, {time.Second, true}, {3 * time.Second, true}, {5 * time.Second, false}, {4500 * time.Millisecond, false}} {
		at = at.Add(step.after)
		if got := p.TooFast("device", at); got != step.fast {
			t.Errorf("at %s: too fast %v, want %v", at.Sub(morning), got, step.fast)
		}
	}
	for n := range 3 * tracked {
		p.TooFast(fmt.Sprint(n), at)
	}
	if len(p.last) > tracked {
		t.Errorf("it remembers %d", len(p.last))
	}
}

// One network gets its rate and its burst; its neighbours do not suffer, and a million of them cost no more memory. // P14
func TestRate(t *testing.T) {
	l := NewRate(600)
	allowed := 0
	for n := range 10_000 {
		if ok, wait := l.Allow("192.0.2.7", morning.Add(time.Duration(n)*time.Millisecond)); ok {
			allowed++
		} else if wait <= 0 || wait > time.Second {
			t.Fatalf("wait %s", wait)
		}
	}
	if allowed < 195 || allowed > 205 { // a burst of ten seconds, and ten seconds
		t.Errorf("%d of 10000 requests in ten seconds", allowed)
	}
	if ok, _ := l.Allow("192.0.2.8", morning); !ok {
		t.Error("the neighbour is held back")
	}
	if ok, _ := l.Allow("192.0.2.7", morning.Add(time.Hour)); !ok {
		t.Error("held back for good")
	}
	for n := range 3 * tracked {
		l.Allow(fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255), morning)
	}
	if len(l.current)+len(l.before) > 2*tracked+1 {
		t.Errorf("it remembers %d networks", len(l.current)+len(l.before))
	}
}

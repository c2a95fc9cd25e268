package lockout

import (
	"fmt"
	"testing"
	"time"
)

var morning = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

const owner = "alice@contoso.example"

// A botnet cannot lock the owner out of a familiar place, and gets its budget of guesses and no more. // P14
func TestABotnetLocksNobodyOut(t *testing.T) {
	g := New(Passwords)
	home := Try{Account: owner, Address: "192.0.2.7", At: morning}
	g.Succeeded(home)
	guesses := 0
	at := morning
	for n := range 10_000 {
		at = at.Add(8640 * time.Millisecond) // a day in all
		bot := Try{Account: owner, Address: fmt.Sprintf("198.18.%d.%d", n/256, n%256), At: at}
		if !g.Locked(bot) {
			guesses++
			g.Failed(bot, fmt.Sprint("guess ", n))
		}
		for name, place := range map[string]Try{
			"the address": {Account: owner, Address: "192.0.2.7", At: at}, "the browser, in a train": {Account: owner, Address: "203.0.113.9", Familiar: true, At: at},
		} {
			if g.Locked(place) {
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

// A familiar place is closed by its own failures, and opens again.
func TestAPlaceIsClosedByItsOwnFailures(t *testing.T) {
	g := New(Passwords)
	try := Try{Account: owner, Address: "192.0.2.7", At: morning}
	g.Succeeded(try)
	for n := range Passwords.PerPlace {
		if g.Locked(try) {
			t.Fatalf("closed after %d", n)
		}
		g.Failed(try, fmt.Sprint(n))
	}
	if !g.Locked(try) {
		t.Error("still open")
	}
	try.At = try.At.Add(2 * time.Minute)
	if g.Locked(try) {
		t.Error("closed for good")
	}
}

// A program that knows only the old password fails a thousand times and locks nobody out.
func TestTheSamePasswordCountsOnce(t *testing.T) {
	g := New(Passwords)
	try := Try{Account: owner, Address: "192.0.2.7", At: morning}
	for range 1000 {
		try.At = try.At.Add(time.Second)
		g.Failed(try, "the password of last month")
	}
	if g.Locked(try) {
		t.Error("locked by one wrong password")
	}
}

// One address that tries many accounts is closed, but not to those who are familiar there. // P14
func TestSpraying(t *testing.T) {
	g := New(Passwords)
	g.Succeeded(Try{Account: owner, Address: "192.0.2.7", At: morning})
	for n := range Passwords.PerAddress {
		g.Failed(Try{Account: fmt.Sprint("user", n), Address: "192.0.2.7", At: morning}, "Spring2026!")
	}
	if !g.Locked(Try{Account: "another", Address: "192.0.2.7", At: morning}) {
		t.Error("the address may go on")
	}
	if g.Locked(Try{Account: owner, Address: "192.0.2.7", At: morning}) {
		t.Error("who is familiar there is locked out")
	}
	if g.Locked(Try{Account: "another", Address: "192.0.2.8", At: morning}) {
		t.Error("its neighbour is closed")
	}
	for n := range 1 << 10 {
		g.Failed(Try{Account: fmt.Sprint("v6 ", n), Address: fmt.Sprintf("2001:db8::%x", n), At: morning}, "x")
	}
	if !g.Locked(Try{Account: "someone", Address: "2001:db8::ffff:1", At: morning}) {
		t.Error("another address of the same /64 may go on")
	}
}

// However many accounts and addresses there are, memory has an end. // P14
func TestMemoryIsBounded(t *testing.T) {
	g := New(Passwords)
	for n := range 4 * tracked {
		try := Try{Account: fmt.Sprint(n), Address: fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255), At: morning}
		g.Failed(try, "x")
		g.Succeeded(try)
	}
	for name, c := range map[string]counter{"places": g.places, "accounts": g.accounts, "sprays": g.sprays, "seen": g.seen} {
		if n := len(c.current) + len(c.before); n > 2*tracked {
			t.Errorf("%s: %d", name, n)
		}
	}
	if len(g.familiar) > tracked {
		t.Errorf("familiar: %d", len(g.familiar))
	}
}

func FuzzLockout(f *testing.F) {
	f.Add("a", "192.0.2.1", "p", int64(0), true)
	f.Fuzz(func(t *testing.T, account, address, password string, seconds int64, familiar bool) {
		g := New(Passwords)
		try := Try{Account: account, Address: address, Familiar: familiar, At: morning.Add(time.Duration(seconds % 1e6))}
		if g.Locked(try) {
			t.Fatal("locked before anything has failed")
		}
		g.Failed(try, password)
		if g.Locked(try) {
			t.Fatal("locked by one failure")
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

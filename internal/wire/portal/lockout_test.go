package portal_test

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"boundgate/internal/broker/brokertest"
)

const closed = "Too many wrong attempts"

// guess enters n wrong passwords, each in a browser of its own.
func guess(t *testing.T, s *brokertest.Server, name string, n int) {
	t.Helper()
	for n := range n {
		newPerson(t, s).password(name, fmt.Sprint("guess ", n))
	}
}

// password enters a name and a password.
func (p *person) password(name, password string) {
	p.t.Helper()
	p.get(authorizePath + request("prompt", "login").Encode())
	p.submit("step", "account", "username", name)
	p.submit("step", "password", "password", password)
}

var enrolmentKey = regexp.MustCompile(`<code>([A-Z2-7 ]+)</code>`)

// enrolment signs in for the first time where a second factor is asked for, up to the page that sets one up. It returns
// the key of the authenticator application.
func (p *person) enrolment(name string) string {
	p.t.Helper()
	p.password(name, brokertest.Password)
	p.shows("Set up a second way to verify")
	return strings.ReplaceAll(enrolmentKey.FindStringSubmatch(p.page)[1], " ", "")
}

// enrolled is a server whose policy asks for a second factor, and Alice has one.
func enrolled(t *testing.T) (s *brokertest.Server, owner *person, key string) {
	t.Helper()
	s = brokertest.New(t)
	policyFor(t, s, multiFactor)
	owner = newPerson(t, s)
	key = owner.enrolment(brokertest.Alice)
	owner.submit("step", "enrol", "code", totpAt(t, key, s.Now()))
	owner.code()
	s.Advance(60_000_000_000)
	return s, owner, key
}

// A browser is familiar to the account that has signed in in it. A colleague who makes the forms name another account
// while signing in with his own does not get to guess from there what is closed to strangers. // P14
func TestABrowserIsFamiliarToWhoSignedInInIt(t *testing.T) {
	s := brokertest.New(t)
	policyFor(t, s, multiFactor)
	mallory := newPerson(t, s)
	key := mallory.enrolment(brokertest.Bob)
	mallory.submit("step", "account", "username", brokertest.Alice) // the visit now names Alice
	mallory.shows("Enter password", brokertest.Alice)
	mallory.submit("step", "enrol", "code", totpAt(t, key, s.Now())) // and is finished by Bob
	guess(t, s, brokertest.Alice, 12)
	mallory.password(brokertest.Alice, "one more")
	mallory.shows(closed)
	mallory.password(brokertest.Bob, "a slip of Bob's own")
	if strings.Contains(mallory.page, closed) {
		t.Error("Bob is locked out of his own account")
	}
}

// Every wrong code counts, also the same again: what is wrong now may be right in the next half minute. // P14
func TestTheSameCodeAgain(t *testing.T) {
	s, _, _ := enrolled(t)
	thief := newPerson(t, s)
	thief.password(brokertest.Alice, brokertest.Password)
	for range 5 {
		thief.submit("step", "code", "code", "000000")
		thief.shows("The code is wrong")
	}
	thief.submit("step", "code", "code", "000000")
	thief.shows("Too many wrong codes")
}

// Guesses that are sent together are no more than guesses one after the other. // P14
func TestGuessesAtTheSameTime(t *testing.T) {
	s, _, _ := enrolled(t)
	const together = 40
	thieves := make([]*person, together)
	for n := range thieves {
		thieves[n] = newPerson(t, s)
		thieves[n].password(brokertest.Alice, brokertest.Password)
	}
	var all sync.WaitGroup
	for n, thief := range thieves {
		all.Go(func() { thief.submit("step", "code", "code", fmt.Sprintf("%06d", n)) })
	}
	all.Wait()
	looked := 0
	for _, thief := range thieves {
		if strings.Contains(thief.page, "The code is wrong") {
			looked++
		}
	}
	if looked > 5 {
		t.Errorf("%d of %d codes were looked at", looked, together)
	}
}

// A place that someone else shares with the owner is closed by itself: from a browser in which Alice has signed in once, in
// a hotel lobby, nobody locks her out of the browser on her desk. // P14
func TestOneFamiliarBrowserDoesNotCloseAnother(t *testing.T) {
	s := brokertest.New(t)
	desk, lobby := newPerson(t, s), newPerson(t, s)
	desk.password(brokertest.Alice, brokertest.Password)
	lobby.password(brokertest.Alice, brokertest.Password)
	for n := range 11 {
		lobby.password(brokertest.Alice, fmt.Sprint("guess ", n))
	}
	lobby.shows(closed)
	desk.password(brokertest.Alice, brokertest.Password)
	desk.code()
}

// Who has only the password does not keep the owner from showing the second factor where the owner has shown it before, and
// entering the password again and again buys no further codes. // P14
func TestThePasswordAloneMakesNoPlaceFamiliarToCodes(t *testing.T) {
	s, owner, key := enrolled(t)
	thief := newPerson(t, s)
	for n := range 7 {
		thief.password(brokertest.Alice, brokertest.Password)
		thief.submit("step", "code", "code", fmt.Sprintf("%06d", n))
	}
	thief.shows("Too many wrong codes")
	owner.password(brokertest.Alice, brokertest.Password)
	owner.submit("step", "code", "code", totpAt(t, key, s.Now()))
	owner.code()
}

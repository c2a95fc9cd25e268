package storetest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"boundgate/internal/directory"
	"boundgate/internal/journal"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

// P04, P05: a record comes back with the key, the key derivation and the registration that it was issued with.
func sessionRoundTrip(_ *testing.T, w *world) {
	p, free := w.prt(contoso), w.token(contoso)
	bound := as(w.guest(), w.boundTo(p))
	bound.Interactive = false
	w.issue(journal.Effects{NewPRTs: []session.PRT{p}, NewRefreshTokens: []session.RefreshToken{free, bound}})

	renewed := p
	renewed.Hash, renewed.IssuedAt, renewed.ExpiresAt = random(), p.IssuedAt.Add(time.Hour), p.ExpiresAt.Add(time.Hour)
	w.issue(journal.Effects{NewPRTs: []session.PRT{renewed}})
	w.restart()

	for _, want := range []session.PRT{p, renewed} {
		got, err := w.db.PRT(w.ctx, want.Hash)
		w.must(err)
		w.same("PRT", got, want)
	}
	for _, want := range []session.RefreshToken{free, bound} {
		got, err := w.db.RefreshToken(w.ctx, want.Hash)
		w.must(err)
		w.same("refresh token", got, want)
	}
	newest, err := w.db.SessionByID(w.ctx, contoso, p.Session)
	w.must(err)
	w.same("newest PRT of the session", newest, renewed)

	_, err = w.db.PRT(w.ctx, free.Hash)
	w.want("a refresh token taken for a PRT", err, session.ErrNotFound)
	_, err = w.db.RefreshToken(w.ctx, p.Hash)
	w.want("a PRT taken for a refresh token", err, session.ErrNotFound)
	_, err = w.db.SessionByID(w.ctx, contoso, "nothing")
	w.want("an unknown session", err, session.ErrNotFound)
}

// P06, P15: an ending reaches every token that derives from what has ended, no other tenant's, and nothing takes it back.
func sessionsEnd(t *testing.T, w *world) {
	at := w.now.Add(time.Hour)
	for _, c := range []struct {
		name string
		end  func(w *world) error
		free bool // also ends what is bound to no device
		undo func(w *world) error
	}{
		{"sessions are ended", func(w *world) error {
			return w.db.RevokeSessions(w.ctx, contoso, of(contoso, "mika"), at, w.entry(contoso))
		}, true, func(w *world) error { // with an earlier time
			return w.db.RevokeSessions(w.ctx, contoso, of(contoso, "mika"), at.Add(-time.Hour), w.entry(contoso))
		}},
		{"the password is changed", func(w *world) error {
			return w.db.SetPassword(w.ctx, contoso, of(contoso, "mika"), "new", at, w.entry(contoso))
		}, true, func(w *world) error {
			return w.db.SetPassword(w.ctx, contoso, of(contoso, "mika"), "argon2id", at.Add(-time.Hour), w.entry(contoso))
		}},
		{"the user is disabled", func(w *world) error {
			u := w.user(contoso)
			u.Enabled = false
			return w.db.UpdateUser(w.ctx, u, w.entry(contoso))
		}, true, func(w *world) error { return w.db.UpdateUser(w.ctx, w.user(contoso), w.entry(contoso)) }},
		{"the user is deleted", func(w *world) error {
			return w.db.DeleteUser(w.ctx, contoso, of(contoso, "mika"), w.entry(contoso))
		}, true, func(w *world) error { return w.db.CreateUser(w.ctx, w.user(contoso), w.entry(contoso)) }},
		{"the device is disabled", func(w *world) error {
			d := w.laptop(contoso)
			d.Enabled = false
			return w.db.UpdateDevice(w.ctx, d, w.entry(contoso))
		}, false, func(w *world) error { return w.db.UpdateDevice(w.ctx, w.laptop(contoso), w.entry(contoso)) }},
		{"the device is deleted", func(w *world) error {
			return w.db.DeleteDevice(w.ctx, contoso, w.laptop(contoso).ID, w.entry(contoso))
		}, false, func(w *world) error {
			return w.db.Register(w.ctx, journal.Registration{Device: w.laptop(contoso), Quota: 5}, journal.Effects{}, w.entry(contoso))
		}},
	} {
		w := newWorld(t, w.open)
		p, free := w.prt(contoso), w.token(contoso)
		bound := w.boundTo(p)
		guest := as(w.guest(), bound)
		otherPRT, otherToken := w.prt(fabrikam), w.token(fabrikam)
		w.issue(journal.Effects{NewPRTs: []session.PRT{p, otherPRT}, NewRefreshTokens: []session.RefreshToken{free, bound, guest, otherToken}})

		ended := w.now
		w.must(c.end(w))
		w.now = w.now.Add(time.Minute)
		w.must(c.undo(w))
		w.must(c.end(w)) // which changes nothing any more
		w.restart()
		for _, token := range []struct {
			what  string
			hash  prt.Hash
			ended bool
		}{
			{"an unbound token", free.Hash, c.free}, {"a bound token", bound.Hash, true}, {"a guest's bound token", guest.Hash, true},
			{"a token of another tenant", otherToken.Hash, false},
		} {
			got, err := w.db.RefreshToken(w.ctx, token.hash)
			w.must(err)
			if token.ended && !got.RevokedAt.Equal(ended) || !token.ended && !got.RevokedAt.IsZero() {
				t.Errorf("%s: %s is revoked at %v", c.name, token.what, got.RevokedAt)
			}
		}
		revoked, err := w.db.PRT(w.ctx, p.Hash)
		w.must(err)
		other, err := w.db.PRT(w.ctx, otherPRT.Hash)
		w.must(err)
		if !revoked.RevokedAt.Equal(ended) || !other.RevokedAt.IsZero() {
			t.Errorf("%s: its PRT is revoked at %v, that of another tenant at %v", c.name, revoked.RevokedAt, other.RevokedAt)
		}
		if u, err := w.db.UserByID(w.ctx, contoso, of(contoso, "mika")); c.name == "sessions are ended" && (err != nil || !u.SessionsValidFrom.Equal(at)) {
			t.Errorf("an earlier time took the ending back: %v, %v", u.SessionsValidFrom, err)
		}
	}
}

// P06, P15: whoever is a guest has two accounts, and each of them can end what the guest holds.
func guestsEnd(t *testing.T, first *world) {
	for name, end := range map[string]func(w *world, guest directory.User) error{
		"the guest is disabled": func(w *world, guest directory.User) error {
			guest.Enabled = false
			return w.db.UpdateUser(w.ctx, guest, w.entry(fabrikam))
		},
		"the guest is deleted": func(w *world, guest directory.User) error {
			return w.db.DeleteUser(w.ctx, fabrikam, guest.ID, w.entry(fabrikam))
		},
		"the guest's sessions are ended": func(w *world, guest directory.User) error {
			return w.db.RevokeSessions(w.ctx, fabrikam, guest.ID, w.now.Add(time.Second), w.entry(fabrikam))
		},
	} {
		w := newWorld(t, first.open)
		guest, home := w.guest(), w.token(contoso)
		before, late := as(guest, home), as(guest, home)
		w.issue(journal.Effects{Subject: w.subject(), NewRefreshTokens: []session.RefreshToken{home, before}})
		w.must(end(w, guest))

		got, err := w.db.RefreshToken(w.ctx, before.Hash)
		w.must(err)
		kept, err := w.db.RefreshToken(w.ctx, home.Hash)
		w.must(err)
		if got.RevokedAt.IsZero() || !kept.RevokedAt.IsZero() {
			t.Errorf("%s: the guest's token is revoked at %v, that at home at %v", name, got.RevokedAt, kept.RevokedAt)
		}
		// A sign-in that was decided before leaves no token that might come to life.
		issue := func(token session.RefreshToken) error {
			return w.db.Commit(w.ctx, journal.Record{Effects: journal.Effects{Subject: w.subject(), NewRefreshTokens: []session.RefreshToken{token}}})
		}
		w.want("a guest's token after "+name, issue(late), journal.ErrChanged)
		_, err = w.db.RefreshToken(w.ctx, late.Hash)
		w.want("the token that was refused after "+name, err, session.ErrNotFound)
		w.must(issue(w.token(contoso))) // at home
	}
}

// P16 is shown where the file is known; here, that there is one secret of a name.
func secretOnce(t *testing.T, w *world) {
	if _, ok, err := w.db.Secret(w.ctx, "signing-key"); ok || err != nil {
		t.Fatalf("a secret that nobody has made: %t, %v", ok, err)
	}
	kept := make([][]byte, 20)
	for _, err := range together(len(kept), func(n int) (err error) {
		kept[n], err = w.db.PutSecret(w.ctx, "signing-key", []byte(fmt.Sprint("key ", n)))
		return err
	}) {
		w.must(err)
	}
	_, err := w.db.PutSecret(w.ctx, "another", []byte("another"))
	w.must(err)
	nonceKey, err := w.db.NonceKey(w.ctx)
	w.must(err)
	w.restart()
	got, ok, err := w.db.Secret(w.ctx, "signing-key")
	w.must(err)
	for _, k := range kept {
		if !ok || !bytes.Equal(k, got) {
			t.Errorf("one caller has %q, the store %q", k, got)
		}
	}
	again, err := w.db.NonceKey(w.ctx)
	w.must(err)
	if again != nonceKey || nonceKey == [32]byte{} {
		t.Error("the nonce key is another one after a restart, or none")
	}
}

// P03: a nonce is forgotten only when it is too old to be taken.
func sweep(t *testing.T, w *world) {
	var nonces []journal.SpentNonce
	var prts []session.PRT
	var tokens []session.RefreshToken
	for range 10 {
		nonces, prts, tokens = append(nonces, w.nonce()), append(prts, w.prt(contoso)), append(tokens, w.token(contoso))
	}
	w.issue(journal.Effects{SpendNonces: nonces, NewPRTs: prts, NewRefreshTokens: tokens})
	start := w.now
	left := func() (n [3]int) {
		for i := range nonces {
			if _, err := w.db.PRT(w.ctx, prts[i].Hash); err == nil {
				n[1]++
			}
			if _, err := w.db.RefreshToken(w.ctx, tokens[i].Hash); err == nil {
				n[2]++
			}
		}
		return n
	}
	for _, c := range []struct {
		after  time.Duration
		spent  bool // nonces still known
		tokens [3]int
	}{
		{0, true, [3]int{0, 10, 10}},
		{prt.NonceLifetime, true, [3]int{0, 10, 10}},
		{prt.NonceLifetime + 4*time.Minute, true, [3]int{0, 10, 10}}, // for a node whose clock is that far behind
		{session.PRTLifetime, false, [3]int{0, 10, 10}},
		{session.PRTLifetime + 8*24*time.Hour, false, [3]int{0, 0, 10}},
		{session.RefreshTokenLifetime, false, [3]int{0, 0, 10}},
		{session.RefreshTokenLifetime + 8*24*time.Hour, false, [3]int{}},
	} {
		w.now = start.Add(c.after)
		w.must(w.db.Sweep(w.ctx, 0)) // nothing at a time: it ends all the same
		w.must(w.db.Sweep(w.ctx, 3))
		w.same(fmt.Sprint("tokens left after ", c.after), left(), c.tokens)
		err := w.db.Commit(w.ctx, journal.Record{Effects: journal.Effects{SpendNonces: []journal.SpentNonce{{ID: nonces[0].ID, Expires: nonces[0].Expires}}}})
		if (err != nil) != c.spent {
			t.Errorf("spend a nonce again after %v: %v", c.after, err)
		}
	}
}

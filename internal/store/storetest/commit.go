package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"boundgate/internal/journal"
	"boundgate/internal/prt"
	"boundgate/internal/session"
	"boundgate/internal/signinlog"
)

// P03
func nonceOnce(_ *testing.T, w *world) {
	nonce := w.nonce()
	spend := func(int) error {
		return w.db.Commit(w.ctx, journal.Record{Effects: journal.Effects{SpendNonces: []journal.SpentNonce{nonce}}})
	}
	w.onlyOne(together(100, spend), journal.ErrNonceSpent)
	w.restart()
	w.want("spend the nonce after a restart", spend(0), journal.ErrNonceSpent)
	w.issue(journal.Effects{SpendNonces: []journal.SpentNonce{w.nonce()}}) // another nonce is fresh
}

func rotateOnce(_ *testing.T, w *world) {
	old := w.token(contoso)
	w.issue(journal.Effects{NewRefreshTokens: []session.RefreshToken{old}})
	successors := make([]session.RefreshToken, 100)
	errs := together(len(successors), func(n int) error {
		successors[n] = w.token(contoso)
		return w.db.Commit(w.ctx, journal.Record{
			Effects: journal.Effects{SpendTokens: []prt.Hash{old.Hash}, NewRefreshTokens: []session.RefreshToken{successors[n]}},
			Rows:    []*signinlog.Row{row(contoso, fmt.Sprint("rotation ", n))},
		})
	})
	w.onlyOne(errs, journal.ErrTokenSpent)
	rows := w.storedRows()
	for n, err := range errs {
		if slices.Contains(rows, fmt.Sprint("rotation ", n)) != (err == nil) {
			w.t.Errorf("a commit that returned %v left its row: %t", err, err != nil)
		}
		if _, found := w.db.RefreshToken(w.ctx, successors[n].Hash); (found == nil) != (err == nil) {
			w.t.Errorf("a commit that returned %v left a successor: %v", err, found)
		}
	}
}

// P02
func upgradeOnce(_ *testing.T, w *world) {
	token := w.token(contoso)
	w.issue(journal.Effects{NewRefreshTokens: []session.RefreshToken{token}})
	w.onlyOne(together(100, func(int) error {
		return w.db.Commit(w.ctx, journal.Record{Effects: journal.Effects{UpgradeTokens: []prt.Hash{token.Hash}}})
	}), journal.ErrUpgraded)
	got, err := w.db.RefreshToken(w.ctx, token.Hash)
	w.must(err)
	w.same("when it was upgraded", got.UpgradedAt, w.now)
}

// P10, P15
func commitSingly(t *testing.T, w *world) {
	spent := w.nonce()
	w.issue(journal.Effects{SpendNonces: []journal.SpentNonce{spent}})
	const calls = 300
	fresh, tokens := make([]journal.SpentNonce, calls), make([]session.RefreshToken, calls)
	errs := together(calls, func(n int) error {
		fresh[n], tokens[n] = w.nonce(), w.token(contoso)
		e := journal.Effects{SpendNonces: []journal.SpentNonce{fresh[n]}, NewRefreshTokens: []session.RefreshToken{tokens[n]}}
		if n%3 == 0 {
			e.SpendNonces = append(e.SpendNonces, spent) // fails after a part of it has been done
		}
		return w.db.Commit(w.ctx, journal.Record{Effects: e, Rows: []*signinlog.Row{row(contoso, fmt.Sprint(n))}})
	})
	stored := map[string]bool{}
	for _, id := range w.storedRows() {
		stored[id] = true
	}
	for n, err := range errs {
		fails := n%3 == 0
		if fails != errors.Is(err, journal.ErrNonceSpent) || !fails && err != nil {
			t.Errorf("commit %d: %v", n, err)
		}
		_, missing := w.db.RefreshToken(w.ctx, tokens[n].Hash)
		if stored[fmt.Sprint(n)] == fails || (missing != nil) != fails {
			t.Errorf("commit %d returned %v; its row is stored: %t; its token: %v", n, err, stored[fmt.Sprint(n)], missing)
		}
		if fails {
			w.issue(journal.Effects{SpendNonces: []journal.SpentNonce{fresh[n]}}) // what failed has not spent it
		}
	}
}

// P05, P06, P15: between a decision and its commit the world may change.
func commitConditions(t *testing.T, w *world) {
	token, bound, spent, revoked, upgraded := w.token(contoso), w.token(contoso), w.token(contoso), w.token(contoso), w.token(contoso)
	w.issue(journal.Effects{NewRefreshTokens: []session.RefreshToken{token, bound, spent, revoked, upgraded}})
	w.issue(journal.Effects{SpendTokens: []prt.Hash{spent.Hash}, UpgradeTokens: []prt.Hash{upgraded.Hash}, RevokeFamilies: []string{revoked.Family}})
	earlier, otherDevice, otherRegistration, otherTenant := w.subject(), w.use(), w.use(), w.use()
	otherTenant.Tenant = fabrikam
	earlier.AuthTime = w.now.Add(-2 * time.Hour) // the password changed an hour ago
	otherDevice.Device = string(of(contoso, "nothing"))
	otherRegistration.Registration = "r0"
	for _, c := range []struct {
		name    string
		effects journal.Effects
		want    error
	}{
		{"nothing has changed", journal.Effects{Subject: w.subject(), Device: w.use()}, nil},
		{"the password is newer than the session", journal.Effects{Subject: earlier}, journal.ErrChanged},
		{"the user is unknown", journal.Effects{Subject: &journal.Subject{Tenant: contoso, User: of(contoso, "nobody"), AuthTime: w.now}}, journal.ErrChanged},
		{"the user is another tenant's", journal.Effects{Subject: &journal.Subject{Tenant: contoso, User: of(fabrikam, "mika"), AuthTime: w.now}}, journal.ErrChanged},
		{"the device is unknown", journal.Effects{Device: otherDevice}, journal.ErrChanged},
		{"the device is another tenant's", journal.Effects{Device: otherTenant}, journal.ErrChanged},
		{"the device has registered anew", journal.Effects{Device: otherRegistration}, journal.ErrChanged},
		{"a token is rotated", journal.Effects{SpendTokens: []prt.Hash{token.Hash}}, nil},
		{"a token was rotated before", journal.Effects{SpendTokens: []prt.Hash{spent.Hash}}, journal.ErrTokenSpent},
		{"a token was revoked", journal.Effects{SpendTokens: []prt.Hash{revoked.Hash}}, journal.ErrTokenRevoked},
		{"a token is unknown", journal.Effects{SpendTokens: []prt.Hash{random()}}, journal.ErrTokenRevoked},
		{"a token is upgraded", journal.Effects{UpgradeTokens: []prt.Hash{bound.Hash}}, nil},
		{"a token was upgraded before", journal.Effects{UpgradeTokens: []prt.Hash{upgraded.Hash}}, journal.ErrUpgraded},
		{"a token that was rotated is upgraded", journal.Effects{UpgradeTokens: []prt.Hash{spent.Hash}}, journal.ErrTokenSpent},
		{"a revoked token is upgraded", journal.Effects{UpgradeTokens: []prt.Hash{revoked.Hash}}, journal.ErrTokenRevoked},
	} {
		if err := w.db.Commit(w.ctx, journal.Record{Effects: c.effects}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	endings(t, w.open)
}

// endings are the changes after which a session that was valid before commits no more.
func endings(t *testing.T, open Open) {
	for _, c := range []struct {
		name   string
		change func(w *world) error
	}{
		{"the user is disabled", func(w *world) error {
			u := w.user(contoso)
			u.Enabled = false
			return w.db.UpdateUser(w.ctx, u, w.entry(contoso))
		}},
		{"the user is deleted", func(w *world) error {
			return w.db.DeleteUser(w.ctx, contoso, of(contoso, "mika"), w.entry(contoso))
		}},
		{"the password is changed", func(w *world) error {
			return w.db.SetPassword(w.ctx, contoso, of(contoso, "mika"), "another", w.now.Add(time.Second), w.entry(contoso))
		}},
		{"the password is changed a while after the administrator asked for it", func(w *world) error {
			asked := w.now.Add(-time.Minute)
			w.now = w.now.Add(time.Millisecond) // until now, the old password has signed in
			return w.db.SetPassword(w.ctx, contoso, of(contoso, "mika"), "another", asked, w.entry(contoso))
		}},
		{"the sessions are ended", func(w *world) error {
			return w.db.RevokeSessions(w.ctx, contoso, of(contoso, "mika"), w.now.Add(time.Second), w.entry(contoso))
		}},
		{"the device is disabled", func(w *world) error {
			d := w.laptop(contoso)
			d.Enabled = false
			return w.db.UpdateDevice(w.ctx, d, w.entry(contoso))
		}},
		{"the device is deleted", func(w *world) error {
			return w.db.DeleteDevice(w.ctx, contoso, w.laptop(contoso).ID, w.entry(contoso))
		}},
		{"the device registers anew", func(w *world) error {
			d := w.laptop(contoso)
			d.Registration = "r2"
			return w.db.Register(w.ctx, journal.Registration{Device: d, Replaces: true, Quota: 5}, journal.Effects{}, w.entry(contoso))
		}},
	} {
		w := newWorld(t, open)
		valid := journal.Record{Effects: journal.Effects{Subject: w.subject(), Device: w.use()}}
		if err := w.db.Commit(w.ctx, valid); err != nil {
			t.Errorf("before %s: %v", c.name, err)
		}
		w.must(c.change(w))
		if err := w.db.Commit(w.ctx, valid); !errors.Is(err, journal.ErrChanged) {
			t.Errorf("after %s: %v, want %v", c.name, err, journal.ErrChanged)
		}
	}
	// The honest twin: whoever signs in with the new password, at the earliest moment that can be told apart, may.
	w := newWorld(t, open)
	w.must(w.db.SetPassword(w.ctx, contoso, of(contoso, "mika"), "another", w.now, w.entry(contoso)))
	w.must(w.db.Commit(w.ctx, journal.Record{Effects: journal.Effects{Subject: w.subject()}}))
	late := w.subject()
	late.AuthTime = w.now.Add(-time.Microsecond)
	w.want("a sign-in of a microsecond before", w.db.Commit(w.ctx, journal.Record{Effects: journal.Effects{Subject: late}}), journal.ErrChanged)
}

func revokeFamily(_ *testing.T, w *world) {
	first, other := w.token(contoso), w.token(contoso)
	second := w.token(contoso)
	second.Family = first.Family
	w.issue(journal.Effects{NewRefreshTokens: []session.RefreshToken{first, second, other}})
	w.issue(journal.Effects{RevokeFamilies: []string{first.Family}})
	ended := w.now
	w.now = w.now.Add(time.Hour)
	w.issue(journal.Effects{RevokeFamilies: []string{first.Family}}) // changes nothing any more
	for _, c := range []struct {
		token session.RefreshToken
		want  time.Time
	}{{first, ended}, {second, ended}, {other, time.Time{}}} {
		got, err := w.db.RefreshToken(w.ctx, c.token.Hash)
		w.must(err)
		w.same("revoked at", got.RevokedAt, c.want)
	}
}

func commitCancelled(_ *testing.T, w *world) {
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	nonce := w.nonce()
	record := journal.Record{Effects: journal.Effects{SpendNonces: []journal.SpentNonce{nonce}}, Rows: []*signinlog.Row{row(contoso, "a")}}
	w.want("commit with a context that has ended", w.db.Commit(ctx, record), context.Canceled)
	w.same("rows", w.storedRows(), []string(nil))
	w.must(w.db.Commit(w.ctx, record)) // the nonce was not spent

	// Whenever the caller goes away, the answer is true: success where the row is there, an error where it is not.
	errs := together(50, func(n int) error {
		ctx, cancel := context.WithTimeout(w.ctx, time.Duration(n)*20*time.Microsecond)
		defer cancel()
		return w.db.Commit(ctx, journal.Record{Rows: []*signinlog.Row{row(contoso, fmt.Sprint("b", n))}})
	})
	stored := map[string]bool{}
	for _, id := range w.storedRows() {
		stored[id] = true
	}
	for n, err := range errs {
		if stored[fmt.Sprint("b", n)] != (err == nil) {
			w.t.Errorf("commit %d returned %v, stored: %t", n, err, stored[fmt.Sprint("b", n)])
		}
	}
}

// P12
func chainOfRows(t *testing.T, w *world) {
	for round := range 3 {
		for _, err := range together(20, func(n int) error {
			rows := []*signinlog.Row{row(contoso, fmt.Sprint(round, n)), row(fabrikam, fmt.Sprint(round, n))}
			return w.db.Commit(w.ctx, journal.Record{Rows: rows})
		}) {
			w.must(err)
		}
		w.restart()
	}
	records, err := w.db.Intake(w.ctx, 0, 1000)
	w.must(err)
	heads, err := w.db.ChainHeads(w.ctx)
	w.must(err)
	if len(records) != 120 || len(heads) != 1 || heads[0].Writer != Writer || heads[0].Seq != 120 {
		t.Fatalf("%d rows, heads %v", len(records), heads)
	}
	w.must(VerifyChain(records, heads))
	for _, c := range []struct {
		name   string
		tamper func([]signinlog.Record) []signinlog.Record
	}{
		{"a row is altered", func(r []signinlog.Record) []signinlog.Record {
			r[40].Canonical = append([]byte(nil), r[40].Canonical...)
			r[40].Canonical[len(r[40].Canonical)/2] ^= 1
			return r
		}},
		{"a row is cut out", func(r []signinlog.Record) []signinlog.Record { return append(r[:40], r[41:]...) }},
		{"two rows change places", func(r []signinlog.Record) []signinlog.Record {
			r[40].Canonical, r[41].Canonical = r[41].Canonical, r[40].Canonical
			return r
		}},
		{"the last row is cut off", func(r []signinlog.Record) []signinlog.Record { return r[:len(r)-1] }},
	} {
		if VerifyChain(c.tamper(append([]signinlog.Record(nil), records...)), heads) == nil {
			t.Errorf("not noticed: %s", c.name)
		}
	}
}

// VerifyChain computes the chains anew from the first row on and compares them with what is stored, and with the heads if any.
func VerifyChain(records, heads []signinlog.Record) error {
	last := map[string]signinlog.Record{}
	for _, r := range records {
		before := last[r.Writer]
		if r.Seq != before.Seq+1 || r.Hash != signinlog.Link(r.Writer, r.Seq, before.Hash, r.Canonical) {
			return fmt.Errorf("row %d of %s does not follow row %d", r.Seq, r.Writer, before.Seq)
		}
		last[r.Writer] = r
	}
	for _, h := range heads {
		if end := last[h.Writer]; end.Seq != h.Seq || end.Hash != h.Hash {
			return fmt.Errorf("the chain of %s ends with row %d, its head is row %d", h.Writer, end.Seq, h.Seq)
		}
	}
	return nil
}

func dropIntake(_ *testing.T, w *world) {
	for n := range 5 {
		w.must(w.db.Commit(w.ctx, journal.Record{Rows: []*signinlog.Row{row(contoso, fmt.Sprint(n))}}))
	}
	first, err := w.db.Intake(w.ctx, 0, 3)
	w.must(err)
	rest, err := w.db.Intake(w.ctx, first[2].Intake, 10)
	w.must(err)
	if len(first) != 3 || len(rest) != 2 {
		w.t.Fatalf("%d rows, then %d", len(first), len(rest))
	}
	w.must(w.db.DropIntake(w.ctx, rest[1].Intake))
	w.restart()
	// Numbers are not given out again: the log store would take the row for one that it has.
	w.must(w.db.Commit(w.ctx, journal.Record{Rows: []*signinlog.Row{row(contoso, "next")}}))
	next, err := w.db.Intake(w.ctx, rest[1].Intake, 10)
	w.must(err)
	if len(next) != 1 || next[0].Seq != 6 || next[0].Hash != signinlog.Link(Writer, 6, rest[1].Hash, next[0].Canonical) {
		w.t.Errorf("after the intake was emptied: %+v", next)
	}
}

func newEpoch(t *testing.T, w *world) {
	w.must(w.db.Commit(w.ctx, journal.Record{Rows: []*signinlog.Row{row(contoso, "before")}}))
	before := w.epoch()
	key, err := w.db.NonceKey(w.ctx)
	w.must(err)
	nonce := (&prt.Nonces{Key: key, Epoch: before}).Mint(w.now)

	w.must(w.db.BumpEpoch(w.ctx))
	w.must(w.db.Commit(w.ctx, journal.Record{Rows: []*signinlog.Row{row(contoso, "after")}}))
	w.restart()
	w.must(w.db.Commit(w.ctx, journal.Record{Rows: []*signinlog.Row{row(contoso, "later")}}))

	after := w.epoch()
	if _, _, err := (&prt.Nonces{Key: key, Epoch: after}).Check(nonce, w.now); err == nil || after == before {
		t.Error("a nonce of the epoch before is still good")
	}
	records, err := w.db.Intake(w.ctx, 0, 10)
	w.must(err)
	heads, err := w.db.ChainHeads(w.ctx)
	w.must(err)
	w.must(VerifyChain(records, heads))
	if len(heads) != 2 || len(records) != 3 || records[1].Writer == Writer || records[2].Writer != records[1].Writer {
		t.Errorf("heads %+v, rows %+v", heads, records)
	}
	if gap := records[1].Intake - records[0].Intake; gap < 1<<30 {
		t.Errorf("the intake goes on %d numbers later: the log store may know them", gap)
	}
}

func (w *world) epoch() uint64 {
	w.t.Helper()
	epoch, err := w.db.NonceEpoch(w.ctx)
	w.must(err)
	return epoch
}

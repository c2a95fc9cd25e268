package storetest

import (
	"testing"

	"boundgate/internal/audit"
	"boundgate/internal/directory"
	"boundgate/internal/factor"
	"boundgate/internal/journal"
)

// passkeyOf is a passkey of contoso's mika.
func passkeyOf(id string, count uint32) factor.Factor {
	f := factorOf(contoso)
	f.ID, f.Kind, f.DisplayName, f.Secret, f.LastStep = id, factor.PassKey, "Passkey", "", 0
	f.Credential, f.SignCount = []byte(`{"id":"AAAA"}`), count
	return f
}

// P03: an answer of a passkey that counts is worth nothing once a later one has been accepted. Passkeys that do not count
// stay at 0, and one that has counted does not go back to it.
func passkeyCounts(_ *testing.T, w *world) {
	counting, still := passkeyOf("counting", 5), passkeyOf("still", 0)
	w.issue(journal.Effects{NewFactors: []factor.Factor{counting, still}})
	use := func(f factor.Factor, count uint32) error {
		return w.db.Commit(w.ctx, journal.Record{Effects: journal.Effects{UseFactors: []journal.FactorUse{
			{Tenant: f.Tenant, User: f.User, ID: f.ID, SignCount: count, At: w.now},
		}}})
	}
	w.onlyOne(together(100, func(int) error { return use(counting, 6) }), journal.ErrFactorSpent)
	w.want("a counter that has gone back", use(counting, 5), journal.ErrFactorSpent)
	w.want("a counter that has gone away", use(counting, 0), journal.ErrFactorSpent)
	w.restart()
	w.want("the counter after a restart", use(counting, 6), journal.ErrFactorSpent)
	w.must(use(counting, 7))
	w.must(use(still, 0))
	w.must(use(still, 0))
	foreign := counting
	foreign.User = of(contoso, "somebody else")
	w.want("by another user", use(foreign, 8), journal.ErrFactorSpent)

	list, err := w.db.FactorsOf(w.ctx, contoso, counting.User)
	w.must(err)
	counting.SignCount, counting.LastUsedAt, still.LastUsedAt = 7, w.now, w.now
	w.same("second factors", list, []factor.Factor{counting, factorOf(contoso), still})
}

func factorsOfAUser(_ *testing.T, w *world) {
	rows := func() int {
		list, err := w.db.AuditEntries(w.ctx, contoso, audit.Query{Limit: 1000})
		w.must(err)
		return len(list)
	}
	before := rows()
	w.issue(journal.Effects{NewFactors: []factor.Factor{passkeyOf("new", 0)}, Audit: []audit.Entry{w.entry(contoso)}})
	w.same("audit rows", rows(), before+1)
	again := journal.Effects{NewFactors: []factor.Factor{passkeyOf("new", 0)}, Audit: []audit.Entry{w.entry(contoso)}}
	w.want("the same factor", w.db.Commit(w.ctx, journal.Record{Effects: again}), directory.ErrExists)
	w.same("audit rows", rows(), before+1)

	mika := of(contoso, "mika")
	w.must(w.db.DeleteUser(w.ctx, contoso, mika, w.entry(contoso)))
	list, err := w.db.FactorsOf(w.ctx, contoso, mika)
	w.must(err)
	w.same("second factors of a user who is gone", len(list), 0)
	late := journal.Effects{NewFactors: []factor.Factor{passkeyOf("late", 0)}}
	w.want("a factor of a user who is gone", w.db.Commit(w.ctx, journal.Record{Effects: late}), journal.ErrChanged)
}

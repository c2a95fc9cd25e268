package storetest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"boundgate/internal/directory"
	"boundgate/internal/factor"
	"boundgate/internal/journal"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

func factorOf(tenant directory.TenantID) factor.Factor {
	return factor.Factor{
		ID: "factor of " + string(tenant), Tenant: tenant, User: of(tenant, "mika"), Kind: factor.TOTP, DisplayName: "phone",
		Secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", LastStep: 7, CreatedAt: time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC),
	}
}

func consentOf(tenant directory.TenantID) directory.Consent {
	return directory.Consent{
		ID: "consent of " + string(tenant), Tenant: tenant, User: of(tenant, "mika"), Client: ownApplication(tenant).AppID,
		Resource: ownResource(tenant).AppID, Scopes: []string{"read"}, At: time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC),
	}
}

func (w *world) code() session.Code {
	return session.Code{
		Hash: random(), Family: "family", Tenant: contoso, User: of(contoso, "mika"), Client: "client", Home: contoso, HomeUser: of(contoso, "mika"),
		RedirectURI: "https://app.contoso.example/back", Platform: "web", Challenge: "challenge", Scope: "openid", Nonce: "n",
		Capabilities: []string{"CP1"}, Session: "session", Device: "device", Registration: "r1", From: session.From{Address: "192.0.2.1", ClaimedOS: "10.0.1"},
		Origin: session.Origin{AuthTime: w.now, Strength: session.Strength{"pwd"}, TransferMethod: "none"}, Interactive: true, IssuedAt: w.now,
		ExpiresAt: w.now.Add(session.CodeLifetime),
	}
}

// P03, P15: a code comes back as it was given out, works once, and not again in a restored copy.
func codeOnce(_ *testing.T, w *world) {
	c := w.code()
	w.issue(journal.Effects{NewCodes: []session.Code{c}})
	got, err := w.db.Code(w.ctx, c.Hash)
	w.must(err)
	w.same("code", got, c)

	redeem := func() error {
		return w.db.Commit(w.ctx, journal.Record{Effects: journal.Effects{SpendCodes: []prt.Hash{c.Hash}}})
	}
	w.onlyOne(together(100, func(int) error { return redeem() }), journal.ErrCodeSpent)
	w.restart()
	w.want("a code after a restart", redeem(), journal.ErrCodeSpent)
	w.want("a code that nobody gave out", w.db.Commit(w.ctx, journal.Record{Effects: journal.Effects{SpendCodes: []prt.Hash{random()}}}), journal.ErrCodeSpent)

	fresh := w.code()
	w.issue(journal.Effects{NewCodes: []session.Code{fresh}})
	w.must(w.db.BumpEpoch(w.ctx))
	_, err = w.db.Code(w.ctx, fresh.Hash)
	w.want("a code of before the backup was restored", err, session.ErrNotFound)
}

// A device code is answered once, whoever answers first, and redeemed once. // P15
func deviceCodeOnce(_ *testing.T, w *world) {
	c := session.DeviceCode{
		Hash: random(), UserCode: random(), PathTenant: "common", Version: 2, Client: "client", Scope: "openid",
		From: session.From{Address: "192.0.2.9"}, IssuedAt: w.now, ExpiresAt: w.now.Add(session.DeviceCodeLifetime),
	}
	w.must(w.db.PutDeviceCode(w.ctx, c))
	twin := c
	twin.Hash = random()
	w.want("a user code that is in use", w.db.PutDeviceCode(w.ctx, twin), directory.ErrExists)

	redeem := func() error {
		return w.db.Commit(w.ctx, journal.Record{Effects: journal.Effects{SpendDeviceCodes: []prt.Hash{c.Hash}}})
	}
	w.want("a code that nobody has answered", redeem(), journal.ErrCodeSpent)
	approval := &session.Approval{Family: "family", Tenant: contoso, User: of(contoso, "mika"), Home: contoso, HomeUser: of(contoso, "mika"), At: w.now}
	answer := func(a *session.Approval) func() error {
		return func() error {
			return w.db.Commit(w.ctx, journal.Record{Effects: journal.Effects{AnswerDeviceCode: &journal.DeviceCodeAnswer{Code: c.Hash, Approval: a}}})
		}
	}
	w.onlyOne(together(100, func(int) error { return answer(approval)() }), journal.ErrCodeSpent)
	w.want("a second thought", answer(nil)(), journal.ErrCodeSpent)
	w.restart()
	got, err := w.db.DeviceCodeByUserCode(w.ctx, c.UserCode)
	w.must(err)
	c.Approval = approval
	w.same("device code", got, c)
	w.onlyOne(together(100, func(int) error { return redeem() }), journal.ErrCodeSpent)

	declined := session.DeviceCode{Hash: random(), UserCode: random(), ExpiresAt: w.now}
	w.must(w.db.PutDeviceCode(w.ctx, declined))
	w.must(w.db.Commit(w.ctx, journal.Record{Effects: journal.Effects{AnswerDeviceCode: &journal.DeviceCodeAnswer{Code: declined.Hash}}}))
	declined.Declined = true
	got, err = w.db.DeviceCode(w.ctx, declined.Hash)
	w.must(err)
	w.same("declined device code", got, declined)
}

// P06: signing in gives the cookie a new text for every account in the browser; what has ended stays ended.
func browsers(t *testing.T, w *world) {
	first := session.Browser{
		Hash: random(), Tenant: contoso, User: of(contoso, "mika"), Session: "s", Origin: session.Origin{AuthTime: w.now}, Interaction: "visit",
		Persistent: true, IssuedAt: w.now, ExpiresAt: w.now.Add(session.BrowserLifetime),
	}
	second := first
	second.Hash, second.Tenant, second.User, second.IssuedAt = random(), fabrikam, of(fabrikam, "mika"), w.now.Add(time.Second)
	w.issue(journal.Effects{Browser: &journal.BrowserSignIn{Record: first}})
	w.issue(journal.Effects{Browser: &journal.BrowserSignIn{Before: first.Hash, Record: second}})
	w.restart()

	old, err := w.db.BrowserSessions(w.ctx, first.Hash)
	w.must(err)
	w.same("accounts of the cookie of before", len(old), 0)
	first.Hash = second.Hash
	both, err := w.db.BrowserSessions(w.ctx, second.Hash)
	w.must(err)
	w.same("accounts of the browser", both, []session.Browser{second, first})

	w.must(w.db.RevokeSessions(w.ctx, contoso, of(contoso, "mika"), w.now, w.entry(contoso)))
	w.must(w.db.SignOut(w.ctx, second.Hash, of(fabrikam, "mika")))
	both, err = w.db.BrowserSessions(w.ctx, second.Hash)
	w.must(err)
	for _, b := range both {
		if b.RevokedAt.IsZero() {
			t.Errorf("%s of %s is still signed in", b.User, b.Tenant)
		}
	}
}

// P15, P16: a code of an authenticator application counts once, and the database does not show its key.
func factorOnce(t *testing.T, w *world) {
	f := factorOf(contoso)
	list, err := w.db.FactorsOf(w.ctx, contoso, f.User)
	w.must(err)
	w.same("second factors", list, []factor.Factor{f})
	if list[0].Secret.Reveal() != f.Secret.Reveal() {
		t.Error("the key is another one")
	}

	use := func(step int64) func() error {
		return func() error {
			return w.db.Commit(w.ctx, journal.Record{Effects: journal.Effects{UseFactors: []journal.FactorUse{{Tenant: contoso, User: f.User, ID: f.ID, Step: step, At: w.now}}}})
		}
	}
	w.onlyOne(together(100, func(int) error { return use(8)() }), journal.ErrFactorSpent)
	w.want("a code of before", use(7)(), journal.ErrFactorSpent)
	w.must(use(9)())
	w.restart()
	w.want("a code after a restart", use(9)(), journal.ErrFactorSpent)

	// Of two first factors that the password alone registers at once, the second is none.
	nobody := w.user(contoso)
	nobody.ID, nobody.UPN = of(contoso, "nobody"), "nobody@contoso.example"
	w.must(w.db.CreateUser(w.ctx, nobody, w.entry(contoso)))
	w.onlyOne(together(10, func(n int) error {
		first := f
		first.ID, first.User = fmt.Sprint("first ", n), nobody.ID
		return w.db.Commit(w.ctx, journal.Record{Effects: journal.Effects{NewFactors: []factor.Factor{first}, FirstFactor: true}})
	}), journal.ErrChanged)
	for n := range factor.MaxPerUser - 1 {
		more := f
		more.ID = string(rune('a' + n))
		w.issue(journal.Effects{NewFactors: []factor.Factor{more}})
	}
	more := f
	more.ID = "one too many"
	w.want("one too many", w.db.Commit(w.ctx, journal.Record{Effects: journal.Effects{NewFactors: []factor.Factor{more}}}), journal.ErrChanged)

	w.stop()
	files, err := filepath.Glob(filepath.Join(w.place, "*"))
	w.must(err)
	for _, name := range files {
		text, err := os.ReadFile(name) //nolint:gosec // the test's own directory
		w.must(err)
		if bytes.Contains(text, []byte(f.Secret.Reveal())) {
			t.Errorf("%s shows the key", name)
		}
	}
	w.start()
}

func consents(_ *testing.T, w *world) {
	own := consentOf(contoso)
	everybody := own
	everybody.ID, everybody.User, everybody.Scopes, everybody.At = "everybody", "", []string{"write"}, own.At.Add(time.Second)
	w.must(w.db.PutConsent(w.ctx, everybody, w.entry(contoso)))
	more := own
	more.ID, more.Scopes = "another id", []string{"list", "read"}
	w.issue(journal.Effects{NewConsents: []directory.Consent{more}})

	own.Scopes = []string{"list", "read"}
	got, err := w.db.Consents(w.ctx, contoso, own.User, own.Client)
	w.must(err)
	w.same("consents", got, []directory.Consent{own, everybody})
	got, err = w.db.Consents(w.ctx, contoso, "somebody else", own.Client)
	w.must(err)
	w.same("consents for somebody else", got, []directory.Consent{everybody})
	w.must(w.db.RemoveConsent(w.ctx, contoso, everybody.ID, w.entry(contoso)))
	got, err = w.db.Consents(w.ctx, contoso, "somebody else", own.Client)
	w.must(err)
	w.same("consents afterwards", len(got), 0)
}

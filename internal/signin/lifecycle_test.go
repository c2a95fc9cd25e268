package signin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"boundgate/internal/broker/brokertest"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
	"boundgate/internal/policy"
)

// What an administrator or a user ends is over at the next request: bound sessions and unbound ones. // P06
func TestEndingASession(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, v victim, alice directory.User)
		// The plain refresh token rests on the user alone.
		endsUnbound bool
	}{
		{"the user is disabled", func(t *testing.T, v victim, alice directory.User) {
			alice.Enabled = false
			must(t, v.server.Store.UpdateUser(ctx, alice, v.audit()))
		}, true},
		{"the user is deleted", func(t *testing.T, v victim, alice directory.User) {
			must(t, v.server.Store.DeleteUser(ctx, brokertest.Tenant, alice.ID, v.audit()))
		}, true},
		{"the password changes", func(t *testing.T, v victim, alice directory.User) {
			must(t, v.server.Store.SetPassword(ctx, brokertest.Tenant, alice.ID, alice.PasswordHash, v.server.Now(), v.audit()))
		}, true},
		{"the sessions are revoked", func(t *testing.T, v victim, alice directory.User) {
			must(t, v.server.Store.RevokeSessions(ctx, brokertest.Tenant, alice.ID, v.server.Now(), v.audit()))
		}, true},
		{"the device is disabled", func(t *testing.T, v victim, _ directory.User) {
			d, _ := v.server.Device(t, v.device)
			d.Enabled = false
			must(t, v.server.Store.UpdateDevice(ctx, d, v.audit()))
		}, false},
		{"the device is deleted", func(t *testing.T, v victim, _ directory.User) {
			must(t, v.server.Store.DeleteDevice(ctx, brokertest.Tenant, v.device, v.audit()))
		}, false},
		{"nothing happens", func(*testing.T, victim, directory.User) {}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			unbound := v.post(t, tokenV1, map[string]string{
				"grant_type": "password", "username": brokertest.Alice, "password": brokertest.Password, "client_id": office, "resource": brokertest.Exchange,
			}).Token
			alice, err := v.server.Store.UserByName(ctx, brokertest.Tenant, brokertest.Alice)
			must(t, err)
			v.server.Advance(time.Second)
			tt.end(t, v, alice)
			if got, want := v.send(t, tokenV1, v.signed(t, nil)).ok(), tt.name == "nothing happens"; got != want {
				t.Errorf("the bound session is granted: %v, want %v", got, want)
			}
			if got := v.post(t, tokenV1, plainly(unbound, office)).ok(); got == tt.endsUnbound {
				t.Errorf("the unbound session is granted: %v", got)
			}
		})
	}
}

// Report-only never refuses and enforced never merely reports; the log has the same verdict under other names. // P09 S32
func TestReportOnlyReportsWhatEnforcedDoes(t *testing.T) {
	v := newVictim(t)
	password := map[string]string{
		"grant_type": "password", "username": brokertest.Alice, "password": brokertest.Password, "client_id": office, "resource": brokertest.Exchange,
	}
	for _, tt := range []struct {
		state   policy.State
		granted bool
		result  string
		status  string
	}{
		{policy.ReportOnly, true, "reportOnlyFailure", "notApplied"},
		{policy.Enabled, false, "failure", "failure"},
		{policy.Disabled, true, "notEnabled", "notApplied"},
	} {
		v.enforce(t, tt.state)
		if got := v.post(t, tokenV1, password).ok(); got != tt.granted {
			t.Errorf("%s: granted %v, want %v", tt.state, got, tt.granted)
		}
		rows, _ := v.rows(t, 0)
		row := rows[len(rows)-1]
		if !strings.Contains(row.ConditionalAccessPolicies, `"result":"`+tt.result+`"`) || row.ConditionalAccessStatus != tt.status {
			t.Errorf("%s: the row has %s and %s", tt.state, row.ConditionalAccessPolicies, row.ConditionalAccessStatus)
		}
	}
}

// No row of the log has a token, a nonce, a password or a key in it. // P11
func TestRowsHaveNoSecrets(t *testing.T) {
	v := newVictim(t)
	v.enforce(t, policy.Enabled)
	nonce := v.nonce(t)
	request := v.signed(t, map[string]string{"request_nonce": nonce})
	v.send(t, tokenV1, request)
	v.send(t, tokenV1, request)
	v.post(t, tokenV1, plainly(v.bound, office))
	v.post(t, tokenV1, map[string]string{
		"grant_type": "password", "username": brokertest.Alice, "password": "wrong " + brokertest.Password, "client_id": office, "resource": brokertest.Exchange,
	})
	records, err := v.server.Store.Intake(context.Background(), 0, 1000)
	must(t, err)
	if len(records) < 6 {
		t.Fatalf("%d rows, want those of the whole story", len(records))
	}
	for _, r := range records {
		for what, secret := range map[string]string{
			"the PRT": v.prt, "a refresh token": v.bound, "a nonce": nonce, "a signed request": request, "a password": brokertest.Password,
		} {
			if strings.Contains(string(r.Canonical), secret) {
				t.Errorf("row %d has %s in it", r.Intake, what)
			}
		}
	}
}

// A name that does not exist and a wrong password are one answer. // P13
func TestNobodyCanTellWhetherAnAccountExists(t *testing.T) {
	v := newVictim(t)
	ask := func(name string) answer {
		return v.post(t, "/"+brokertest.Domain+"/oauth2/token", map[string]string{
			"grant_type": "password", "username": name, "password": "wrong", "client_id": office, "resource": brokertest.Exchange,
		})
	}
	known, unknown := ask(brokertest.Alice), ask("nobody@"+brokertest.Domain)
	strip := func(a answer) string { text, _, _ := strings.Cut(a.Text, "Trace ID"); return text }
	if known.code() != 50126 || strip(known) != strip(unknown) || known.status != unknown.status {
		t.Errorf("a known name hears %q, an unknown one %q", strip(known), strip(unknown))
	}
}

// Wrong passwords lock the account for whoever guesses, and a device that proves itself is not held back: failing with a
// stolen token does not lock the owner out.
func TestGuessingLocksTheGuesser(t *testing.T) {
	v := newVictim(t)
	for n := range 10 {
		v.post(t, tokenV1, map[string]string{
			"grant_type": "password", "username": brokertest.Alice, "password": fmt.Sprint("guess ", n), "client_id": office, "resource": brokertest.Exchange,
		})
	}
	right := map[string]string{"grant_type": "password", "username": brokertest.Alice, "password": brokertest.Password, "client_id": office, "resource": brokertest.Exchange}
	if a := v.post(t, tokenV1, right); a.code() != 50053 {
		t.Errorf("after ten wrong passwords: %s", a.text)
	}
	for range 70 {
		v.post(t, tokenV1, plainly(v.bound, office))
	}
	if a := v.post(t, tokenV1, plainly(v.bound, office)); a.status != 429 {
		t.Errorf("after seventy failures with one token: %d", a.status)
	}
	if a := v.send(t, tokenV1, v.signed(t, nil)); !a.ok() {
		t.Errorf("the owner is held back: %s", a.text)
	}
	v.server.Advance(3 * time.Minute)
	if a := v.post(t, tokenV1, right); !a.ok() {
		t.Errorf("three minutes later: %s", a.text)
	}
}

// A decision that rests on a password that has changed before its commit is void, whatever the clock says. // P06
func TestAPasswordThatChangesMeanwhile(t *testing.T) {
	ctx := context.Background()
	v := newVictim(t)
	read := func() directory.User {
		u, err := v.server.Store.UserByName(ctx, brokertest.Tenant, brokertest.Alice)
		must(t, err)
		return u
	}
	before := read()
	must(t, v.server.Store.SetPassword(ctx, brokertest.Tenant, before.ID, before.PasswordHash, v.server.Now(), v.audit()))
	later := v.server.Now().Add(time.Hour)
	commit := func(u directory.User) error {
		return v.server.Store.Commit(ctx, journal.Record{Effects: journal.Effects{Subject: &journal.Subject{
			Tenant: brokertest.Tenant, User: u.ID, AuthTime: later, PasswordChangedAt: u.PasswordChangedAt,
		}}})
	}
	if err := commit(before); !errors.Is(err, journal.ErrChanged) {
		t.Errorf("a decision on the old password: %v, want ErrChanged", err)
	}
	if err := commit(read()); err != nil {
		t.Errorf("a decision on the new one: %v", err)
	}
}

// No row, no token: where a sign-in cannot be recorded, nothing leaves, by whatever grant, and nothing has happened. // P19 B09
func TestNoRowNoToken(t *testing.T) {
	v := newVictim(t)
	free := v.post(t, tokenV1, map[string]string{"grant_type": "password", "username": brokertest.Alice, "password": brokertest.Password, "client_id": office, "resource": brokertest.Exchange})
	code := v.authorize(t, asking(), credential, v.cookie(t, nil)).code()
	grants := map[string]func() answer{
		"a password": func() answer {
			return v.post(t, tokenV1, map[string]string{"grant_type": "password", "username": brokertest.Alice, "password": brokertest.Password, "client_id": office, "resource": brokertest.Exchange})
		},
		"a refresh token":  func() answer { return v.post(t, tokenV1, plainly(free.Token, office)) },
		"a signed request": func() answer { return v.send(t, tokenV1, v.signed(t, nil)) },
		"a code":           func() answer { return v.redeem(t, code, nil) },
	}
	v.server.CommitsFail(errors.New("the disk is full"))
	_, before := v.rows(t, 0)
	for name, grant := range grants {
		if a := grant(); a.status != http.StatusServiceUnavailable || a.Access != "" || strings.Contains(a.text, "disk") {
			t.Errorf("%s, and the row cannot be kept: %s", name, a.text)
		}
	}
	if got := v.authorize(t, asking(), credential, v.cookie(t, nil)); got.code() != "" || got.status != http.StatusServiceUnavailable {
		t.Errorf("an authorization request: %d, to %v", got.status, got.location)
	}
	if rows, _ := v.rows(t, before); len(rows) > 0 {
		t.Errorf("%d rows", len(rows))
	}
	v.server.CommitsFail(nil)
	for name, grant := range grants {
		if a := grant(); a.status != http.StatusOK {
			t.Errorf("%s, once the disk is mended: %s", name, a.text)
		}
	}
}

package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"boundgate/internal/admin"
	"boundgate/internal/device"
	"boundgate/internal/inforce"
	"boundgate/internal/journal"
	"boundgate/internal/prt"
	"boundgate/internal/seal"
	"boundgate/internal/session"
	"boundgate/internal/signinlog"
	"boundgate/internal/store"
	"boundgate/internal/store/storetest"
)

// What the users of the store ask of it, as far as they can be named here.
var (
	_ admin.Store    = (*store.DB)(nil)
	_ inforce.Store  = (*store.DB)(nil)
	_ device.Secrets = (*store.DB)(nil)
)

// keyring seals as the server does.
type keyring struct{ *seal.Keyring }

func (k keyring) Seal(plaintext []byte, tenant, table, row, column string) ([]byte, error) {
	return k.Keyring.Seal(plaintext, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

func (k keyring) Open(sealed []byte, tenant, table, row, column string) ([]byte, error) {
	return k.Keyring.Open(sealed, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

// testKeys are the same in every process of these tests.
var testKeys = keyring{seal.New([seal.KeySize]byte{1, 2, 3})}

func open(ctx context.Context, place string) (*store.DB, error) {
	return store.Open(ctx, store.Options{Path: filepath.Join(place, "state.db"), Sealer: testKeys, Now: time.Now, Writer: storetest.Writer})
}

// openOrFail opens the database at a place until the test ends.
func openOrFail(t testing.TB, place string) *store.DB {
	t.Helper()
	db, err := open(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// raw opens the database file beside the store, as someone else would.
func raw(t *testing.T, place string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", filepath.Join(place, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// TestSQLite holds SQLite to the promises of the state store.
func TestSQLite(t *testing.T) {
	storetest.Run(t, func(place string, now func() time.Time) (*store.DB, error) {
		return store.Open(context.Background(), store.Options{
			Path: filepath.Join(place, "state.db"), Sealer: testKeys, Now: now, Writer: storetest.Writer,
		})
	})
}

func newPRT(t *testing.T) session.PRT {
	t.Helper()
	_, p := newPRTAndText(t)
	return p
}

// newPRTAndText returns what the client gets to see beside what the server remembers.
func newPRTAndText(t *testing.T) (text string, p session.PRT) {
	t.Helper()
	key, err := prt.NewSessionKey()
	if err != nil {
		t.Fatal(err)
	}
	text, hash, err := prt.NewToken(prt.KindPRT)
	if err != nil {
		t.Fatal(err)
	}
	return text, session.PRT{Hash: hash, Session: "s", Tenant: "t", User: "u", Device: "d", Registration: "r", Key: key, KDF: prt.KDF2}
}

// TestAtRest looks for secrets in every file of the data directory, in the forms that somebody might search for.
//
// P16
func TestAtRest(t *testing.T) {
	place := t.TempDir()
	db := openOrFail(t, place)
	text, p := newPRTAndText(t)
	refreshText, refreshHash, err := prt.NewToken(prt.KindRefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	effects := journal.Effects{NewPRTs: []session.PRT{p}, NewRefreshTokens: []session.RefreshToken{{Hash: refreshHash, Family: "f"}}}
	if err := db.Commit(t.Context(), journal.Record{Effects: effects, Rows: signInRow(1).Rows}); err != nil {
		t.Fatal(err)
	}
	signingKey := []byte("-----BEGIN PRIVATE KEY----- of nobody")
	if _, err := db.PutSecret(t.Context(), "signing-key", signingKey); err != nil {
		t.Fatal(err)
	}
	nonceKey, err := db.NonceKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files := contents(t, place)
	if !bytes.Contains(files, p.Hash[:]) || !bytes.Contains(files, refreshHash[:]) {
		t.Fatal("the record is not in the files at all: this test looks in the wrong place")
	}
	for what, secret := range map[string][]byte{
		"session key": p.Key.Reveal(), "signing key": signingKey, "nonce key": nonceKey[:],
		"Primary Refresh Token": []byte(text), "refresh token": []byte(refreshText),
	} {
		for form, text := range map[string]string{
			"bytes": string(secret), "hex": hex.EncodeToString(secret), "base64": base64.RawStdEncoding.EncodeToString(secret),
			"base64url": base64.RawURLEncoding.EncodeToString(secret),
		} {
			if bytes.Contains(files, []byte(text)) {
				t.Errorf("the %s lies open as %s", what, form)
			}
		}
	}
}

func contents(t *testing.T, place string) []byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(place, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// TestSealedInPlace moves sealed values to where they do not belong, as someone who can write the file might.
//
// P04, P16
func TestSealedInPlace(t *testing.T) {
	place := t.TempDir()
	db := openOrFail(t, place)
	victim, thief := newPRT(t), newPRT(t)
	if err := db.Commit(t.Context(), journal.Record{Effects: journal.Effects{NewPRTs: []session.PRT{victim, thief}}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if _, err := db.PutSecret(t.Context(), name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := db.PRT(t.Context(), victim.Hash); err != nil || !got.Key.Equal(victim.Key) {
		t.Fatalf("before anything is moved: %v", err)
	}
	file := raw(t, place)
	for _, query := range []string{
		`UPDATE prts SET session_key = (SELECT session_key FROM prts WHERE hash = $1)`,
		`UPDATE secrets SET value = (SELECT value FROM secrets WHERE name = 'a') WHERE $1 <> ''`,
	} {
		if _, err := file.ExecContext(t.Context(), query, thief.Hash[:]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.PRT(t.Context(), victim.Hash); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("a session with the key of another one: %v", err)
	}
	if _, _, err := db.Secret(t.Context(), "b"); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("a secret in the place of another one: %v", err)
	}
	if _, err := db.PRT(t.Context(), thief.Hash); err != nil {
		t.Errorf("the session whose key it is: %v", err)
	}
}

// TestNoSealer shows that a store without a sealer keeps no secret rather than an open one.
//
// P16, P19
func TestNoSealer(t *testing.T) {
	place := t.TempDir()
	db, err := store.Open(t.Context(), store.Options{Path: filepath.Join(place, "state.db"), Now: time.Now, Writer: "w"})
	if err != nil {
		t.Fatal(err)
	}
	p := newPRT(t)
	if err := db.Commit(t.Context(), journal.Record{Effects: journal.Effects{NewPRTs: []session.PRT{p}}}); err == nil {
		t.Error("a session begins without a sealer")
	}
	if _, err := db.PutSecret(t.Context(), "a", []byte("a")); err == nil {
		t.Error("a secret is kept without a sealer")
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// TestOneChain opens one database twice, as a command beside a running server would: there is one chain.
//
// P12
func TestOneChain(t *testing.T) {
	place := t.TempDir()
	both := []*store.DB{openOrFail(t, place), openOrFail(t, place)}
	for n := range 20 {
		if err := both[n%2].Commit(t.Context(), signInRow(n)); err != nil {
			t.Fatal(err)
		}
	}
	records, err := both[0].Intake(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	heads, err := both[0].ChainHeads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := storetest.VerifyChain(records, heads); err != nil || len(records) != 20 {
		t.Errorf("%d rows: %v", len(records), err)
	}
}

func signInRow(n int) journal.Record {
	return journal.Record{Rows: []*signinlog.Row{{ID: fmt.Sprint(n), Type: signinlog.InteractiveTable, ResultType: "0"}}}
}

// TestBusy shows that a write which could not begin is refused, and that the node goes on afterwards.
func TestBusy(t *testing.T) {
	place := t.TempDir()
	db := openOrFail(t, place)
	file := raw(t, place)
	if _, err := file.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	if err := db.Commit(t.Context(), signInRow(1)); err == nil || errors.Is(err, store.ErrPoisoned) {
		t.Errorf("while someone else writes: %v", err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("ping while someone else writes: %v", err)
	}
	if _, err := file.ExecContext(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if err := db.Commit(t.Context(), signInRow(1)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestMigrateAgain opens a migrated database again and finds what was in it.
func TestMigrateAgain(t *testing.T) {
	place := t.TempDir()
	for range 3 {
		db, err := open(t.Context(), place)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Commit(t.Context(), signInRow(1)), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	records, err := openOrFail(t, place).Intake(t.Context(), 0, 10)
	if err != nil || len(records) != 3 {
		t.Errorf("%d rows, %v", len(records), err)
	}
}

// TestNewerDatabase shows that a database which a later release has migrated is refused and left as it is.
//
// P19
func TestNewerDatabase(t *testing.T) {
	place := t.TempDir()
	db, err := open(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	file := raw(t, place)
	const migrated = `INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, 1)`
	if _, err := file.ExecContext(t.Context(), migrated, 99999); err != nil {
		t.Fatal(err)
	}
	if db, err := open(t.Context(), place); !errors.Is(err, store.ErrNewer) {
		t.Errorf("a database of a later release: %v", err)
		if err == nil {
			t.Error(db.Close())
		}
	}
	if _, err := file.ExecContext(t.Context(), `DELETE FROM goose_db_version WHERE version_id = $1`, 99999); err != nil {
		t.Fatal(err)
	}
	if err := openOrFail(t, place).Ping(t.Context()); err != nil {
		t.Errorf("a database of this release: %v", err)
	}
}

// TestNotADatabase shows that a file which is something else is named, and left as it is.
func TestNotADatabase(t *testing.T) {
	place := t.TempDir()
	name := filepath.Join(place, "state.db")
	letters := strings.Repeat("not a database ", 100)
	if err := os.WriteFile(name, []byte(letters), 0o600); err != nil {
		t.Fatal(err)
	}
	if db, err := open(t.Context(), place); err == nil {
		t.Errorf("opened something that is no database: %v", db.Close())
	} else if !strings.Contains(err.Error(), name) {
		t.Errorf("the error does not name the file: %v", err)
	}
	if left, err := os.ReadFile(name); err != nil || string(left) != letters {
		t.Errorf("the file was changed: %v", err)
	}
}

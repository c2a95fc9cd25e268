package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"github.com/mattn/go-sqlite3"
	"github.com/pressly/goose/v3"

	"boundgate/internal/directory"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrNewer means that a later release has written the database; start that release again.
var ErrNewer = errors.New("store: the database was made by a later release of the program")

// writing is how the connection that writes is tuned: 16 MiB of pages stay in memory, so does what savepoints keep, and the
// log grows to 16 MiB before its pages are moved to the database.
var writing = []string{`PRAGMA cache_size = -16384`, `PRAGMA temp_store = MEMORY`, `PRAGMA wal_autocheckpoint = 4096`}

// beginWriting begins a transaction that holds the write lock from the start: it cannot lose it half way.
const beginWriting = `BEGIN IMMEDIATE`

// openSQLite opens the database file with one connection that writes and a pool that reads. A commit has reached the disk
// when it returns: WAL with synchronous=FULL.
func openSQLite(ctx context.Context, path string) (write, read *sql.DB, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the directory of the state store: %w", err)
	}
	if err := ownOnly(path); err != nil {
		return nil, nil, err
	}
	if write, err = sql.Open("sqlite3", dsn(path, "rwc", "immediate")); err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	for _, pragma := range writing {
		if _, err := write.ExecContext(ctx, pragma); err != nil {
			return nil, nil, errors.Join(fmt.Errorf("open %s: %w", path, err), write.Close())
		}
	}
	if err := migrate(ctx, write); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open %s: %w", path, err), write.Close())
	}
	if read, err = sql.Open("sqlite3", dsn(path, "ro", "deferred")); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open %s: %w", path, err), write.Close())
	}
	read.SetMaxOpenConns(2 * runtime.GOMAXPROCS(0))
	read.SetMaxIdleConns(2 * runtime.GOMAXPROCS(0))
	return write, read, nil
}

// ownOnly makes a new database file readable by its owner only.
func ownOnly(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	return f.Close()
}

func dsn(path, mode, lock string) string {
	q := url.Values{
		"mode": {mode}, "_txlock": {lock}, "_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_foreign_keys": {"on"},
		"_busy_timeout": {"5000"},
	}
	if mode == "ro" {
		q.Del("_journal_mode") // the writer has set it
		q.Set("_query_only", "on")
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	made, known, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("version of the state store: %w", err)
	}
	if made > known { // whatever it means, this program would not keep it
		return fmt.Errorf("%w: it has version %d, this program knows versions up to %d", ErrNewer, made, known)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the state store: %w", err)
	}
	return nil
}

// isDuplicate reports whether a write met a row with the same key.
func isDuplicate(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.ExtendedCode == sqlite3.ErrConstraintUnique || e.ExtendedCode == sqlite3.ErrConstraintPrimaryKey)
}

// isOrphan reports whether a write missed the row that it belongs to, such as its tenant.
func isOrphan(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.ExtendedCode == sqlite3.ErrConstraintForeignKey
}

// isBroken reports whether an error says that the disk or the database file is at fault rather than the write, such as a
// full disk in the middle of one. The engine may then have given the transaction up or not; what is not known to be
// harmless counts.
func isBroken(err error) bool {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
	}
	switch e.Code {
	case sqlite3.ErrConstraint, sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrError, sqlite3.ErrTooBig, sqlite3.ErrMismatch, sqlite3.ErrRange:
		return false
	}
	return true
}

// skipIntake leaves out numbers of the intake: more than can have been given out since any backup.
func (tx *tx) skipIntake(ctx context.Context) error {
	const gap = int64(1) << 32
	result, err := tx.ExecContext(ctx, `UPDATE sqlite_sequence SET seq = seq + $1 WHERE name = 'intake'`, gap)
	err = must("skip numbers of the intake", result, err)
	if !errors.Is(err, directory.ErrNotFound) {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO sqlite_sequence (name, seq) VALUES ('intake', $1)`, gap)
	return wrap("skip numbers of the intake", err)
}

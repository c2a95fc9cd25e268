// Package store is the state of Boundgate in SQL: the directory, devices, policies, sessions, the audit log, and the intake
// of sign-in rows. Today the engine is SQLite; the SQL is plain enough for PostgreSQL, and what is SQLite's own is in
// sqlite.go.
//
// Reads go to a pool of connections. Every write goes through one committer (commit.go), which groups what arrives together
// into one transaction, so that a durable write costs a share of one fsync. Each query names its tenant, or a token by the
// hash of its secret text (P13). Where the disk or the file is at fault in a write, nothing is written any more (P19).
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"boundgate/internal/directory"
)

// A Sealer seals what must not lie open in the database, bound to its place.
type Sealer interface {
	Seal(plaintext []byte, tenant, table, row, column string) ([]byte, error)
	Open(sealed []byte, tenant, table, row, column string) ([]byte, error)
}

// Options say where the database is.
type Options struct {
	Path   string // the SQLite file; made when missing
	Sealer Sealer // without one, no session begins and no secret is kept or read
	Now    func() time.Time
	Writer string // names this node's chain of sign-in rows
}

// A DB is an open state store. It is safe for concurrent use.
type DB struct {
	read    *pool
	sealer  Sealer
	now     func() time.Time
	writes  *committer
	catalog *catalog
	writer  string
}

// Open opens the database, migrates it, and starts its committer.
func Open(ctx context.Context, o Options) (*DB, error) {
	write, read, err := openSQLite(ctx, o.Path)
	if err != nil {
		return nil, err
	}
	db := &DB{read: &pool{db: read}, sealer: o.Sealer, now: o.Now, catalog: newCatalog(), writer: o.Writer}
	if db.sealer == nil {
		db.sealer = noSealer{}
	}
	epoch, err := db.NonceEpoch(ctx)
	if err != nil {
		return nil, errors.Join(err, write.Close(), read.Close())
	}
	if db.writes, err = newCommitter(ctx, write, chainOf(o.Writer, epoch)); err != nil {
		return nil, errors.Join(err, write.Close(), read.Close())
	}
	return db, nil
}

// noSealer stands where no sealer was given: nothing is kept open by oversight.
type noSealer struct{}

var errNoSealer = errors.New("store: opened without a sealer")

func (noSealer) Seal([]byte, string, string, string, string) ([]byte, error) { return nil, errNoSealer }
func (noSealer) Open([]byte, string, string, string, string) ([]byte, error) { return nil, errNoSealer }

// Close ends the committer after the writes that wait, and closes the database. The connection that writes goes last: the
// last one moves the write-ahead log into the database file and removes it, and those that read may not.
func (db *DB) Close() error {
	db.writes.stop()
	return errors.Join(db.read.close(), db.writes.close())
}

// Ping reports whether the store can serve: it can be read, and no commit has failed.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.writes.health(); err != nil {
		return err
	}
	var one int
	return wrap("read the state store", db.read.QueryRowContext(ctx, `SELECT 1`).Scan(&one))
}

// wrap says what was attempted; nil stays nil.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// conflict turns a key that is taken, and a row that belongs to nothing, into the vocabulary's words for them.
func conflict(what string, err error) error {
	switch {
	case isDuplicate(err):
		return fmt.Errorf("%s: %w", what, directory.ErrExists)
	case isOrphan(err):
		return fmt.Errorf("%s: %w", what, directory.ErrNotFound)
	}
	return wrap(what, err)
}

// absent turns "no row" into the vocabulary's word for it.
func absent(what string, err, word error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return word
	}
	return wrap(what, err)
}

// collect reads every row of a query.
func collect[T any](ctx context.Context, q reader, scan func(scanner) (T, error), query string, args ...any) (list []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// must checks that a write met exactly one row.
func must(what string, result sql.Result, err error) error {
	if err != nil {
		return wrap(what, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return wrap(what, err)
	}
	if n != 1 {
		return directory.ErrNotFound
	}
	return nil
}

// A reader runs queries: the pool of connections, or a write as it runs.
type reader interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// A queryer also executes.
type queryer interface {
	reader
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// pool reads on several connections and prepares each statement once on each of them. The queries are constants of this
// package, so there is an end to them.
type pool struct {
	db         *sql.DB
	statements sync.Map // from query to *sql.Stmt
}

func (p *pool) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := p.statements.Load(query); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := p.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	kept, loaded := p.statements.LoadOrStore(query, s)
	if loaded {
		return kept.(*sql.Stmt), s.Close()
	}
	return s, nil
}

// QueryContext runs a query.
func (p *pool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// QueryRowContext runs a query for one row.
func (p *pool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := p.statement(ctx, query)
	if err != nil {
		return p.db.QueryRowContext(ctx, query, args...) // which reports the same error
	}
	return s.QueryRowContext(ctx, args...)
}

func (p *pool) close() error {
	var errs []error
	p.statements.Range(func(_, s any) bool {
		errs = append(errs, s.(*sql.Stmt).Close())
		return true
	})
	return errors.Join(append(errs, p.db.Close())...)
}

type scanner interface{ Scan(into ...any) error }

// Times are kept as microseconds since 1970; 0 is the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

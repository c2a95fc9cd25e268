// Package logstore keeps sign-in rows in DuckDB: fed in batches from the state store's intake, read by compiled queries.
//
// Each workspace has two tables of its own, so that no query of one workspace can name another's rows (P13). A table has
// the columns of Log Analytics, hidden twins of the JSON members that common queries read, and the row's place in its
// writer's hash chain. Rows lie in the order of their arrival, so that a time range touches few of them.
//
// A row is added once, however often the intake hands it over (Append), and it can be read back as it was written (Rows,
// Verify). What a query may use is bounded (Query): the database reads and writes no file but its own, and a query that
// runs too long, answers too much or needs too much memory ends alone.
package logstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/duckdb/duckdb-go/v2"

	"boundgate/internal/kql/schema"
	"boundgate/internal/signinlog"
)

// Options say where the database is.
type Options struct {
	Path string // the DuckDB file; made when missing
	Log  *slog.Logger
	// What queries may use together, in bytes: memory, and space beside the database for what does not fit into it. Zero is
	// 2 GB and 4 GB. A full disk would stop sign-ins, too.
	Memory, Spill int64
}

// A DB is an open log store. It is safe for concurrent use.
type DB struct {
	db   *sql.DB
	log  *slog.Logger
	mu   sync.Mutex      // one writer at a time, and made
	made map[string]bool // workspaces whose tables exist and have all columns
}

const (
	defaultMemory = 2_000_000_000
	defaultSpill  = 4_000_000_000
)

// Open opens the database. From then on it reads and writes no other file and loads no extension, whatever a query says.
func Open(ctx context.Context, o Options) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the log store: %w", err)
	}
	o.Memory, o.Spill = cmp.Or(o.Memory, defaultMemory), cmp.Or(o.Spill, defaultSpill)
	connector, err := duckdb.NewConnector(fmt.Sprintf("%s?storage_compatibility_version=latest&memory_limit=%dB", o.Path, o.Memory), nil)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", o.Path, err)
	}
	l := &DB{db: sql.OpenDB(connector), log: o.Log, made: map[string]bool{}}
	if err := errors.Join(ownOnly(o.Path), l.prepare(ctx, o.Spill)); err != nil {
		return nil, errors.Join(err, l.db.Close())
	}
	return l, nil
}

func ownOnly(path string) error {
	err := os.Chmod(path, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // in memory
	}
	return err
}

func (l *DB) prepare(ctx context.Context, spill int64) error {
	for _, statement := range []string{
		`CREATE TABLE IF NOT EXISTS feeds (source VARCHAR PRIMARY KEY, intake UBIGINT NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS chain_starts (writer VARCHAR PRIMARY KEY, seq UBIGINT NOT NULL, hash BLOB NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS unreadable (
			source VARCHAR NOT NULL, intake UBIGINT NOT NULL, why VARCHAR NOT NULL, set_aside TIMESTAMP NOT NULL,
			_writer VARCHAR NOT NULL, _seq UBIGINT NOT NULL, _hash BLOB NOT NULL, _canonical BLOB NOT NULL)`,
		fmt.Sprintf(`SET max_temp_directory_size = '%dB'`, spill),
		`SET autoinstall_known_extensions = false`,
		`SET autoload_known_extensions = false`,
		`SET enable_external_access = false`,
		`SET lock_configuration = true`,
	} {
		if _, err := l.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("prepare the log store: %w", err)
		}
	}
	return nil
}

// Close closes the database.
func (l *DB) Close() error { return l.db.Close() }

// Ping reports whether the log store answers.
func (l *DB) Ping(ctx context.Context) error {
	var one int
	return l.db.QueryRowContext(ctx, `SELECT 1`).Scan(&one)
}

// SchemaFor describes a workspace's tables to the query compiler. They are made where there are none yet.
func (l *DB) SchemaFor(ctx context.Context, workspace string) (schema.Schema, error) {
	w, err := l.tablesOf(ctx, workspace)
	if err != nil {
		return schema.Schema{}, err
	}
	return signinlog.Schema(w.table), nil
}

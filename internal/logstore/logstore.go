// Package logstore keeps sign-in rows in DuckDB: fed in batches from the state store's intake, read by compiled queries.
//
// Each workspace has two tables of its own, so that no query of one workspace can name another's rows (P13). A table has
// the columns of Log Analytics, hidden twins of the JSON members that common queries read, and the row's place in its
// writer's hash chain. Rows lie in the order of their arrival, so that a time range touches few of them.
package logstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/google/uuid"

	"boundgate/internal/kql/schema"
	"boundgate/internal/signinlog"
)

// Options say where the database is.
type Options struct {
	Path string // the DuckDB file; made when missing
	Log  *slog.Logger
}

// A DB is an open log store. It is safe for concurrent use.
type DB struct {
	db   *sql.DB
	log  *slog.Logger
	mu   sync.Mutex      // one appender at a time, and made
	made map[string]bool // workspaces whose tables exist
}

// memoryLimit bounds what queries may use together.
const memoryLimit = "2GB"

// Open opens the database. From then on it reads and writes no other file and loads no extension, whatever a query says.
func Open(ctx context.Context, o Options) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the log store: %w", err)
	}
	connector, err := duckdb.NewConnector(o.Path+"?storage_compatibility_version=latest&memory_limit="+memoryLimit, nil)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", o.Path, err)
	}
	l := &DB{db: sql.OpenDB(connector), log: o.Log, made: map[string]bool{}}
	if err := errors.Join(ownOnly(o.Path), l.prepare(ctx)); err != nil {
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

func (l *DB) prepare(ctx context.Context) error {
	for _, statement := range []string{
		`CREATE TABLE IF NOT EXISTS feeds (source VARCHAR PRIMARY KEY, intake UBIGINT NOT NULL)`,
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
	id, err := uuid.Parse(workspace)
	if err != nil {
		return schema.Schema{}, fmt.Errorf("workspace %q is no GUID: %w", workspace, err)
	}
	if err := l.makeTables(ctx, id.String()); err != nil {
		return schema.Schema{}, err
	}
	return signinlog.Schema(func(table string) string { return physical(table, id.String()) }), nil
}

// physical names a workspace's table.
func physical(table, workspace string) string {
	prefix := "noninteractive_"
	if table == signinlog.InteractiveTable {
		prefix = "interactive_"
	}
	return prefix + strings.ReplaceAll(workspace, "-", "")
}

func (l *DB) makeTables(ctx context.Context, workspace string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.makeTablesLocked(ctx, workspace)
}

func (l *DB) makeTablesLocked(ctx context.Context, workspace string) error {
	if l.made[workspace] {
		return nil
	}
	for _, table := range []string{signinlog.InteractiveTable, signinlog.NonInteractiveTable} {
		if _, err := l.db.ExecContext(ctx, createTable(table, physical(table, workspace))); err != nil {
			return fmt.Errorf("make the tables of a workspace: %w", err)
		}
	}
	l.made[workspace] = true
	return nil
}

// The hidden columns that hold a row's place in its chain.
const (
	chainWriter = "_writer"
	chainSeq    = "_seq"
	chainHash   = "_hash"
)

func createTable(table, name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE IF NOT EXISTS %s (", quote(name))
	for _, c := range signinlog.Columns {
		if c.In(table) {
			fmt.Fprintf(&b, "%s %s, ", quote(c.NameIn(table)), sqlType(c, table))
		}
	}
	for _, t := range signinlog.Twins {
		kind := "VARCHAR"
		if t.List {
			kind = "VARCHAR[]"
		}
		fmt.Fprintf(&b, "%s %s, ", quote(t.Name), kind)
	}
	fmt.Fprintf(&b, "%s BOOLEAN NOT NULL, %s VARCHAR NOT NULL, %s UBIGINT NOT NULL, %s BLOB NOT NULL)",
		quote(signinlog.PoliciesShredded), quote(chainWriter), quote(chainSeq), quote(chainHash))
	return b.String()
}

// sqlType returns a column's type. Strings are never NULL; dynamic columns hold JSON text or NULL.
func sqlType(c signinlog.Column, table string) string {
	switch {
	case c.Type == schema.DateTime:
		return "TIMESTAMP"
	case c.Type == schema.Bool:
		return "BOOLEAN"
	case c.Type == schema.Long:
		return "BIGINT"
	case c.Type == schema.Real:
		return "DOUBLE"
	case c.Type == schema.Dynamic, c.Dynamic && table == signinlog.InteractiveTable:
		return "VARCHAR"
	}
	return "VARCHAR NOT NULL DEFAULT ''"
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Last returns the number of the last row that a source's intake has given.
func (l *DB) Last(ctx context.Context, source string) (uint64, error) {
	var last uint64
	err := l.db.QueryRowContext(ctx, `SELECT intake FROM feeds WHERE source = $1`, source).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return last, err
}

// Append adds records of one source in one transaction, with the number of the last one: whatever of it comes again is
// not added twice. It returns that number.
func (l *DB) Append(ctx context.Context, source string, records []signinlog.Record) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, err := l.Last(ctx, source)
	if err != nil {
		return 0, fmt.Errorf("read the feed's number: %w", err)
	}
	batch, err := l.sort(ctx, records, last)
	if err != nil || len(batch.rows) == 0 {
		return last, err
	}
	conn, err := l.db.Conn(ctx)
	if err != nil {
		return last, fmt.Errorf("connection that appends: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return last, fmt.Errorf("begin to append: %w", err)
	}
	if err := batch.write(ctx, conn, tx, source); err != nil {
		return last, errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return last, fmt.Errorf("commit appended rows: %w", err)
	}
	return batch.last, nil
}

// A batch is rows by the table that they go to, in order.
type batch struct {
	rows map[string][][]driver.Value
	last uint64
}

// sort decodes the records that are new and finds their tables.
func (l *DB) sort(ctx context.Context, records []signinlog.Record, after uint64) (batch, error) {
	b := batch{rows: map[string][][]driver.Value{}, last: after}
	for _, r := range records {
		if r.Intake <= b.last {
			continue
		}
		row, err := r.Row()
		if err != nil {
			return b, err
		}
		workspace, err := uuid.Parse(row.TenantID)
		if err != nil {
			return b, fmt.Errorf("sign-in row %d of intake names no workspace: %w", r.Intake, err)
		}
		if err := l.makeTablesLocked(ctx, workspace.String()); err != nil {
			return b, err
		}
		table := physical(row.Type, workspace.String())
		b.rows[table] = append(b.rows[table], values(row, r))
		b.last = r.Intake
	}
	return b, nil
}

// values are a row's columns in the order of createTable.
func values(row *signinlog.Row, r signinlog.Record) []driver.Value {
	var out []driver.Value
	for _, c := range signinlog.Columns {
		if !c.In(row.Type) {
			continue
		}
		v := c.Value(row)
		if text, ok := v.(string); ok && text == "" && (c.Type == schema.Dynamic || c.Dynamic && row.Type == signinlog.InteractiveTable) {
			v = nil
		}
		if v == nil && c.Type == schema.String && !c.Dynamic {
			v = ""
		}
		out = append(out, v)
	}
	s := signinlog.Shred(row)
	for _, t := range signinlog.Twins {
		if t.List {
			out = append(out, nullableList(s.Lists[t.Name]))
			continue
		}
		out = append(out, nullable(s.Scalars[t.Name]))
	}
	return append(out, s.OK, r.Writer, r.Seq, r.Hash[:])
}

func nullable(s *string) driver.Value {
	if s == nil {
		return nil
	}
	return *s
}

func nullableList(list []*string) driver.Value {
	out := make([]any, len(list))
	for n, s := range list {
		out[n] = nullable(s)
	}
	return out
}

func (b batch) write(ctx context.Context, conn *sql.Conn, tx *sql.Tx, source string) error {
	for table, rows := range b.rows {
		err := conn.Raw(func(c any) error { return appendRows(c, table, rows) })
		if err != nil {
			return fmt.Errorf("append sign-in rows: %w", err)
		}
	}
	const query = `INSERT INTO feeds (source, intake) VALUES ($1, $2) ON CONFLICT (source) DO UPDATE SET intake = excluded.intake`
	if _, err := tx.ExecContext(ctx, query, source, b.last); err != nil {
		return fmt.Errorf("note the feed's number: %w", err)
	}
	return nil
}

func appendRows(c any, table string, rows [][]driver.Value) (err error) {
	conn, ok := c.(driver.Conn)
	if !ok {
		return fmt.Errorf("a %T is no connection of DuckDB", c)
	}
	a, err := duckdb.NewAppenderFromConn(conn, "", table)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	for _, row := range rows {
		if err := a.AppendRow(row...); err != nil {
			return err
		}
	}
	return nil
}

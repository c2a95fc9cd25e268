package logstore

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"boundgate/internal/signinlog"
)

// Append adds records of one source in one transaction, with the number of the last one. What of it is there already is
// not added twice.
//
// The number tells what is new at a glance. Records up to it are looked up by their place in the chain: a state store
// that was restored from a backup counts from an earlier number again, and its rows are new ones.
//
// A record that cannot be read as a row is set aside (Unreadable) and does not hold up the others.
func (l *DB) Append(ctx context.Context, source string, records []signinlog.Record) error {
	if len(records) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	last, err := l.Last(ctx, source)
	if err != nil {
		return fmt.Errorf("read the feed's number: %w", err)
	}
	b := newBatch(source, last)
	for _, r := range records {
		b.add(r)
	}
	if err := l.dropKnown(ctx, b); err != nil {
		return fmt.Errorf("look for rows that are there already: %w", err)
	}
	for w := range b.workspaces {
		if err := l.makeTables(ctx, w); err != nil {
			return err
		}
	}
	return l.write(ctx, b)
}

// Last returns the highest number that a source's intake has given.
func (l *DB) Last(ctx context.Context, source string) (uint64, error) {
	var last uint64
	err := l.db.QueryRowContext(ctx, `SELECT intake FROM feeds WHERE source = $1`, source).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return last, err
}

// A batch is records by the table that they go to, in order.
type batch struct {
	source     string
	known      uint64 // records up to this number may be there already
	last       uint64
	workspaces map[workspace]bool
	tables     map[string][]arrival
}

// An arrival is a record and the row in it; nil where it cannot be read, and then why.
type arrival struct {
	signinlog.Record
	row *signinlog.Row
	why string
}

// unreadable names the table of records that cannot be read.
const unreadable = "unreadable"

func newBatch(source string, last uint64) *batch {
	return &batch{source: source, known: last, last: last, workspaces: map[workspace]bool{}, tables: map[string][]arrival{}}
}

// add finds the table of a record.
func (b *batch) add(r signinlog.Record) {
	b.last = max(b.last, r.Intake)
	a := arrival{Record: r}
	w, err := a.read()
	if err != nil {
		a.row, a.why = nil, err.Error()
		b.tables[unreadable] = append(b.tables[unreadable], a)
		return
	}
	b.workspaces[w] = true
	table := w.table(a.row.Type)
	b.tables[table] = append(b.tables[table], a)
}

func (a *arrival) read() (workspace, error) {
	row, err := a.Row()
	if err != nil {
		return workspace{}, err
	}
	if _, ok := layouts[row.Type]; !ok {
		return workspace{}, fmt.Errorf("there is no table %q", row.Type)
	}
	a.row = row
	return parseWorkspace(row.TenantID)
}

// dropKnown removes from a batch what is in the store already.
func (l *DB) dropKnown(ctx context.Context, b *batch) error {
	for table, list := range b.tables {
		var old []arrival
		for _, a := range list {
			if a.Intake <= b.known {
				old = append(old, a)
			}
		}
		if len(old) == 0 || table != unreadable && !l.made[table] && !l.exists(ctx, table) {
			continue
		}
		known, err := l.hashes(ctx, table, old)
		if err != nil {
			return err
		}
		b.tables[table] = slices.DeleteFunc(list, func(a arrival) bool { return a.Intake <= b.known && known[a.Hash] })
	}
	return nil
}

func (l *DB) exists(ctx context.Context, table string) bool {
	var n int
	err := l.db.QueryRowContext(ctx, `SELECT count(*) FROM duckdb_tables() WHERE table_name = $1`, table).Scan(&n)
	return err != nil || n > 0 // where in doubt the next statement says what is wrong
}

// hashes returns the hashes of the rows of a table that lie where the given ones do in their chains.
func (l *DB) hashes(ctx context.Context, table string, list []arrival) (map[signinlog.Hash]bool, error) {
	type span struct{ from, to uint64 }
	spans := map[string]span{}
	for _, a := range list {
		s, ok := spans[a.Writer]
		if !ok {
			s = span{a.Seq, a.Seq}
		}
		spans[a.Writer] = span{min(s.from, a.Seq), max(s.to, a.Seq)}
	}
	known := map[signinlog.Hash]bool{}
	for writer, s := range spans {
		query := `SELECT _hash FROM ` + quote(table) + ` WHERE _writer = $1 AND _seq BETWEEN $2 AND $3`
		rows, err := l.db.QueryContext(ctx, query, writer, s.from, s.to)
		if err != nil {
			return nil, err
		}
		found, err := collect(rows, scanHash)
		if err != nil {
			return nil, err
		}
		for _, hash := range found {
			known[hash] = true
		}
	}
	return known, nil
}

func scanHash(rows *sql.Rows) (signinlog.Hash, error) {
	var text []byte
	err := rows.Scan(&text)
	return hashOf(text), err
}

func hashOf(b []byte) (h signinlog.Hash) {
	copy(h[:], b)
	return h
}

// write stores a batch and its number, or nothing of it.
func (l *DB) write(ctx context.Context, b *batch) (err error) {
	conn, err := l.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connection that appends: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin to append: %w", err)
	}
	if err := b.write(ctx, conn, tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit appended rows: %w", err)
	}
	for _, a := range b.tables[unreadable] {
		l.log.Error("a sign-in row cannot be read; it is kept in the table unreadable of the log store", "intake", a.Intake, "writer", a.Writer, "seq", a.Seq, "error", a.why)
	}
	return nil
}

func (b *batch) write(ctx context.Context, conn *sql.Conn, tx *sql.Tx) error {
	for table, list := range b.tables {
		if table == unreadable {
			if err := b.setAside(ctx, tx, list); err != nil {
				return fmt.Errorf("set unreadable rows aside: %w", err)
			}
			continue
		}
		if err := conn.Raw(func(c any) error { return appendRows(c, table, list) }); err != nil {
			return fmt.Errorf("append sign-in rows: %w", err)
		}
	}
	const query = `INSERT INTO feeds (source, intake) VALUES ($1, $2) ON CONFLICT (source) DO UPDATE SET intake = excluded.intake`
	if _, err := tx.ExecContext(ctx, query, b.source, b.last); err != nil {
		return fmt.Errorf("note the feed's number: %w", err)
	}
	return nil
}

func (b *batch) setAside(ctx context.Context, tx *sql.Tx, list []arrival) error {
	const query = `
		INSERT INTO unreadable (source, intake, why, set_aside, _writer, _seq, _hash, _canonical)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	for _, a := range list {
		// The hash is copied: cgo takes no memory that lies among Go pointers.
		_, err := tx.ExecContext(ctx, query, b.source, a.Intake, a.why, time.Now().UTC(), a.Writer, a.Seq, bytes.Clone(a.Hash[:]), a.Canonical)
		if err != nil {
			return err
		}
	}
	return nil
}

// appendRows adds rows of one table through DuckDB's appender, which is many times faster than INSERT. It belongs to the
// connection's transaction.
func appendRows(c any, table string, list []arrival) (err error) {
	if len(list) == 0 {
		return nil
	}
	conn, ok := c.(driver.Conn)
	if !ok {
		return fmt.Errorf("a %T is no connection of DuckDB", c)
	}
	fields := layouts[list[0].row.Type]
	names := make([]string, len(fields))
	for n, f := range fields {
		names[n] = f.name
	}
	appender, err := duckdb.NewAppenderWithColumns(conn, "", "", table, names)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, appender.Close()) }()
	var shredder signinlog.Shredder
	for _, a := range list {
		row, err := a.values(&shredder, len(fields))
		if err != nil {
			return err
		}
		if err := appender.AppendRow(row...); err != nil {
			return fmt.Errorf("row %d of intake: %w", a.Intake, err)
		}
	}
	return nil
}

// values returns a row's columns in the order of layout.
func (a arrival) values(s *signinlog.Shredder, width int) ([]driver.Value, error) {
	verbatim, err := a.verbatim()
	if err != nil {
		return nil, err
	}
	out := make([]driver.Value, 0, width)
	for _, c := range signinlog.Columns {
		out = append(out, a.value(c))
	}
	for _, v := range s.Append(nil, a.row) {
		out = append(out, v)
	}
	return append(out, a.Writer, a.Seq, a.Hash[:], verbatim), nil
}

func (a arrival) value(c signinlog.Column) driver.Value {
	switch c.Name {
	case "_BilledSize":
		return float64(len(a.Canonical))
	case "_IsBillable":
		return "False"
	}
	v := c.Value(a.row)
	switch v := v.(type) {
	case string:
		if v == "" && dynamicIn(c, a.row.Type) {
			return nil
		}
	case time.Time:
		return v.UTC().Truncate(time.Microsecond)
	}
	return v
}

// verbatim returns the record's bytes where the columns alone would not give them back, as with members that only a later
// release knows; nil in the common case that they do.
func (a arrival) verbatim() (driver.Value, error) {
	again, err := stored(*a.row).Canonical()
	if err != nil {
		return nil, fmt.Errorf("row %d of intake: %w", a.Intake, err)
	}
	if bytes.Equal(again, a.Canonical) {
		return nil, nil
	}
	return a.Canonical, nil
}

// stored returns a row as the columns hold it.
func stored(r signinlog.Row) *signinlog.Row {
	r.TimeGenerated = r.TimeGenerated.UTC().Truncate(time.Microsecond)
	r.CreatedDateTime = r.CreatedDateTime.UTC().Truncate(time.Microsecond)
	return &r
}

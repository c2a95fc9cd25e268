package logstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// The limits of a query, where it sets none.
const (
	MaxRows        = 500_000
	MaxBytes       = 64 << 20
	DefaultTimeout = 3 * time.Minute
	MaxTimeout     = 10 * time.Minute
)

// Why a query ended without an answer.
var (
	// ErrTimeout means that a query ran longer than its limit.
	ErrTimeout = errors.New("logstore: the query took too long")
	// ErrMemory means that a query needed more memory, or space for what does not fit into it, than queries may use.
	ErrMemory = errors.New("logstore: the query needs too much memory")
	// ErrNoQuery means that the text is not one SELECT statement.
	ErrNoQuery = errors.New("logstore: not a single SELECT statement")
)

// A Query is a compiled query: text that the compiler wrote, with parameters $1, $2 and so on. Limits that are zero are
// those above; a timeout is never longer than MaxTimeout.
type Query struct {
	SQL      string
	Args     []any
	Timeout  time.Duration
	MaxRows  int
	MaxBytes int
}

func (q Query) withLimits() Query {
	if q.Timeout <= 0 {
		q.Timeout = DefaultTimeout
	}
	q.Timeout = min(q.Timeout, MaxTimeout)
	if q.MaxRows <= 0 {
		q.MaxRows = MaxRows
	}
	if q.MaxBytes <= 0 {
		q.MaxBytes = MaxBytes
	}
	return q
}

// An Answer is the rows of a query, as the database's own types.
type Answer struct {
	Rows [][]any
	// Cut says why rows are missing; "" where none are.
	Cut string
}

// Query runs a compiled query in a transaction that can only read. When ctx ends the database stops working on it. What
// goes beyond the rows and bytes allowed is left out, and the answer says so.
func (l *DB) Query(ctx context.Context, q Query) (answer Answer, err error) {
	q = q.withLimits()
	limited, cancel := context.WithTimeout(ctx, q.Timeout)
	defer cancel()
	conn, err := l.db.Conn(limited)
	if err != nil {
		return Answer{}, ended(ctx, limited, fmt.Errorf("connection that queries: %w", err))
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	err = conn.Raw(func(c any) error {
		d, ok := c.(*duckdb.Conn)
		if !ok {
			return fmt.Errorf("a %T is no connection of DuckDB", c)
		}
		answer, err = readOnly(limited, d, q)
		return err
	})
	if err != nil {
		return Answer{}, ended(ctx, limited, err)
	}
	return answer, nil
}

// ended says why a query ended.
func ended(asked, limited context.Context, err error) error {
	var problem *duckdb.Error
	switch {
	case asked.Err() != nil:
		return asked.Err()
	case limited.Err() != nil:
		return ErrTimeout
	case errors.As(err, &problem) && problem.Type == duckdb.ErrorTypeOutOfMemory:
		return fmt.Errorf("%w: %w", ErrMemory, err)
	}
	return err
}

// readOnly runs a query and leaves the connection as it was.
func readOnly(ctx context.Context, conn *duckdb.Conn, q Query) (answer Answer, err error) {
	columns, err := selected(conn, q.SQL)
	if err != nil {
		return answer, err
	}
	if _, err := conn.ExecContext(ctx, `BEGIN TRANSACTION READ ONLY`, nil); err != nil {
		return answer, fmt.Errorf("begin to query: %w", err)
	}
	defer func() {
		_, rollback := conn.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`, nil)
		err = errors.Join(err, rollback)
	}()
	args := make([]driver.NamedValue, len(q.Args))
	for n, v := range q.Args {
		args[n] = driver.NamedValue{Ordinal: n + 1, Value: v}
	}
	rows, err := conn.QueryContext(ctx, guarded(q, columns), args)
	if err != nil {
		return answer, fmt.Errorf("run query: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	return read(ctx, rows, q)
}

// selected returns the types of a query's columns, and refuses what is not one SELECT statement.
func selected(conn *duckdb.Conn, text string) (types []duckdb.Type, err error) {
	prepared, err := conn.Prepare(text) // several statements are an error
	if err != nil {
		return nil, errors.Join(ErrNoQuery, err)
	}
	defer func() { err = errors.Join(err, prepared.Close()) }()
	s, ok := prepared.(*duckdb.Stmt)
	if !ok {
		return nil, fmt.Errorf("a %T is no statement of DuckDB", prepared)
	}
	kind, err := s.StatementType()
	if err != nil {
		return nil, err
	}
	if kind != duckdb.STATEMENT_TYPE_SELECT {
		return nil, ErrNoQuery
	}
	n, err := s.ColumnCount()
	if err != nil {
		return nil, err
	}
	types = make([]duckdb.Type, n)
	for n := range types {
		if types[n], err = s.ColumnType(n); err != nil {
			types[n] = duckdb.TYPE_INVALID // depends on a parameter
		}
	}
	return types, nil
}

// guarded wraps a query so that the database does not build more than may be answered: it holds a whole answer in memory
// before it gives the first row, outside its memory limit. Rows beyond the limit of bytes are left out but for the first,
// by which read sees that there were more.
func guarded(q Query, columns []duckdb.Type) string {
	var names, sizes []string
	for n, t := range columns {
		name := fmt.Sprintf("c%d", n)
		names = append(names, name)
		switch t {
		case duckdb.TYPE_VARCHAR:
			sizes = append(sizes, "coalesce(strlen("+name+"), 0)")
		case duckdb.TYPE_LIST, duckdb.TYPE_STRUCT, duckdb.TYPE_MAP, duckdb.TYPE_BLOB, duckdb.TYPE_INVALID:
			sizes = append(sizes, "coalesce(strlen("+name+"::VARCHAR), 0)")
		}
	}
	list := strings.Join(names, ", ")
	if len(sizes) == 0 {
		return fmt.Sprintf("SELECT * FROM (%s\n) AS q LIMIT %d", q.SQL, q.MaxRows+1)
	}
	return fmt.Sprintf(`
		SELECT %s
		FROM   (SELECT *, %s AS size, sum(size) OVER (ROWS UNBOUNDED PRECEDING) AS total
		        FROM (SELECT * FROM (%s
		        ) AS q LIMIT %d) AS q(%s))
		WHERE  total - size <= %d`, list, strings.Join(sizes, " + "), q.SQL, q.MaxRows+1, list, q.MaxBytes)
}

func read(ctx context.Context, rows driver.Rows, q Query) (answer Answer, err error) {
	width, size := len(rows.Columns()), 0
	values := make([]driver.Value, width)
	for {
		switch err := rows.Next(values); {
		case errors.Is(err, io.EOF):
			return answer, nil
		case err != nil:
			return answer, fmt.Errorf("read answer: %w", err)
		case ctx.Err() != nil:
			return answer, ctx.Err()
		}
		size += sizeOf(values)
		switch {
		case len(answer.Rows) == q.MaxRows:
			answer.Cut = fmt.Sprintf("the answer has more than %d rows", q.MaxRows)
			return answer, nil
		case size > q.MaxBytes:
			answer.Cut = fmt.Sprintf("the answer is larger than %d bytes", q.MaxBytes)
			return answer, nil
		}
		row := make([]any, width)
		for n, v := range values {
			row[n] = v
		}
		answer.Rows = append(answer.Rows, row)
	}
}

// sizeOf estimates what a row takes in memory and on the wire.
func sizeOf(row []driver.Value) int {
	const fixed = 16
	size := 0
	for _, v := range row {
		size += fixed
		switch v := v.(type) {
		case string:
			size += len(v)
		case []byte:
			size += len(v)
		case []any:
			size += len(fmt.Sprint(v))
		}
	}
	return size
}

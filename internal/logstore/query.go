package logstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// The limits of a query's answer.
const (
	MaxRows  = 500_000
	MaxBytes = 64 << 20
)

// ErrTimeout means that a query ran longer than its limit.
var ErrTimeout = errors.New("logstore: the query took too long")

// A Query is a compiled query: text that the compiler wrote, with parameters.
type Query struct {
	SQL     string
	Args    []any
	Timeout time.Duration
}

// An Answer is the rows of a query, as the database's own types.
type Answer struct {
	Rows [][]any
	// Cut says why rows are missing; "" where none are.
	Cut string
}

// Query runs a compiled query in a transaction that can only read. When ctx ends the database stops working on it.
func (l *DB) Query(ctx context.Context, q Query) (answer Answer, err error) {
	limited, cancel := context.WithTimeout(ctx, q.Timeout)
	defer cancel()
	conn, err := l.db.Conn(limited)
	if err != nil {
		return answer, fmt.Errorf("connection that queries: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(limited, `BEGIN TRANSACTION READ ONLY`); err != nil {
		return answer, fmt.Errorf("begin to query: %w", err)
	}
	answer, err = read(limited, conn, q)
	_, rollback := conn.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`)
	if limited.Err() != nil && ctx.Err() == nil {
		return Answer{}, ErrTimeout
	}
	return answer, errors.Join(err, rollback)
}

func read(ctx context.Context, conn *sql.Conn, q Query) (answer Answer, err error) {
	rows, err := conn.QueryContext(ctx, q.SQL, q.Args...)
	if err != nil {
		return answer, fmt.Errorf("run query: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return answer, fmt.Errorf("columns of the answer: %w", err)
	}
	size := 0
	for rows.Next() {
		row := make([]any, len(columns))
		into := make([]any, len(columns))
		for n := range row {
			into[n] = &row[n]
		}
		if err := rows.Scan(into...); err != nil {
			return answer, fmt.Errorf("read answer: %w", err)
		}
		size += sizeOf(row)
		switch {
		case len(answer.Rows) == MaxRows:
			answer.Cut = fmt.Sprintf("the answer has more than %d rows", MaxRows)
			return answer, nil
		case size > MaxBytes:
			answer.Cut = fmt.Sprintf("the answer is larger than %d MB", MaxBytes>>20)
			return answer, nil
		}
		answer.Rows = append(answer.Rows, row)
	}
	return answer, rows.Err()
}

// sizeOf estimates what a row takes in memory and on the wire.
func sizeOf(row []any) int {
	const fixed = 16
	size := 0
	for _, v := range row {
		size += fixed
		if text, ok := v.(string); ok {
			size += len(text)
		}
	}
	return size
}

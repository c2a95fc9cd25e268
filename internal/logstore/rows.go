package logstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"boundgate/internal/signinlog"
)

// A Selection selects rows to be read back. Members that are nil or zero do not narrow it.
type Selection struct {
	Interactive, NonInteractive bool // which tables
	ID                          string
	CorrelationID, UserID, UPN  *string
	From, To                    time.Time // both inclusive
	ResultType                  *string
	SessionCode                 *string // signInSessionStatusCode
	Before                      *Place  // only rows behind this one in the order of the answer
	Limit                       int
}

// A Place is where a row stands in the order of an answer: the newest first.
type Place struct {
	At time.Time
	ID string
}

// Rows reads rows of a workspace, the newest first.
func (l *DB) Rows(ctx context.Context, workspace string, s Selection) ([]signinlog.Row, error) {
	w, err := l.tablesOf(ctx, workspace)
	if err != nil {
		return nil, err
	}
	var all []signinlog.Row
	for table, wanted := range map[string]bool{signinlog.InteractiveTable: s.Interactive, signinlog.NonInteractiveTable: s.NonInteractive} {
		if !wanted {
			continue
		}
		rows, err := l.rowsOf(ctx, table, w.table(table), s)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	newestFirst(all)
	return all[:min(len(all), s.Limit)], nil
}

func (l *DB) rowsOf(ctx context.Context, table, name string, s Selection) ([]signinlog.Row, error) {
	r := rowReader(table)
	where, args := s.where()
	// The places of the rows are found first: reading all columns of every row to keep a few would be slow.
	query := "SELECT " + r.list() + " FROM " + quote(name) + " WHERE rowid IN (SELECT rowid FROM " + quote(name) + where +
		fmt.Sprintf(` ORDER BY "TimeGenerated" DESC, "Id" DESC LIMIT %d)`, s.Limit)
	rows, err := l.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read sign-in rows: %w", err)
	}
	list, err := collect(rows, func(rows *sql.Rows) (signinlog.Row, error) { return r.scan(rows) })
	if err != nil {
		return nil, fmt.Errorf("read sign-in rows: %w", err)
	}
	return list, nil
}

// A reader reads rows of one table back.
type reader struct {
	table   string
	columns []signinlog.Column // those that a Row has
}

func rowReader(table string) reader {
	r := reader{table: table}
	for _, c := range signinlog.Columns {
		if c.Value(&signinlog.Row{}) != nil {
			r.columns = append(r.columns, c)
		}
	}
	return r
}

// list names the reader's columns.
func (r reader) list() string {
	names := make([]string, len(r.columns))
	for n, c := range r.columns {
		names[n] = quote(c.NameIn(r.table))
	}
	return strings.Join(names, ", ")
}

// scan reads the reader's columns, and behind them others into more.
func (r reader) scan(rows *sql.Rows, more ...any) (signinlog.Row, error) {
	var row signinlog.Row
	values := make([]any, len(r.columns))
	into := make([]any, len(r.columns))
	for n := range values {
		into[n] = &values[n]
	}
	if err := rows.Scan(append(into, more...)...); err != nil {
		return row, err
	}
	for n, c := range r.columns {
		if t, ok := values[n].(time.Time); ok {
			values[n] = t.UTC()
		}
		c.Set(&row, values[n])
	}
	return row, nil
}

// where returns the condition and its parameters.
func (s Selection) where() (string, []any) {
	var terms []string
	var args []any
	add := func(term string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			term = strings.Replace(term, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		terms = append(terms, term)
	}
	if s.ID != "" {
		add(`"Id" = ?`, s.ID)
	}
	for column, v := range map[string]*string{
		"CorrelationId": s.CorrelationID, "UserId": s.UserID, "ResultType": s.ResultType, "tp_signinsessionstatuscode": s.SessionCode,
	} {
		if v != nil {
			add(quote(column)+` = ?`, *v)
		}
	}
	if s.UPN != nil {
		add(`lower("UserPrincipalName") = ?`, *s.UPN)
	}
	if !s.From.IsZero() {
		add(`"TimeGenerated" >= ?`, s.From.UTC())
	}
	if !s.To.IsZero() {
		add(`"TimeGenerated" <= ?`, s.To.UTC())
	}
	if s.Before != nil {
		add(`("TimeGenerated" < ? OR "TimeGenerated" = ? AND "Id" < ?)`, s.Before.At.UTC(), s.Before.At.UTC(), s.Before.ID)
	}
	if len(terms) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(terms, " AND "), args
}

func newestFirst(rows []signinlog.Row) {
	slices.SortFunc(rows, func(a, b signinlog.Row) int {
		if c := b.TimeGenerated.Compare(a.TimeGenerated); c != 0 {
			return c
		}
		return strings.Compare(b.ID, a.ID)
	})
}

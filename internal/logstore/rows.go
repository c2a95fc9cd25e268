package logstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

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
	id, err := uuid.Parse(workspace)
	if err != nil {
		return nil, fmt.Errorf("workspace %q is no GUID: %w", workspace, err)
	}
	if err := l.makeTables(ctx, id.String()); err != nil {
		return nil, err
	}
	var all []signinlog.Row
	for table, wanted := range map[string]bool{signinlog.InteractiveTable: s.Interactive, signinlog.NonInteractiveTable: s.NonInteractive} {
		if !wanted {
			continue
		}
		rows, err := l.rowsOf(ctx, table, physical(table, id.String()), s)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	newestFirst(all)
	return all[:min(len(all), s.Limit)], nil
}

func (l *DB) rowsOf(ctx context.Context, table, name string, s Selection) (list []signinlog.Row, err error) {
	columns := tableColumns(table)
	names := make([]string, len(columns))
	for n, c := range columns {
		names[n] = quote(c.NameIn(table))
	}
	where, args := s.where()
	query := "SELECT " + strings.Join(names, ", ") + " FROM " + quote(name) + where + ` ORDER BY "TimeGenerated" DESC, "Id" DESC LIMIT ` + fmt.Sprint(s.Limit)
	rows, err := l.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read sign-in rows: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		row, err := scanRow(rows, columns)
		if err != nil {
			return nil, fmt.Errorf("read sign-in row: %w", err)
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

// tableColumns are the columns of a table that a Row has.
func tableColumns(table string) []signinlog.Column {
	var list []signinlog.Column
	for _, c := range signinlog.Columns {
		if c.In(table) && c.Value(&signinlog.Row{}) != nil {
			list = append(list, c)
		}
	}
	return list
}

func scanRow(rows *sql.Rows, columns []signinlog.Column) (signinlog.Row, error) {
	var row signinlog.Row
	values := make([]any, len(columns))
	into := make([]any, len(columns))
	for n := range values {
		into[n] = &values[n]
	}
	if err := rows.Scan(into...); err != nil {
		return row, err
	}
	for n, c := range columns {
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

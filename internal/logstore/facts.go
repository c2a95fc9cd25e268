package logstore

import (
	"context"
	"fmt"
	"time"

	"boundgate/internal/signinlog"
)

// A Decided is a sign-in as a replay needs it.
type Decided struct {
	At            time.Time
	ID            string
	CorrelationID string
	Interactive   bool
	User, UPN     string
	App, Resource string // names
	Status        string // conditionalAccessStatus
	ResultType    string
	Facts         string // see signinlog.Row; "" where none were recorded
}

// EachDecided calls f for the sign-ins of a workspace in a range of time, the newest first, and stops at its first error.
// The rows are not held in memory. limit bounds them.
func (l *DB) EachDecided(ctx context.Context, workspace string, from, to time.Time, limit int, f func(Decided) error) (err error) {
	w, err := l.tablesOf(ctx, workspace)
	if err != nil {
		return err
	}
	query := ""
	for n, table := range signinlog.Tables {
		if n > 0 {
			query += " UNION ALL "
		}
		query += `SELECT "TimeGenerated", "Id", "CorrelationId", "IsInteractive", "UserId", "UserPrincipalName", "AppDisplayName", ` +
			`"ResourceDisplayName", "ConditionalAccessStatus", "ResultType", coalesce("_Facts", '') FROM ` + quote(w.table(table)) +
			` WHERE "TimeGenerated" >= $1 AND "TimeGenerated" < $2`
	}
	query += fmt.Sprintf(` ORDER BY "TimeGenerated" DESC, "Id" LIMIT %d`, limit)
	rows, err := l.db.QueryContext(ctx, query, from.UTC(), to.UTC())
	if err != nil {
		return fmt.Errorf("read sign-ins to replay: %w", err)
	}
	defer func() {
		if closing := rows.Close(); err == nil && closing != nil {
			err = fmt.Errorf("read sign-ins to replay: %w", closing)
		}
	}()
	for rows.Next() {
		var d Decided
		var interactive *bool
		if err := rows.Scan(&d.At, &d.ID, &d.CorrelationID, &interactive, &d.User, &d.UPN, &d.App, &d.Resource, &d.Status, &d.ResultType, &d.Facts); err != nil {
			return fmt.Errorf("read sign-ins to replay: %w", err)
		}
		d.At, d.Interactive = d.At.UTC(), interactive != nil && *interactive
		if err := f(d); err != nil {
			return err
		}
	}
	return rows.Err()
}

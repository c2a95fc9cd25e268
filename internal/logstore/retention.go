package logstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"boundgate/internal/signinlog"
)

// Retain removes the rows from before a time and returns how many they were. Of each writer's chain it removes the
// beginning, up to the first row that stays, and keeps the hash of the last one removed: what follows can be verified.
// A row that is old and lies in the chain behind a younger one stays until that one goes.
func (l *DB) Retain(ctx context.Context, before time.Time) (removed int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tables, err := l.chainTables(ctx)
	if err != nil {
		return 0, err
	}
	chains, err := l.chains(ctx, tables)
	if err != nil {
		return 0, err
	}
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("begin to remove old rows: %w", err)
	}
	for _, c := range chains {
		n, err := cut(ctx, tx, tables, c, before.UTC())
		if err != nil {
			return 0, errors.Join(fmt.Errorf("remove old rows of %q: %w", c.start.Writer, err), tx.Rollback())
		}
		removed += n
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("commit the removal of old rows: %w", err)
	}
	if removed == 0 {
		return 0, nil
	}
	if _, err := l.db.ExecContext(ctx, `CHECKPOINT`); err != nil { // gives the space back; a running query may prevent it
		l.log.Info("space of removed sign-in rows is given back later", "reason", err)
	}
	return removed, nil
}

// cut removes the beginning of a chain.
func cut(ctx context.Context, tx *sql.Tx, tables []chainTable, c chain, before time.Time) (removed int64, err error) {
	last := c.last
	for _, t := range tables {
		var first sql.Null[uint64]
		query := `SELECT min(_seq) FROM ` + quote(t.name) + ` WHERE _writer = $1 AND ` + quote(t.timeColumn()) + ` >= $2`
		if err := tx.QueryRowContext(ctx, query, c.start.Writer, before).Scan(&first); err != nil {
			return 0, err
		}
		if first.Valid {
			last = min(last, first.V-1)
		}
	}
	if last <= c.start.Seq {
		return 0, nil
	}
	if err := startChain(ctx, tx, tables, c.start.Writer, last); err != nil {
		return 0, err
	}
	for _, t := range tables {
		result, err := tx.ExecContext(ctx, `DELETE FROM `+quote(t.name)+` WHERE _writer = $1 AND _seq <= $2`, c.start.Writer, last)
		if err != nil {
			return 0, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		removed += n
	}
	return removed, nil
}

func (t chainTable) timeColumn() string {
	if t.rows == "" {
		return "set_aside"
	}
	return "TimeGenerated"
}

// startChain notes the hash of the last row that goes.
func startChain(ctx context.Context, tx *sql.Tx, tables []chainTable, writer string, seq uint64) error {
	for _, t := range tables {
		var hash []byte
		err := tx.QueryRowContext(ctx, `SELECT _hash FROM `+quote(t.name)+` WHERE _writer = $1 AND _seq = $2`, writer, seq).Scan(&hash)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		const query = `
			INSERT INTO chain_starts (writer, seq, hash) VALUES ($1, $2, $3)
			ON CONFLICT (writer) DO UPDATE SET seq = excluded.seq, hash = excluded.hash`
		_, err = tx.ExecContext(ctx, query, writer, seq, hash)
		return err
	}
	return fmt.Errorf("%w: row %d of %q is missing", signinlog.ErrChain, seq, writer)
}

// A Retention removes rows that are older than they are to be kept.
type Retention struct {
	Logs interface {
		Retain(ctx context.Context, before time.Time) (int64, error)
	}
	Days int // that rows are kept
	Now  func() time.Time
	Log  *slog.Logger
}

// retainEvery is small beside a day and large beside what a removal costs.
const retainEvery = time.Hour

// Run removes old rows now and every hour until ctx ends.
func (r *Retention) Run(ctx context.Context) {
	for {
		removed, err := r.Logs.Retain(ctx, r.Now().AddDate(0, 0, -r.Days))
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.Log.Error("remove old sign-in rows; they are kept longer than configured", "days", r.Days, "error", err)
		case removed > 0:
			r.Log.Info("old sign-in rows removed", "rows", removed, "days", r.Days)
		}
		if !pause(ctx, retainEvery) {
			return
		}
	}
}

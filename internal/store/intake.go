package store

import (
	"context"

	"boundgate/internal/signinlog"
)

// Intake returns up to limit rows that wait to be moved to the log store, in order, after the one with the number after.
func (db *DB) Intake(ctx context.Context, after uint64, limit int) ([]signinlog.Record, error) {
	const query = `SELECT sequence, writer, seq, hash, canonical FROM intake WHERE sequence > $1 ORDER BY sequence LIMIT $2`
	list, err := collect(ctx, db.read, func(s scanner) (signinlog.Record, error) {
		var r signinlog.Record
		var hash []byte
		err := s.Scan(&r.Intake, &r.Writer, &r.Seq, &hash, &r.Canonical)
		copy(r.Hash[:], hash)
		return r, err
	}, query, after, limit)
	return list, wrap("read intake", err)
}

// DropIntake removes the rows up to a number: they are durable in the log store.
func (db *DB) DropIntake(ctx context.Context, upTo uint64) error {
	return db.writes.write(ctx, func(ctx context.Context, tx *tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM intake WHERE sequence <= $1`, upTo)
		return wrap("empty intake", err)
	})
}

// ChainHeads returns the last number and hash of every writer's chain.
func (db *DB) ChainHeads(ctx context.Context) ([]signinlog.Record, error) {
	list, err := collect(ctx, db.read, func(s scanner) (signinlog.Record, error) {
		var r signinlog.Record
		var hash []byte
		err := s.Scan(&r.Writer, &r.Seq, &hash)
		copy(r.Hash[:], hash)
		return r, err
	}, `SELECT writer, seq, hash FROM chains ORDER BY writer`)
	return list, wrap("read chain heads", err)
}

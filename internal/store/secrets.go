package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
)

// Secret returns the secret with this name; false where there is none.
func (db *DB) Secret(ctx context.Context, name string) ([]byte, bool, error) {
	var sealed []byte
	err := db.read.QueryRowContext(ctx, `SELECT value FROM secrets WHERE name = $1`, name).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, wrap("read secret", err)
	}
	value, err := db.sealer.Open(sealed, "", "secrets", name, "value")
	if err != nil {
		return nil, false, fmt.Errorf("open secret %s: %w", name, err)
	}
	return value, true, nil
}

// PutSecret keeps value under name unless there is a secret of that name already, and returns the one that is kept.
func (db *DB) PutSecret(ctx context.Context, name string, value []byte) ([]byte, error) {
	sealed, err := db.sealer.Seal(value, "", "secrets", name, "value")
	if err != nil {
		return nil, fmt.Errorf("seal secret %s: %w", name, err)
	}
	err = db.writes.write(ctx, func(ctx context.Context, tx *tx) error {
		const query = `INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`
		_, err := tx.ExecContext(ctx, query, name, sealed)
		return wrap("keep secret", err)
	})
	if err != nil {
		return nil, err
	}
	kept, _, err := db.Secret(ctx, name)
	return kept, err
}

const nonceKey = "nonce-key"

// NonceKey returns the key that authenticates nonces; it is made on first use.
func (db *DB) NonceKey(ctx context.Context) (key [32]byte, err error) {
	kept, ok, err := db.Secret(ctx, nonceKey)
	if err != nil {
		return key, err
	}
	if !ok {
		fresh := make([]byte, len(key))
		if _, err := rand.Read(fresh); err != nil {
			return key, fmt.Errorf("draw nonce key: %w", err)
		}
		if kept, err = db.PutSecret(ctx, nonceKey, fresh); err != nil {
			return key, err
		}
	}
	if copy(key[:], kept) != len(key) {
		return key, errors.New("store: the nonce key on record is too short")
	}
	return key, nil
}

// NonceEpoch returns the epoch of nonces and codes: those of another one are void. It is random, so that a restored copy of
// the store does not meet an epoch again.
func (db *DB) NonceEpoch(ctx context.Context) (uint64, error) {
	var n int64
	err := db.read.QueryRowContext(ctx, `SELECT value FROM numbers WHERE name = 'nonce-epoch'`).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return uint64(n), wrap("read nonce epoch", err) //nolint:gosec // the same 64 bits
}

// BumpEpoch begins a new epoch, as must be done once after a backup was restored and before anything is served; whoever
// has the nonces' epoch in memory must read it anew. Since the backup was made, nonces have been spent and rows logged
// that the backup does not know. So nonces of before are void; the chain of rows ends, and another one begins under
// another writer's name, for two rows with one number would look like a forgery; and the intake goes on with numbers that
// the log store has not seen, for it would take rows with numbers that it knows for moved already.
func (db *DB) BumpEpoch(ctx context.Context) error {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return fmt.Errorf("draw epoch: %w", err)
	}
	epoch := int64(binary.BigEndian.Uint64(b[:]) >> 1) //nolint:gosec // 63 bits
	return db.writes.write(ctx, func(ctx context.Context, tx *tx) error {
		const query = `INSERT INTO numbers (name, value) VALUES ('nonce-epoch', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value`
		if _, err := tx.ExecContext(ctx, query, epoch); err != nil {
			return wrap("begin nonce epoch", err)
		}
		// What was redeemed since the backup looks unredeemed in it.
		for _, query := range []string{`DELETE FROM codes`, `DELETE FROM device_codes`} {
			if _, err := tx.ExecContext(ctx, query); err != nil {
				return wrap("void codes", err)
			}
		}
		if err := saveChain(ctx, tx, *tx.chain); err != nil {
			return err
		}
		*tx.chain = chain{writer: chainOf(db.writer, uint64(epoch))} //nolint:gosec // not negative
		return tx.skipIntake(ctx)
	})
}

// chainOf names a node's chain in an epoch.
func chainOf(writer string, epoch uint64) string {
	if epoch == 0 {
		return writer
	}
	return fmt.Sprintf("%s/%016x", writer, epoch)
}

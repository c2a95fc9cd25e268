package store

import (
	"context"
	"errors"
	"fmt"

	"boundgate/internal/audit"
	"boundgate/internal/directory"
	"boundgate/internal/factor"
	"boundgate/internal/journal"
	"boundgate/internal/prt"
)

// FactorsOf returns the second factors of a user, the oldest first.
func (db *DB) FactorsOf(ctx context.Context, tenant directory.TenantID, user directory.ObjectID) ([]factor.Factor, error) {
	const query = `
		SELECT id, kind, display_name, secret, credential, last_step, sign_count, created_at, last_used_at
		FROM   factors WHERE tenant_id = $1 AND user_id = $2 ORDER BY created_at, id`
	list, err := collect(ctx, db.read, func(row scanner) (factor.Factor, error) {
		return db.scanFactor(row, tenant, user)
	}, query, tenant, user)
	return list, wrap("read second factors", err)
}

func (db *DB) scanFactor(row scanner, tenant directory.TenantID, user directory.ObjectID) (factor.Factor, error) {
	f := factor.Factor{Tenant: tenant, User: user}
	var sealed []byte
	var created, used int64
	if err := row.Scan(&f.ID, &f.Kind, &f.DisplayName, &sealed, &f.Credential, &f.LastStep, &f.SignCount, &created, &used); err != nil {
		return f, err
	}
	f.CreatedAt, f.LastUsedAt = fromMicros(created), fromMicros(used)
	if len(f.Credential) == 0 {
		f.Credential = nil
	}
	if len(sealed) == 0 {
		return f, nil
	}
	secret, err := db.sealer.Open(sealed, string(tenant), "factors", f.ID, "secret")
	if err != nil {
		return f, fmt.Errorf("open a second factor: %w", err)
	}
	f.Secret = prt.Secret(secret)
	return f, nil
}

// RemoveFactor removes a user's second factor.
func (db *DB) RemoveFactor(ctx context.Context, tenant directory.TenantID, user directory.ObjectID, id string, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		const query = `DELETE FROM factors WHERE tenant_id = $1 AND user_id = $2 AND id = $3`
		result, err := tx.ExecContext(ctx, query, tenant, user, id)
		return must("remove second factor", result, err)
	})
}

// sealFactors seals the keys of new factors, before the committer's turn.
func (db *DB) sealFactors(factors []factor.Factor) ([][]byte, error) {
	sealed := make([][]byte, len(factors))
	for n, f := range factors {
		sealed[n] = []byte{}
		if f.Secret == "" {
			continue
		}
		var err error
		if sealed[n], err = db.sealer.Seal([]byte(f.Secret.Reveal()), string(f.Tenant), "factors", f.ID, "secret"); err != nil {
			return nil, fmt.Errorf("seal a second factor: %w", err)
		}
	}
	return sealed, nil
}

// applyFactors registers and uses second factors. A code or a counter that has been used is none any more.
func (tx *tx) applyFactors(ctx context.Context, e journal.Effects, sealed [][]byte) error {
	for n, f := range e.NewFactors {
		if err := tx.insertFactor(ctx, f, sealed[n], e.FirstFactor); err != nil {
			return err
		}
	}
	for _, u := range e.UseFactors {
		const query = `
			UPDATE factors SET last_step = $1, sign_count = $2, last_used_at = $3
			WHERE  tenant_id = $4 AND user_id = $5 AND id = $6 AND last_step <= $1 AND sign_count <= $2
			  AND  (last_step < $1 OR sign_count < $2 OR $1 = 0 AND $2 = 0)`
		result, err := tx.ExecContext(ctx, query, u.Step, u.SignCount, micros(u.At), u.Tenant, u.User, u.ID)
		if err := must("use second factor", result, err); errors.Is(err, directory.ErrNotFound) {
			return journal.ErrFactorSpent
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (tx *tx) insertFactor(ctx context.Context, f factor.Factor, sealed []byte, first bool) error {
	const count = `SELECT count(*) FROM factors WHERE tenant_id = $1 AND user_id = $2`
	var n int
	if err := tx.QueryRowContext(ctx, count, f.Tenant, f.User).Scan(&n); err != nil {
		return wrap("count second factors", err)
	}
	if n >= factor.MaxPerUser || first && n > 0 {
		return journal.ErrChanged
	}
	const query = `
		INSERT INTO factors (tenant_id, id, user_id, kind, display_name, secret, credential, last_step, sign_count, created_at, last_used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	_, err := tx.ExecContext(ctx, query, f.Tenant, f.ID, f.User, f.Kind, f.DisplayName, sealed, string(f.Credential), f.LastStep,
		f.SignCount, micros(f.CreatedAt), micros(f.LastUsedAt))
	if isOrphan(err) {
		return journal.ErrChanged
	}
	return conflict("register second factor", err)
}

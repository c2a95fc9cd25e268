package store

import (
	"context"
	"encoding/json"

	"boundgate/internal/audit"
	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

// PolicyVersion returns a number that changes with every change of the tenant's policies.
func (db *DB) PolicyVersion(ctx context.Context, tenant directory.TenantID) (uint64, error) {
	var version uint64
	err := db.read.QueryRowContext(ctx, `SELECT policy_version FROM tenants WHERE id = $1`, tenant).Scan(&version)
	return version, absent("version of policies", err, directory.ErrNotFound)
}

// Policies returns the tenant's policies.
func (db *DB) Policies(ctx context.Context, tenant directory.TenantID) ([]policy.Policy, error) {
	list, err := collect(ctx, db.read, scanDocument[policy.Policy], `SELECT document FROM policies WHERE tenant_id = $1 ORDER BY id`, tenant)
	return list, wrap("read policies", err)
}

// PutPolicy adds or changes a policy. It is in force for the next request, and its version is kept.
func (db *DB) PutPolicy(ctx context.Context, tenant directory.TenantID, p policy.Policy, row audit.Entry) error {
	document, err := json.Marshal(p)
	if err != nil {
		return wrap("encode policy", err)
	}
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		const query = `
			INSERT INTO policies (tenant_id, id, document) VALUES ($1, $2, $3)
			ON CONFLICT (tenant_id, id) DO UPDATE SET document = excluded.document`
		if _, err := tx.ExecContext(ctx, query, tenant, p.ID, string(document)); err != nil {
			return wrap("put policy", err)
		}
		return tx.newPolicyVersion(ctx, tenant, p.ID, string(document), micros(db.now()))
	})
}

// DeletePolicy removes a policy; its versions stay.
func (db *DB) DeletePolicy(ctx context.Context, tenant directory.TenantID, id string, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM policies WHERE tenant_id = $1 AND id = $2`, tenant, id)
		if err := must("delete policy", result, err); err != nil {
			return err
		}
		return tx.newPolicyVersion(ctx, tenant, id, nil, micros(db.now()))
	})
}

func (tx *tx) newPolicyVersion(ctx context.Context, tenant directory.TenantID, id string, document any, now int64) error {
	const bump = `UPDATE tenants SET policy_version = policy_version + 1 WHERE id = $1`
	result, err := tx.ExecContext(ctx, bump, tenant)
	if err := must("version of policies", result, err); err != nil {
		return err
	}
	const query = `
		INSERT INTO policy_versions (tenant_id, id, version, document, changed_at)
		SELECT $1, $2, policy_version, $3, $4 FROM tenants WHERE id = $1`
	_, err = tx.ExecContext(ctx, query, tenant, id, document, now)
	return wrap("keep policy version", err)
}

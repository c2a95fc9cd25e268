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

// PolicyByID returns one policy.
func (db *DB) PolicyByID(ctx context.Context, tenant directory.TenantID, id string) (policy.Policy, error) {
	const query = `SELECT document FROM policies WHERE tenant_id = $1 AND id = $2`
	p, err := scanDocument[policy.Policy](db.read.QueryRowContext(ctx, query, tenant, id))
	return p, absent("read policy", err, directory.ErrNotFound)
}

// PutPolicy adds or changes a policy. It is in force for the next request, and its version is kept.
func (db *DB) PutPolicy(ctx context.Context, tenant directory.TenantID, p policy.Policy, row audit.Entry) error {
	document, err := json.Marshal(p)
	if err != nil {
		return wrap("encode policy", err)
	}
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		if err := tx.locationsExist(ctx, tenant, p.Conditions.Locations.Named()); err != nil {
			return err
		}
		const query = `
			INSERT INTO policies (tenant_id, id, document) VALUES ($1, $2, $3)
			ON CONFLICT (tenant_id, id) DO UPDATE SET document = excluded.document`
		if _, err := tx.ExecContext(ctx, query, tenant, p.ID, string(document)); err != nil {
			return conflict("put policy", err)
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
	const bump = `UPDATE tenants SET policy_version = policy_version + 1 WHERE id = $1 RETURNING policy_version`
	var version int64
	if err := tx.QueryRowContext(ctx, bump, tenant).Scan(&version); err != nil {
		return absent("version of policies", err, directory.ErrNotFound)
	}
	const query = `INSERT INTO policy_versions (tenant_id, id, version, document, changed_at) VALUES ($1, $2, $3, $4, $5)`
	_, err := tx.ExecContext(ctx, query, tenant, id, version, document, now)
	return wrap("keep policy version", err)
}

// PolicyHistory returns every revision of a policy, the newest first, also after its deletion.
func (db *DB) PolicyHistory(ctx context.Context, tenant directory.TenantID, id string) ([]policy.Revision, error) {
	const query = `
		SELECT version, changed_at, document FROM policy_versions
		WHERE  tenant_id = $1 AND id = $2
		ORDER  BY version DESC`
	list, err := collect(ctx, db.read, scanRevision, query, tenant, id)
	return list, wrap("read history of a policy", err)
}

func scanRevision(row scanner) (policy.Revision, error) {
	var r policy.Revision
	var changed int64
	var document []byte
	if err := row.Scan(&r.Version, &changed, &document); err != nil {
		return r, err
	}
	r.ChangedAt = fromMicros(changed)
	if document == nil {
		return r, nil
	}
	r.Policy = new(policy.Policy)
	return r, json.Unmarshal(document, r.Policy)
}

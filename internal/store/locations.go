package store

import (
	"context"
	"encoding/json"

	"boundgate/internal/audit"
	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

// Locations returns the tenant's named locations.
func (db *DB) Locations(ctx context.Context, tenant directory.TenantID) ([]policy.NamedLocation, error) {
	const query = `SELECT document FROM named_locations WHERE tenant_id = $1 ORDER BY id`
	list, err := collect(ctx, db.read, scanDocument[policy.NamedLocation], query, tenant)
	return list, wrap("read named locations", err)
}

// PutLocation adds or changes a named location. What policies say with it changes with it, for the next request.
func (db *DB) PutLocation(ctx context.Context, tenant directory.TenantID, l policy.NamedLocation, row audit.Entry) error {
	document, err := json.Marshal(l)
	if err != nil {
		return wrap("encode named location", err)
	}
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		const query = `
			INSERT INTO named_locations (tenant_id, id, document) VALUES ($1, $2, $3)
			ON CONFLICT (tenant_id, id) DO UPDATE SET document = excluded.document`
		if _, err := tx.ExecContext(ctx, query, tenant, l.ID, string(document)); err != nil {
			return conflict("put named location", err)
		}
		return tx.bumpPolicyVersion(ctx, tenant)
	})
}

// DeleteLocation removes a named location.
func (db *DB) DeleteLocation(ctx context.Context, tenant directory.TenantID, id string, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM named_locations WHERE tenant_id = $1 AND id = $2`, tenant, id)
		if err := must("delete named location", result, err); err != nil {
			return err
		}
		return tx.bumpPolicyVersion(ctx, tenant)
	})
}

// bumpPolicyVersion tells every node that what the policies say has changed.
func (tx *tx) bumpPolicyVersion(ctx context.Context, tenant directory.TenantID) error {
	result, err := tx.ExecContext(ctx, `UPDATE tenants SET policy_version = policy_version + 1 WHERE id = $1`, tenant)
	return must("version of policies", result, err)
}

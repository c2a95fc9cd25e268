package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

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

// DeleteLocation removes a named location. One that a policy names stays, as ErrInUse: without it the policies of the
// tenant could not be compiled, and every sign-in would be refused.
func (db *DB) DeleteLocation(ctx context.Context, tenant directory.TenantID, id string, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		if err := tx.locationUnused(ctx, tenant, id); err != nil {
			return err
		}
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

// locationsExist refuses a policy that names a location which is not there at this moment.
func (tx *tx) locationsExist(ctx context.Context, tenant directory.TenantID, ids []string) error {
	for _, id := range ids {
		const query = `SELECT 1 FROM named_locations WHERE tenant_id = $1 AND id = $2`
		var one int
		if err := tx.QueryRowContext(ctx, query, tenant, strings.ToLower(id)).Scan(&one); err != nil {
			return absent("named location of a policy", err, directory.ErrNotFound)
		}
	}
	return nil
}

func (tx *tx) locationUnused(ctx context.Context, tenant directory.TenantID, id string) error {
	list, err := collect(ctx, tx, scanDocument[policy.Policy], `SELECT document FROM policies WHERE tenant_id = $1`, tenant)
	if err != nil {
		return wrap("read policies", err)
	}
	for _, p := range list {
		if slices.ContainsFunc(p.Conditions.Locations.Named(), func(named string) bool { return strings.EqualFold(named, id) }) {
			return fmt.Errorf("policy %s names the location %s: %w", p.ID, id, directory.ErrInUse)
		}
	}
	return nil
}

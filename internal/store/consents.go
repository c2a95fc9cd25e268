package store

import (
	"context"
	"slices"
	"strings"

	"boundgate/internal/audit"
	"boundgate/internal/directory"
)

const consentColumns = `id, user_id, client_id, resource_id, scopes, at`

// Consents returns what a user has agreed that a client may do, and what an administrator has for everybody.
func (db *DB) Consents(ctx context.Context, tenant directory.TenantID, user directory.ObjectID, client directory.AppID) ([]directory.Consent, error) {
	const query = `
		SELECT ` + consentColumns + ` FROM consents
		WHERE  tenant_id = $1 AND client_id = $2 AND (user_id = $3 OR user_id = '') ORDER BY at, id`
	return db.consents(ctx, tenant, query, tenant, client, user)
}

// AllConsents returns every consent of a tenant.
func (db *DB) AllConsents(ctx context.Context, tenant directory.TenantID) ([]directory.Consent, error) {
	const query = `SELECT ` + consentColumns + ` FROM consents WHERE tenant_id = $1 ORDER BY at, id`
	return db.consents(ctx, tenant, query, tenant)
}

func (db *DB) consents(ctx context.Context, tenant directory.TenantID, query string, args ...any) ([]directory.Consent, error) {
	list, err := collect(ctx, db.read, func(row scanner) (directory.Consent, error) {
		c := directory.Consent{Tenant: tenant}
		var scopes string
		var at int64
		err := row.Scan(&c.ID, &c.User, &c.Client, &c.Resource, &scopes, &at)
		c.Scopes, c.At = strings.Fields(scopes), fromMicros(at)
		return c, err
	}, query, args...)
	return list, wrap("read consents", err)
}

// PutConsent adds an administrator's consent.
func (db *DB) PutConsent(ctx context.Context, c directory.Consent, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error { return tx.addConsent(ctx, c) })
}

// RemoveConsent takes a consent back. Tokens that rest on it live as long as they do; no new ones are issued.
func (db *DB) RemoveConsent(ctx context.Context, tenant directory.TenantID, id string, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM consents WHERE tenant_id = $1 AND id = $2`, tenant, id)
		return must("remove consent", result, err)
	})
}

// addConsent adds a consent to what has been agreed before.
func (tx *tx) addConsent(ctx context.Context, c directory.Consent) error {
	const before = `SELECT scopes FROM consents WHERE tenant_id = $1 AND client_id = $2 AND resource_id = $3 AND user_id = $4`
	rows, err := collect(ctx, tx, func(row scanner) (text string, err error) { return text, row.Scan(&text) }, before, c.Tenant, c.Client, c.Resource, c.User)
	if err != nil {
		return wrap("read consent", err)
	}
	scopes := slices.Concat(strings.Fields(strings.Join(rows, " ")), c.Scopes)
	slices.Sort(scopes)
	const query = `
		INSERT INTO consents (tenant_id, id, user_id, client_id, resource_id, scopes, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (tenant_id, client_id, resource_id, user_id) DO UPDATE SET scopes = excluded.scopes, at = excluded.at`
	_, err = tx.ExecContext(ctx, query, c.Tenant, c.ID, c.User, c.Client, c.Resource, strings.Join(slices.Compact(scopes), " "), micros(c.At))
	return conflict("add consent", err)
}

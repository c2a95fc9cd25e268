package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"boundgate/internal/audit"
	"boundgate/internal/directory"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

const prtColumns = `hash, session_id, tenant_id, user_id, device_id, registration, session_key, kdf, origin, issued_at, expires_at, revoked_at`

// PRT returns the record of a Primary Refresh Token, revoked or not; session.ErrNotFound where there is none.
func (db *DB) PRT(ctx context.Context, hash prt.Hash) (session.PRT, error) {
	const query = `SELECT ` + prtColumns + ` FROM prts WHERE hash = $1`
	p, err := db.scanPRT(db.read.QueryRowContext(ctx, query, hash[:]))
	return p, absent("read PRT", err, session.ErrNotFound)
}

// SessionByID returns the newest Primary Refresh Token record of a session.
func (db *DB) SessionByID(ctx context.Context, home directory.TenantID, id string) (session.PRT, error) {
	const query = `
		SELECT ` + prtColumns + ` FROM prts
		WHERE  tenant_id = $1 AND session_id = $2
		ORDER  BY issued_at DESC LIMIT 1`
	p, err := db.scanPRT(db.read.QueryRowContext(ctx, query, home, id))
	return p, absent("read session", err, session.ErrNotFound)
}

func (db *DB) scanPRT(row scanner) (session.PRT, error) {
	var p session.PRT
	var hash, key, origin []byte
	var issued, expires, revoked int64
	err := row.Scan(&hash, &p.Session, &p.Tenant, &p.User, &p.Device, &p.Registration, &key, &p.KDF, &origin, &issued, &expires, &revoked)
	if err != nil {
		return p, err
	}
	copy(p.Hash[:], hash)
	p.IssuedAt, p.ExpiresAt, p.RevokedAt = fromMicros(issued), fromMicros(expires), fromMicros(revoked)
	if err := json.Unmarshal(origin, &p.Origin); err != nil {
		return p, fmt.Errorf("origin of a session: %w", err)
	}
	opened, err := db.sealer.Open(key, string(p.Tenant), "prts", rowOf(p.Hash), "session_key")
	if err != nil {
		return p, fmt.Errorf("open session key: %w", err)
	}
	p.Key, err = prt.SessionKeyFrom(opened)
	return p, err
}

// RefreshToken returns the record of a refresh token, spent, revoked or not; session.ErrNotFound where there is none.
func (db *DB) RefreshToken(ctx context.Context, hash prt.Hash) (session.RefreshToken, error) {
	const query = `
		SELECT family, tenant_id, user_id, client_id, home_tenant, home_user, session_id, device_id, registration, origin,
		       platform, resource, scope, interactive, upgraded_at, issued_at, expires_at, spent_at, revoked_at
		FROM   refresh_tokens WHERE hash = $1`
	t := session.RefreshToken{Hash: hash}
	var origin []byte
	var upgraded, issued, expires, spent, revoked int64
	err := db.read.QueryRowContext(ctx, query, hash[:]).Scan(&t.Family, &t.Tenant, &t.User, &t.Client, &t.Home, &t.HomeUser, &t.Session,
		&t.Device, &t.Registration, &origin, &t.Platform, &t.Resource, &t.Scope, &t.Interactive, &upgraded, &issued, &expires, &spent, &revoked)
	if err != nil {
		return t, absent("read refresh token", err, session.ErrNotFound)
	}
	t.UpgradedAt, t.IssuedAt, t.ExpiresAt = fromMicros(upgraded), fromMicros(issued), fromMicros(expires)
	t.SpentAt, t.RevokedAt = fromMicros(spent), fromMicros(revoked)
	if err := json.Unmarshal(origin, &t.Origin); err != nil {
		return t, fmt.Errorf("origin of a refresh token: %w", err)
	}
	return t, nil
}

// RevokeSessions ends every session of a user, and every sign-in that began before at and has not been committed yet.
func (db *DB) RevokeSessions(ctx context.Context, tenant directory.TenantID, user directory.ObjectID, at time.Time, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		return tx.revokeSessions(ctx, tenant, user, at, db.now())
	})
}

// revokeSessions ends every session of a user, and those that began before at from now on. An earlier time than one that was
// set before changes nothing: what has ended stays ended.
func (tx *tx) revokeSessions(ctx context.Context, tenant directory.TenantID, user directory.ObjectID, at, now time.Time) error {
	const query = `
		UPDATE users SET sessions_valid_from = CASE WHEN sessions_valid_from < $1 THEN $1 ELSE sessions_valid_from END
		WHERE  tenant_id = $2 AND id = $3`
	result, err := tx.ExecContext(ctx, query, micros(at), tenant, user)
	if err := must("end sessions", result, err); err != nil {
		return err
	}
	return tx.endUserSessions(ctx, tenant, user, micros(now))
}

// endUserSessions revokes what a user holds, here and as a guest elsewhere.
func (tx *tx) endUserSessions(ctx context.Context, tenant directory.TenantID, user directory.ObjectID, now int64) error {
	return tx.each(ctx, []string{
		`UPDATE prts SET revoked_at = $1 WHERE tenant_id = $2 AND user_id = $3 AND revoked_at = 0`,
		`UPDATE browser_sessions SET revoked_at = $1 WHERE tenant_id = $2 AND user_id = $3 AND revoked_at = 0`,
		`UPDATE refresh_tokens SET revoked_at = $1 WHERE home_tenant = $2 AND home_user = $3 AND revoked_at = 0`,
		`UPDATE refresh_tokens SET revoked_at = $1 WHERE tenant_id = $2 AND user_id = $3 AND home_tenant <> tenant_id AND revoked_at = 0`,
	}, now, tenant, user)
}

// endDeviceSessions revokes what is bound to a device.
func (tx *tx) endDeviceSessions(ctx context.Context, tenant directory.TenantID, id string, now int64) error {
	return tx.each(ctx, []string{
		`UPDATE prts SET revoked_at = $1 WHERE tenant_id = $2 AND device_id = $3 AND revoked_at = 0`,
		`UPDATE refresh_tokens SET revoked_at = $1 WHERE home_tenant = $2 AND device_id = $3 AND device_id <> '' AND revoked_at = 0`,
	}, now, tenant, id)
}

func (tx *tx) each(ctx context.Context, queries []string, args ...any) error {
	for _, query := range queries {
		if _, err := tx.ExecContext(ctx, query, args...); err != nil {
			return wrap("end sessions", err)
		}
	}
	return nil
}

// Sweep removes what no longer matters: spent nonces that have expired, and tokens that expired a week ago. It does so in
// transactions of at most batch records of each kind, so that sign-ins need not wait for long, until there are none left
// or ctx ends.
func (db *DB) Sweep(ctx context.Context, batch int) error {
	for {
		full := false
		err := db.writes.write(ctx, func(ctx context.Context, tx *tx) (err error) {
			full, err = tx.sweep(ctx, db.now(), batch)
			return err
		})
		if err != nil || !full {
			return err
		}
	}
}

// sweep removes one batch; full says that there may be more.
func (tx *tx) sweep(ctx context.Context, now time.Time, batch int) (full bool, err error) {
	for _, q := range []struct {
		query  string
		before time.Time
	}{
		{`DELETE FROM spent_nonces WHERE id IN (SELECT id FROM spent_nonces WHERE expires_at < $1 LIMIT $2)`, now.Add(-prt.NonceLifetime)},
		{`DELETE FROM codes WHERE hash IN (SELECT hash FROM codes WHERE expires_at < $1 LIMIT $2)`, now.Add(-time.Hour)},
		{`DELETE FROM device_codes WHERE hash IN (SELECT hash FROM device_codes WHERE expires_at < $1 LIMIT $2)`, now.Add(-time.Hour)},
		{`DELETE FROM browser_sessions WHERE expires_at < $1 AND hash IN (SELECT hash FROM browser_sessions WHERE expires_at < $1 LIMIT $2)`, now},
		{`DELETE FROM prts WHERE hash IN (SELECT hash FROM prts WHERE expires_at < $1 LIMIT $2)`, now.AddDate(0, 0, -7)},
		{`DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens WHERE expires_at < $1 LIMIT $2)`, now.AddDate(0, 0, -7)},
	} {
		result, err := tx.ExecContext(ctx, q.query, micros(q.before), batch)
		if err != nil {
			return false, wrap("remove what has expired", err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return false, wrap("remove what has expired", err)
		}
		full = full || n > 0 && n == int64(batch)
	}
	return full, nil
}

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
	"boundgate/internal/prt"
	"boundgate/internal/session"
	"boundgate/internal/signinlog"
)

// Commit makes what a sign-in leaves behind durable: its effects and its rows, all or nothing. It returns after the fsync.
// A conflict of package journal means that another request was first and that nothing of this one has happened.
func (db *DB) Commit(ctx context.Context, r journal.Record) error {
	keys, err := db.sealEffects(r.Effects)
	if err != nil {
		return err
	}
	rows, err := canonicals(r.Rows)
	if err != nil {
		return err
	}
	return db.writes.write(ctx, func(ctx context.Context, tx *tx) error {
		if err := tx.apply(ctx, r.Effects, keys, micros(db.now())); err != nil {
			return err
		}
		for _, canonical := range rows {
			if err := tx.appendRow(ctx, canonical); err != nil {
				return err
			}
		}
		return nil
	})
}

// canonicals marshals rows once, before the committer's turn.
func canonicals(rows []*signinlog.Row) ([][]byte, error) {
	out := make([][]byte, 0, len(rows))
	for _, r := range rows {
		b, err := r.Canonical()
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// appendRow puts a row into the intake as the next of this writer's chain.
func (tx *tx) appendRow(ctx context.Context, canonical []byte) error {
	next := chain{writer: tx.chain.writer, seq: tx.chain.seq + 1} // from 1
	next.hash = signinlog.Link(next.writer, next.seq, tx.chain.hash, canonical)
	const query = `INSERT INTO intake (writer, seq, hash, canonical) VALUES ($1, $2, $3, $4)`
	if _, err := tx.ExecContext(ctx, query, next.writer, next.seq, next.hash[:], canonical); err != nil {
		return wrap("append sign-in row", err)
	}
	*tx.chain = next
	return nil
}

// apply carries out effects, each with its condition.
func (tx *tx) apply(ctx context.Context, e journal.Effects, keys sealedEffects, now int64) error {
	for _, n := range e.SpendNonces {
		if err := tx.spendNonce(ctx, n); err != nil {
			return err
		}
	}
	if e.Subject != nil {
		if err := tx.checkSubject(ctx, *e.Subject); err != nil {
			return err
		}
	}
	if e.Device != nil {
		if err := tx.useDevice(ctx, *e.Device); err != nil {
			return err
		}
	}
	for _, hash := range e.SpendTokens {
		if err := tx.spendToken(ctx, hash, now); err != nil {
			return err
		}
	}
	for _, hash := range e.UpgradeTokens {
		if err := tx.upgradeToken(ctx, hash, now); err != nil {
			return err
		}
	}
	for _, family := range e.RevokeFamilies {
		const query = `UPDATE refresh_tokens SET revoked_at = $1 WHERE family = $2 AND revoked_at = 0`
		if _, err := tx.ExecContext(ctx, query, now, family); err != nil {
			return wrap("revoke family", err)
		}
	}
	if err := tx.applyInteractive(ctx, e, now); err != nil {
		return err
	}
	if err := tx.applyFactors(ctx, e, keys.factors); err != nil {
		return err
	}
	for _, row := range e.Audit {
		if err := tx.audit(ctx, row); err != nil {
			return err
		}
	}
	for n, p := range e.NewPRTs {
		if err := tx.insertPRT(ctx, p, keys.sessions[n]); err != nil {
			return err
		}
	}
	for _, t := range e.NewRefreshTokens {
		if err := tx.insertRefreshToken(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (tx *tx) spendNonce(ctx context.Context, n journal.SpentNonce) error {
	const query = `INSERT INTO spent_nonces (id, expires_at) VALUES ($1, $2)`
	_, err := tx.ExecContext(ctx, query, n.ID[:], micros(n.Expires))
	if isDuplicate(err) {
		return journal.ErrNonceSpent
	}
	return wrap("spend nonce", err)
}

// checkSubject refuses where the user has been disabled or deleted since the decision, or the session ended.
func (tx *tx) checkSubject(ctx context.Context, s journal.Subject) error {
	const query = `
		SELECT 1 FROM users
		WHERE  tenant_id = $1 AND id = $2 AND enabled AND sessions_valid_from <= $3 AND password_changed_at <= $3
		  AND  ($4 = 0 OR password_changed_at = $4)`
	var one int
	err := tx.QueryRowContext(ctx, query, s.Tenant, s.User, micros(s.AuthTime), micros(s.PasswordChangedAt)).Scan(&one)
	return absent("check user", err, journal.ErrChanged)
}

// useDevice notes a device's activity, where its registration still stands. Commits may arrive in another order than their
// requests.
func (tx *tx) useDevice(ctx context.Context, u journal.DeviceUse) error {
	const query = `
		UPDATE devices SET last_activity = CASE WHEN last_activity < $1 THEN $1 ELSE last_activity END
		WHERE  tenant_id = $2 AND id = $3 AND registration = $4 AND enabled`
	result, err := tx.ExecContext(ctx, query, micros(u.At), u.Tenant, u.Device, u.Registration)
	if err := must("use device", result, err); errors.Is(err, directory.ErrNotFound) {
		return journal.ErrChanged
	} else if err != nil {
		return err
	}
	return nil
}

func (tx *tx) spendToken(ctx context.Context, hash prt.Hash, now int64) error {
	const query = `UPDATE refresh_tokens SET spent_at = $1 WHERE hash = $2 AND spent_at = 0 AND revoked_at = 0`
	return tx.onToken(ctx, hash, query, now)
}

func (tx *tx) upgradeToken(ctx context.Context, hash prt.Hash, now int64) error {
	const query = `UPDATE refresh_tokens SET upgraded_at = $1 WHERE hash = $2 AND upgraded_at = 0 AND revoked_at = 0 AND spent_at = 0`
	return tx.onToken(ctx, hash, query, now)
}

// onToken runs an update that a token's state may forbid, and says which state it was. A token that is not there was
// removed, which ends it like a revocation.
func (tx *tx) onToken(ctx context.Context, hash prt.Hash, update string, now int64) error {
	result, err := tx.ExecContext(ctx, update, now, hash[:])
	if err := must("refresh token", result, err); !errors.Is(err, directory.ErrNotFound) {
		return err
	}
	const query = `SELECT revoked_at, spent_at FROM refresh_tokens WHERE hash = $1`
	var revoked, spent int64
	if err := tx.QueryRowContext(ctx, query, hash[:]).Scan(&revoked, &spent); err != nil {
		return absent("refresh token", err, journal.ErrTokenRevoked)
	}
	switch {
	case revoked != 0:
		return journal.ErrTokenRevoked
	case spent != 0:
		return journal.ErrTokenSpent
	}
	return journal.ErrUpgraded
}

// sealedEffects are the secrets of effects, sealed before the committer's turn.
type sealedEffects struct{ sessions, factors [][]byte }

func (db *DB) sealEffects(e journal.Effects) (s sealedEffects, err error) {
	if s.sessions, err = db.sealKeys(e.NewPRTs); err != nil {
		return s, err
	}
	s.factors, err = db.sealFactors(e.NewFactors)
	return s, err
}

func (db *DB) sealKeys(prts []session.PRT) ([][]byte, error) {
	keys := make([][]byte, 0, len(prts))
	for _, p := range prts {
		sealed, err := db.sealer.Seal(p.Key.Reveal(), string(p.Tenant), "prts", rowOf(p.Hash), "session_key")
		if err != nil {
			return nil, fmt.Errorf("seal session key: %w", err)
		}
		keys = append(keys, sealed)
	}
	return keys, nil
}

func rowOf(hash prt.Hash) string { return fmt.Sprintf("%x", hash[:]) }

func (tx *tx) insertPRT(ctx context.Context, p session.PRT, key []byte) error {
	origin, err := json.Marshal(p.Origin)
	if err != nil {
		return wrap("encode origin", err)
	}
	const query = `
		INSERT INTO prts (hash, session_id, tenant_id, user_id, device_id, registration, session_key, kdf, origin, issued_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	_, err = tx.ExecContext(ctx, query, p.Hash[:], p.Session, p.Tenant, p.User, p.Device, p.Registration, key, p.KDF, string(origin),
		micros(p.IssuedAt), micros(p.ExpiresAt))
	return wrap("insert PRT", err)
}

func (tx *tx) insertRefreshToken(ctx context.Context, t session.RefreshToken) error {
	if t.Home != t.Tenant {
		// The effects' subject is the account at home. The guest's account may have been disabled meanwhile: the token must
		// not come to life when it is enabled again.
		guest := journal.Subject{Tenant: t.Tenant, User: t.User, AuthTime: t.Origin.AuthTime}
		if err := tx.checkSubject(ctx, guest); err != nil {
			return err
		}
	}
	origin, err := json.Marshal(t.Origin)
	if err != nil {
		return wrap("encode origin", err)
	}
	const query = `
		INSERT INTO refresh_tokens (hash, family, tenant_id, user_id, client_id, home_tenant, home_user, session_id, device_id,
		                            registration, origin, platform, resource, scope, interactive, issued_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`
	_, err = tx.ExecContext(ctx, query, t.Hash[:], t.Family, t.Tenant, t.User, t.Client, t.Home, t.HomeUser, t.Session, t.Device,
		t.Registration, string(origin), t.Platform, t.Resource, t.Scope, t.Interactive, micros(t.IssuedAt), micros(t.ExpiresAt))
	return wrap("insert refresh token", err)
}

// Register makes a device registration durable with its effects and its audit row. device.ErrQuota says that the owner has
// as many devices as allowed, directory.ErrExists that another device has the key, journal.ErrChanged that the device which
// registers anew has been disabled meanwhile. A hybrid join has no owner and no quota.
func (db *DB) Register(ctx context.Context, r journal.Registration, e journal.Effects, row audit.Entry) error {
	keys, err := db.sealEffects(e)
	if err != nil {
		return err
	}
	return db.writes.write(ctx, func(ctx context.Context, tx *tx) error {
		if err := tx.apply(ctx, e, keys, micros(db.now())); err != nil {
			return err
		}
		if err := tx.checkQuota(ctx, r); err != nil {
			return err
		}
		register := tx.insertDevice
		if r.Replaces {
			register = tx.replaceRegistration
		}
		if err := register(ctx, r.Device); err != nil {
			return err
		}
		// No session of an earlier registration goes on (P05).
		if err := tx.endDeviceSessions(ctx, r.Device.Tenant, r.Device.ID, micros(db.now())); err != nil {
			return err
		}
		return tx.audit(ctx, row)
	})
}

func (tx *tx) checkQuota(ctx context.Context, r journal.Registration) error {
	if r.Device.Owner == "" || r.Device.TrustType == device.HybridJoined {
		return nil
	}
	// A device that registers anew does not count twice.
	const query = `SELECT count(*) FROM devices WHERE tenant_id = $1 AND owner = $2 AND registration <> '' AND id <> $3`
	var n int
	if err := tx.QueryRowContext(ctx, query, r.Device.Tenant, r.Device.Owner, r.Device.ID).Scan(&n); err != nil {
		return wrap("count devices", err)
	}
	if n >= r.Quota {
		return device.ErrQuota
	}
	return nil
}

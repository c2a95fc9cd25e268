package store

import (
	"context"
	"encoding/json"
	"errors"

	"boundgate/internal/directory"
	"boundgate/internal/journal"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

// BrowserSessions returns the accounts that are or were signed in in the browser with a cookie, the newest first.
func (db *DB) BrowserSessions(ctx context.Context, hash prt.Hash) ([]session.Browser, error) {
	const query = `SELECT document, revoked_at FROM browser_sessions WHERE hash = $1`
	list, err := collect(ctx, db.read, func(row scanner) (session.Browser, error) {
		b := session.Browser{Hash: hash}
		var revoked int64
		err := scanInto(row, &b, &revoked)
		b.RevokedAt = fromMicros(revoked)
		return b, err
	}, query, hash[:])
	return newestFirst(list), wrap("read browser sessions", err)
}

func newestFirst(list []session.Browser) []session.Browser {
	for i := range list {
		for j := i; j > 0 && list[j].IssuedAt.After(list[j-1].IssuedAt); j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	return list
}

// scanInto reads a row whose first column is a JSON document.
func scanInto(row scanner, into any, more ...any) error {
	var document []byte
	if err := row.Scan(append([]any{&document}, more...)...); err != nil {
		return err
	}
	return json.Unmarshal(document, into)
}

// SignOut ends what is signed in in a browser: one account of it, or all where user is "".
func (db *DB) SignOut(ctx context.Context, hash prt.Hash, user directory.ObjectID) error {
	const query = `UPDATE browser_sessions SET revoked_at = $1 WHERE hash = $2 AND ($3 = '' OR user_id = $3) AND revoked_at = 0`
	return db.writes.write(ctx, func(ctx context.Context, tx *tx) error {
		_, err := tx.ExecContext(ctx, query, micros(db.now()), hash[:], user)
		return wrap("sign out", err)
	})
}

// Code returns the record of an authorization code, spent or not; session.ErrNotFound where there is none.
func (db *DB) Code(ctx context.Context, hash prt.Hash) (session.Code, error) {
	const query = `SELECT document, spent_at FROM codes WHERE hash = $1`
	c := session.Code{Hash: hash}
	var spent int64
	if err := scanInto(db.read.QueryRowContext(ctx, query, hash[:]), &c, &spent); err != nil {
		return c, absent("read code", err, session.ErrNotFound)
	}
	c.SpentAt = fromMicros(spent)
	return c, nil
}

const deviceCodeColumns = `document, hash, user_code, answered, approval, spent_at`

// DeviceCode returns the record of a device code; session.ErrNotFound where there is none.
func (db *DB) DeviceCode(ctx context.Context, hash prt.Hash) (session.DeviceCode, error) {
	const query = `SELECT ` + deviceCodeColumns + ` FROM device_codes WHERE hash = $1`
	c, err := scanDeviceCode(db.read.QueryRowContext(ctx, query, hash[:]))
	return c, absent("read device code", err, session.ErrNotFound)
}

// DeviceCodeByUserCode returns the record of the device code that a user code stands for.
func (db *DB) DeviceCodeByUserCode(ctx context.Context, userCode prt.Hash) (session.DeviceCode, error) {
	const query = `SELECT ` + deviceCodeColumns + ` FROM device_codes WHERE user_code = $1`
	c, err := scanDeviceCode(db.read.QueryRowContext(ctx, query, userCode[:]))
	return c, absent("read device code", err, session.ErrNotFound)
}

func scanDeviceCode(row scanner) (session.DeviceCode, error) {
	var c session.DeviceCode
	var hash, userCode, approval []byte
	var answered bool
	var spent int64
	if err := scanInto(row, &c, &hash, &userCode, &answered, &approval, &spent); err != nil {
		return c, err
	}
	copy(c.Hash[:], hash)
	copy(c.UserCode[:], userCode)
	c.SpentAt, c.Declined = fromMicros(spent), answered && len(approval) == 0
	if len(approval) == 0 {
		return c, nil
	}
	c.Approval = &session.Approval{}
	return c, json.Unmarshal(approval, c.Approval)
}

// PutDeviceCode keeps a device authorization request. directory.ErrExists says that its user code is in use.
func (db *DB) PutDeviceCode(ctx context.Context, c session.DeviceCode) error {
	document, err := json.Marshal(c)
	if err != nil {
		return wrap("encode device code", err)
	}
	return db.writes.write(ctx, func(ctx context.Context, tx *tx) error {
		const query = `INSERT INTO device_codes (hash, user_code, document, expires_at) VALUES ($1, $2, $3, $4)`
		_, err := tx.ExecContext(ctx, query, c.Hash[:], c.UserCode[:], string(document), micros(c.ExpiresAt))
		return conflict("keep device code", err)
	})
}

// applyInteractive carries out the effects that belong to browsers and codes.
func (tx *tx) applyInteractive(ctx context.Context, e journal.Effects, now int64) error {
	for _, hash := range e.SpendCodes {
		const query = `UPDATE codes SET spent_at = $1 WHERE hash = $2 AND spent_at = 0`
		if err := tx.once(ctx, "spend code", query, now, hash[:]); err != nil {
			return err
		}
	}
	for _, hash := range e.SpendDeviceCodes {
		const query = `UPDATE device_codes SET spent_at = $1 WHERE hash = $2 AND spent_at = 0 AND approval <> ''`
		if err := tx.once(ctx, "spend device code", query, now, hash[:]); err != nil {
			return err
		}
	}
	if e.AnswerDeviceCode != nil {
		if err := tx.answerDeviceCode(ctx, *e.AnswerDeviceCode); err != nil {
			return err
		}
	}
	for _, c := range e.NewCodes {
		if err := tx.insertCode(ctx, c); err != nil {
			return err
		}
	}
	for _, c := range e.NewConsents {
		if err := tx.addConsent(ctx, c); err != nil {
			return err
		}
	}
	if e.Browser != nil {
		return tx.signInBrowser(ctx, *e.Browser)
	}
	return nil
}

// once runs an update that can happen once only.
func (tx *tx) once(ctx context.Context, what, query string, args ...any) error {
	result, err := tx.ExecContext(ctx, query, args...)
	if err := must(what, result, err); errors.Is(err, directory.ErrNotFound) {
		return journal.ErrCodeSpent
	} else if err != nil {
		return err
	}
	return nil
}

func (tx *tx) answerDeviceCode(ctx context.Context, a journal.DeviceCodeAnswer) error {
	approval := []byte{}
	if a.Approval != nil {
		var err error
		if approval, err = json.Marshal(a.Approval); err != nil {
			return wrap("encode approval", err)
		}
	}
	const query = `UPDATE device_codes SET answered = TRUE, approval = $1 WHERE hash = $2 AND NOT answered`
	return tx.once(ctx, "answer device code", query, string(approval), a.Code[:])
}

func (tx *tx) insertCode(ctx context.Context, c session.Code) error {
	if c.Home != c.Tenant {
		guest := journal.Subject{Tenant: c.Tenant, User: c.User, AuthTime: c.Origin.AuthTime}
		if err := tx.checkSubject(ctx, guest); err != nil {
			return err
		}
	}
	document, err := json.Marshal(c)
	if err != nil {
		return wrap("encode code", err)
	}
	const query = `INSERT INTO codes (hash, document, expires_at) VALUES ($1, $2, $3)`
	_, err = tx.ExecContext(ctx, query, c.Hash[:], string(document), micros(c.ExpiresAt))
	return wrap("insert code", err)
}

// signInBrowser gives a browser's accounts their new cookie and adds or replaces one of them.
func (tx *tx) signInBrowser(ctx context.Context, b journal.BrowserSignIn) error {
	r := b.Record
	if b.Before != (prt.Hash{}) && b.Before != r.Hash {
		const move = `UPDATE browser_sessions SET hash = $1 WHERE hash = $2`
		if _, err := tx.ExecContext(ctx, move, r.Hash[:], b.Before[:]); err != nil {
			return wrap("move browser sessions", err)
		}
	}
	document, err := json.Marshal(r)
	if err != nil {
		return wrap("encode browser session", err)
	}
	const query = `
		INSERT INTO browser_sessions (hash, tenant_id, user_id, document, expires_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (hash, tenant_id, user_id) DO UPDATE
		SET document = excluded.document, expires_at = excluded.expires_at, revoked_at = 0`
	_, err = tx.ExecContext(ctx, query, r.Hash[:], r.Tenant, r.User, string(document), micros(r.ExpiresAt))
	return wrap("insert browser session", err)
}

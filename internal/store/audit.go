package store

import (
	"context"
	"encoding/json"
	"math"

	"boundgate/internal/audit"
	"boundgate/internal/directory"
)

// change carries out an administrator's change and appends its audit row in the same transaction.
func (db *DB) change(ctx context.Context, row audit.Entry, do func(ctx context.Context, tx *tx) error) error {
	return db.writes.write(ctx, func(ctx context.Context, tx *tx) error {
		if err := do(ctx, tx); err != nil {
			return err
		}
		return tx.audit(ctx, row)
	})
}

func (tx *tx) audit(ctx context.Context, row audit.Entry) error {
	document, err := json.Marshal(row)
	if err != nil {
		return wrap("encode audit row", err)
	}
	const query = `INSERT INTO audit (id, tenant_id, at, document) VALUES ($1, $2, $3, $4)`
	_, err = tx.ExecContext(ctx, query, row.ID, row.Tenant, micros(row.At), string(document))
	return conflict("append audit row", err)
}

// AppendAudit appends a row about something that changed nothing else, such as a refused registration.
func (db *DB) AppendAudit(ctx context.Context, row audit.Entry) error {
	return db.change(ctx, row, func(context.Context, *tx) error { return nil })
}

// AuditEntries returns audit rows of a tenant, the newest first.
func (db *DB) AuditEntries(ctx context.Context, tenant directory.TenantID, q audit.Query) ([]audit.Entry, error) {
	const query = `
		SELECT document FROM audit
		WHERE  tenant_id = $1 AND at >= $2 AND at <= $3
		  AND  ($4 = '' OR sequence < (SELECT sequence FROM audit WHERE tenant_id = $1 AND id = $4))
		ORDER  BY sequence DESC LIMIT $5`
	to := int64(math.MaxInt64)
	if !q.To.IsZero() {
		to = micros(q.To)
	}
	list, err := collect(ctx, db.read, scanEntry, query, tenant, micros(q.From), to, q.After, q.Limit)
	return list, wrap("read audit rows", err)
}

// scanEntry reads an audit row. JSON has one word for a document that is null and one that is missing; audit rows have the
// latter only.
func scanEntry(row scanner) (audit.Entry, error) {
	e, err := scanDocument[audit.Entry](row)
	for _, document := range []*json.RawMessage{&e.Before, &e.After} {
		if string(*document) == "null" {
			*document = nil
		}
	}
	return e, err
}

// scanDocument reads a row whose only column is a JSON document.
func scanDocument[T any](row scanner) (T, error) {
	var v T
	var document []byte
	if err := row.Scan(&document); err != nil {
		return v, err
	}
	err := json.Unmarshal(document, &v)
	return v, err
}

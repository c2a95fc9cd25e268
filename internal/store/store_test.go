package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"boundgate/internal/seal"
	"boundgate/internal/store"
	"boundgate/internal/store/storetest"
)

// keyring seals as the server does.
type keyring struct{ *seal.Keyring }

func (k keyring) Seal(plaintext []byte, tenant, table, row, column string) ([]byte, error) {
	return k.Keyring.Seal(plaintext, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

func (k keyring) Open(sealed []byte, tenant, table, row, column string) ([]byte, error) {
	return k.Keyring.Open(sealed, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

// TestSQLite holds SQLite to the promises of the state store.
func TestSQLite(t *testing.T) {
	sealer := keyring{seal.Generate()}
	storetest.Run(t, func(place string, now func() time.Time) (*store.DB, error) {
		return store.Open(t.Context(), store.Options{Path: filepath.Join(place, "state.db"), Sealer: sealer, Now: now, Writer: storetest.Writer})
	})
}

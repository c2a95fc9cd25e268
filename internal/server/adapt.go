package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"boundgate/internal/admin"
	"boundgate/internal/directory"
	"boundgate/internal/seal"
	"boundgate/internal/store"
	"boundgate/internal/token"
)

// sealer lets the store seal without knowing the keyring.
type sealer struct{ keys *seal.Keyring }

func (s sealer) Seal(plaintext []byte, tenant, table, row, column string) ([]byte, error) {
	return s.keys.Seal(plaintext, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

func (s sealer) Open(sealed []byte, tenant, table, row, column string) ([]byte, error) {
	return s.keys.Open(sealed, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

// An authenticator tells whom an access token for a management API speaks of. Whether the account still stands and which
// roles it holds is looked up at each request: what was revoked ends at once (P06).
type authenticator struct {
	tokens    *token.Verifier
	directory *store.DB
	address   func(*http.Request) string
}

func (a authenticator) caller(ctx context.Context, bearer string, audience directory.AppID) (admin.Caller, error) {
	claims, err := a.tokens.VerifyAccessToken(ctx, bearer, audience)
	if err != nil {
		return admin.Caller{}, err
	}
	user, err := a.directory.UserByID(ctx, claims.Tenant, claims.User)
	if errors.Is(err, directory.ErrNotFound) {
		return admin.Caller{}, admin.ErrSignedOut
	}
	if err != nil {
		return admin.Caller{}, fmt.Errorf("look the caller up: %w", err)
	}
	if !user.Enabled || claims.AuthTime.Before(user.SessionsValidFrom) || claims.AuthTime.Before(user.PasswordChangedAt) {
		return admin.Caller{}, admin.ErrSignedOut
	}
	_, roles, err := a.directory.Memberships(ctx, claims.Tenant, claims.User)
	if err != nil {
		return admin.Caller{}, fmt.Errorf("look the caller's roles up: %w", err)
	}
	return admin.Caller{Tenant: claims.Tenant, User: claims.User, UPN: user.UPN, Roles: roles, App: claims.Client}, nil
}

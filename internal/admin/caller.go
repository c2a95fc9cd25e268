package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"boundgate/internal/directory"
)

// A Subject is whom a verified access token speaks of.
type Subject struct {
	Tenant   directory.TenantID
	User     directory.ObjectID
	App      directory.AppID
	AuthTime time.Time // when the person proved who they are
}

// CallerFor returns the caller that a verified access token stands for, with the roles that they hold now: taking a role
// away, disabling the account or ending its sessions counts at the next request. ErrSignedOut where the account no longer
// stands.
func (s *Service) CallerFor(ctx context.Context, subject Subject) (Caller, error) {
	u, err := s.Store.UserByID(ctx, subject.Tenant, subject.User)
	if errors.Is(err, directory.ErrNotFound) {
		return Caller{}, ErrSignedOut
	}
	if err != nil {
		return Caller{}, fmt.Errorf("find the caller: %w", err)
	}
	if !u.Enabled || subject.AuthTime.Before(u.SessionsValidFrom) || subject.AuthTime.Before(u.PasswordChangedAt) {
		return Caller{}, ErrSignedOut
	}
	roles, err := s.rolesOf(ctx, subject.Tenant, subject.User)
	if err != nil {
		return Caller{}, err
	}
	return Caller{Tenant: subject.Tenant, User: u.ID, UPN: u.UPN, App: subject.App, Roles: roles}, nil
}

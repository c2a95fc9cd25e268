// Package setup is the first start: it makes the operator's own tenant with its first administrator, on an empty store and
// never again. Everything after that goes through the running server.
package setup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/audit"
	"boundgate/internal/directory"
)

// ErrDone means that the first start has happened.
var ErrDone = errors.New("setup: the operator's tenant exists")

// operatorSecret names the tenant whose administrators may make further tenants.
const operatorSecret = "operator-tenant"

// Store is what the first start writes.
type Store interface {
	Secret(ctx context.Context, name string) ([]byte, bool, error)
	// FoundTenant makes a tenant with everything that it begins with, all or nothing; directory.ErrExists where there is an
	// operator's tenant already.
	FoundTenant(ctx context.Context, f directory.Founding, rows ...audit.Entry) error
}

// Hasher hashes the first administrator's password.
type Hasher interface {
	Hash(ctx context.Context, password string) (string, error)
}

// An Organisation is the tenant to make.
type Organisation struct {
	DisplayName string
	Domain      string
	// Licensed gives the tenant a P1 licence for so many users; 0 for none.
	Licensed int
}

// An Administrator is the account that the first start made. The password is shown once.
type Administrator struct {
	Tenant   directory.TenantID
	UPN      string
	Password string
}

// Operator returns the operator's tenant; false before the first start.
func Operator(ctx context.Context, s Store) (directory.TenantID, bool, error) {
	id, ok, err := s.Secret(ctx, operatorSecret)
	return directory.TenantID(id), ok, err
}

// First makes the operator's tenant. The administrator is a break-glass account: it should be kept out of every policy.
func First(ctx context.Context, s Store, h Hasher, o Organisation, at time.Time) (Administrator, error) {
	if _, done, err := Operator(ctx, s); err != nil || done {
		return Administrator{}, errors.Join(err, doneIf(done))
	}
	tenant := directory.Tenant{
		ID: directory.TenantID(uuid.NewString()), DisplayName: o.DisplayName, CreatedAt: at,
		Domains: []directory.Domain{{Name: strings.ToLower(o.Domain), Verified: true, Initial: true}},
	}
	admin := Administrator{Tenant: tenant.ID, UPN: "admin@" + strings.ToLower(o.Domain), Password: rand.Text()}
	hash, err := h.Hash(ctx, admin.Password)
	if err != nil {
		return Administrator{}, fmt.Errorf("hash the administrator's password: %w", err)
	}
	user := directory.User{
		ID: directory.ObjectID(uuid.NewString()), Tenant: tenant.ID, UPN: admin.UPN, DisplayName: "Administrator", Enabled: true,
		Type: directory.Member, EmergencyAccess: true, PasswordHash: hash, PasswordChangedAt: at, SessionsValidFrom: at, CreatedAt: at,
	}
	row := func(activity, kind, id, name string) audit.Entry {
		return audit.Entry{
			ID: uuid.NewString(), Tenant: tenant.ID, At: at, Actor: audit.Actor{Service: "set-up"}, Activity: activity,
			Category: "DirectoryManagement", TargetType: kind, TargetID: id, TargetName: name,
		}
	}
	founding := directory.Founding{Tenant: tenant, Administrator: user, Licence: licence(o.Licensed), Operator: true}
	rows := []audit.Entry{
		row("Create tenant", "Tenant", string(tenant.ID), tenant.DisplayName), row("Add user", "User", string(user.ID), user.UPN),
		row("Add member to role", "User", string(user.ID), user.UPN),
	}
	if l := founding.Licence; l != nil {
		rows = append(rows, row("Set licence", "Licence", l.SKUID, l.SKUPartNumber))
	}
	if err := s.FoundTenant(ctx, founding, rows...); err != nil {
		return Administrator{}, refused(ctx, s, o, err)
	}
	return admin, nil
}

// refused says why there was no founding: where something of it existed already, another first start was first, or a tenant
// that is not the operator's has the domain.
func refused(ctx context.Context, s Store, o Organisation, err error) error {
	if !errors.Is(err, directory.ErrExists) {
		return fmt.Errorf("first start: %w", err)
	}
	_, done, unread := Operator(ctx, s)
	if done || unread != nil {
		return errors.Join(doneIf(done), unread, err)
	}
	return fmt.Errorf("first start: there is something of %s, though no operator's tenant: choose another domain, or an empty data directory: %w", o.Domain, err)
}

func doneIf(done bool) error {
	if done {
		return ErrDone
	}
	return nil
}

// licence is a P1 licence for so many users; nil for none.
func licence(units int) *directory.Licence {
	if units == 0 {
		return nil
	}
	return &directory.Licence{
		SKUID: "078d2b04-f1bd-4111-bbd4-b4b1b354cef4", SKUPartNumber: directory.SKUPartNumberP1,
		CapabilityStatus: directory.CapabilityActive, Units: units, ServicePlans: []string{directory.ServicePlanP1},
	}
}

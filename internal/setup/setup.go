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
	PutSecret(ctx context.Context, name string, value []byte) ([]byte, error)
	CreateTenant(ctx context.Context, t directory.Tenant, e audit.Entry) error
	CreateUser(ctx context.Context, u directory.User, e audit.Entry) error
	AssignRole(ctx context.Context, tenant directory.TenantID, role directory.Role, user directory.ObjectID, e audit.Entry) error
	SetLicence(ctx context.Context, tenant directory.TenantID, l directory.Licence, e audit.Entry) error
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
	steps := []func() error{
		func() error {
			return s.CreateTenant(ctx, tenant, row("Create tenant", "Tenant", string(tenant.ID), tenant.DisplayName))
		},
		func() error { return s.CreateUser(ctx, user, row("Add user", "User", string(user.ID), user.UPN)) },
		func() error {
			return s.AssignRole(ctx, tenant.ID, directory.GlobalAdministrator, user.ID, row("Add member to role", "User", string(user.ID), user.UPN))
		},
		func() error { return license(ctx, s, tenant.ID, o.Licensed, row) },
		func() error { _, err := s.PutSecret(ctx, operatorSecret, []byte(tenant.ID)); return err },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return Administrator{}, fmt.Errorf("first start: %w", err)
		}
	}
	return admin, nil
}

func doneIf(done bool) error {
	if done {
		return ErrDone
	}
	return nil
}

func license(ctx context.Context, s Store, tenant directory.TenantID, units int, row func(activity, kind, id, name string) audit.Entry) error {
	if units == 0 {
		return nil
	}
	l := directory.Licence{
		SKUID: "078d2b04-f1bd-4111-bbd4-b4b1b354cef4", SKUPartNumber: directory.SKUPartNumberP1,
		CapabilityStatus: directory.CapabilityActive, Units: units, ServicePlans: []string{directory.ServicePlanP1},
	}
	return s.SetLicence(ctx, tenant, l, row("Set licence", "Licence", l.SKUID, l.SKUPartNumber))
}

// Package selfservice is what people may do with their own account: see their devices, recent sign-ins and second factors,
// disable a device that is lost, and end every session when a sign-in was not theirs.
package selfservice

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/factor"
	"boundgate/internal/signinlog"
)

// Store is what the person's own account is kept in. Every write takes the audit row that goes into the same transaction.
type Store interface {
	Devices(ctx context.Context, tenant directory.TenantID) ([]device.Device, error)
	DeviceByID(ctx context.Context, tenant directory.TenantID, id string) (device.Device, error)
	UpdateDevice(ctx context.Context, d device.Device, e audit.Entry) error
	FactorsOf(ctx context.Context, tenant directory.TenantID, user directory.ObjectID) ([]factor.Factor, error)
	RevokeSessions(ctx context.Context, tenant directory.TenantID, user directory.ObjectID, at time.Time, e audit.Entry) error
}

// SignIns reads the sign-in log: the person's newest rows.
type SignIns interface {
	Recent(ctx context.Context, tenant directory.TenantID, user directory.ObjectID, limit int) ([]signinlog.Row, error)
}

// A Service serves people's own accounts.
type Service struct {
	Store   Store
	SignIns SignIns
	Now     func() time.Time
}

// A Caller is the person, as signed in in the browser.
type Caller struct {
	Tenant        directory.TenantID
	User          directory.ObjectID
	UPN           string
	Address       string
	CorrelationID string
}

// An Overview is what people see of their account.
type Overview struct {
	Devices []device.Device
	SignIns []signinlog.Row
	Factors []factor.Factor
}

// recent is how many sign-ins are shown.
const recent = 50

// Overview returns a person's devices, recent sign-ins and second factors.
func (s *Service) Overview(ctx context.Context, tenant directory.TenantID, user directory.ObjectID) (Overview, error) {
	var o Overview
	all, err := s.Store.Devices(ctx, tenant)
	if err != nil {
		return o, fmt.Errorf("list devices: %w", err)
	}
	for _, d := range all {
		if d.Owner == user && d.Registration != "" {
			o.Devices = append(o.Devices, d)
		}
	}
	if o.SignIns, err = s.SignIns.Recent(ctx, tenant, user, recent); err != nil {
		return o, fmt.Errorf("read recent sign-ins: %w", err)
	}
	o.Factors, err = s.Store.FactorsOf(ctx, tenant, user)
	return o, err
}

// DisableDevice disables a device of the person's own; every session on it ends (P06). directory.ErrNotFound says that the
// person has no such device.
func (s *Service) DisableDevice(ctx context.Context, who Caller, id string) error {
	d, err := s.Store.DeviceByID(ctx, who.Tenant, id)
	if err != nil || d.Owner != who.User {
		return fmt.Errorf("disable a lost device: %w", directory.ErrNotFound)
	}
	d.Enabled = false
	e := s.entry(who, "Disable own device", "Device", string(d.ObjectID), d.DisplayName)
	return s.Store.UpdateDevice(ctx, d, e)
}

// SignOutEverywhere ends every session of the person.
func (s *Service) SignOutEverywhere(ctx context.Context, who Caller) error {
	return s.revoke(ctx, who, s.entry(who, "Revoke own sign-in sessions", "User", string(who.User), who.UPN))
}

// Report ends every session of a person who says that a sign-in was not theirs, and keeps which one.
func (s *Service) Report(ctx context.Context, who Caller, signIn string) error {
	e := s.entry(who, "Report sign-in as not mine", "User", string(who.User), who.UPN)
	after, err := json.Marshal(map[string]string{"signInId": signIn})
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	e.After = after
	return s.revoke(ctx, who, e)
}

func (s *Service) revoke(ctx context.Context, who Caller, e audit.Entry) error {
	if err := s.Store.RevokeSessions(ctx, who.Tenant, who.User, s.Now(), e); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

func (s *Service) entry(who Caller, activity, kind, id, name string) audit.Entry {
	return audit.Entry{
		ID: uuid.NewString(), Tenant: who.Tenant, At: s.Now(), Activity: activity, Category: "UserManagement",
		Actor:      audit.Actor{Tenant: who.Tenant, User: who.User, UPN: who.UPN, IPAddress: who.Address, CorrelationID: who.CorrelationID},
		TargetType: kind, TargetID: id, TargetName: name,
	}
}

// Package registrationtest is a small working state store, in memory, for tests of device registration.
package registrationtest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
)

// A Store keeps tenants, users, devices, spent nonces and audit rows, with the rules of the real one: ids and keys are
// unique in a tenant, quotas hold, and what is spent is spent once. The zero value is empty and ready.
type Store struct {
	mu      sync.Mutex
	tenants []directory.Tenant
	users   []directory.User
	devices []device.Device
	spent   map[[32]byte]time.Time
	rows    []audit.Entry
	// Broken, where set, is what every call returns.
	Broken error
}

// AddTenant makes or replaces a tenant.
func (s *Store) AddTenant(t directory.Tenant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tenants = slices.DeleteFunc(s.tenants, func(old directory.Tenant) bool { return old.ID == t.ID })
	s.tenants = append(s.tenants, t)
}

// AddUser makes or replaces a user.
func (s *Store) AddUser(u directory.User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = slices.DeleteFunc(s.users, func(old directory.User) bool { return old.Tenant == u.Tenant && old.ID == u.ID })
	s.users = append(s.users, u)
}

// AddDevice makes or replaces a device, as an administrator would.
func (s *Store) AddDevice(d device.Device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeDevice(d.Tenant, d.ID)
	s.devices = append(s.devices, d)
}

// Devices returns the devices of a tenant.
func (s *Store) Devices(tenant directory.TenantID) []device.Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []device.Device
	for _, d := range s.devices {
		if d.Tenant == tenant {
			list = append(list, d)
		}
	}
	return list
}

// AuditRows returns the audit rows of a tenant, oldest first.
func (s *Store) AuditRows(tenant directory.TenantID) []audit.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []audit.Entry
	for _, row := range s.rows {
		if row.Tenant == tenant {
			list = append(list, row)
		}
	}
	return list
}

// TenantByName finds a tenant by its id or one of its verified domains.
func (s *Store) TenantByName(_ context.Context, name string) (directory.Tenant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tenants {
		if strings.EqualFold(string(t.ID), name) || slices.ContainsFunc(t.Domains, func(d directory.Domain) bool {
			return d.Verified && strings.EqualFold(d.Name, name)
		}) {
			return t, s.Broken
		}
	}
	return directory.Tenant{}, s.or(directory.ErrNotFound)
}

// UserByID finds a user.
func (s *Store) UserByID(_ context.Context, tenant directory.TenantID, id directory.ObjectID) (directory.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if u.Tenant == tenant && u.ID == id {
			return u, s.Broken
		}
	}
	return directory.User{}, s.or(directory.ErrNotFound)
}

// DeviceByID finds a device by the id in its certificate.
func (s *Store) DeviceByID(_ context.Context, tenant directory.TenantID, id string) (device.Device, error) {
	return s.find(func(d device.Device) bool { return d.Tenant == tenant && d.ID == id })
}

// DeviceByKey finds a device by its key.
func (s *Store) DeviceByKey(_ context.Context, tenant directory.TenantID, thumbprint string) (device.Device, error) {
	return s.find(func(d device.Device) bool { return d.Tenant == tenant && d.KeyThumbprint == thumbprint })
}

func (s *Store) find(match func(device.Device) bool) (device.Device, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devices {
		if match(d) {
			return d, s.Broken
		}
	}
	return device.Device{}, s.or(device.ErrNotFound)
}

// Register makes a registration with its effects and its audit row, all or nothing.
func (s *Store) Register(_ context.Context, r journal.Registration, done journal.Effects, row audit.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Broken != nil {
		return s.Broken
	}
	if err := s.checkSubject(done.Subject); err != nil {
		return err
	}
	for _, n := range done.SpendNonces {
		if _, ok := s.spent[n.ID]; ok {
			return journal.ErrNonceSpent
		}
	}
	owned := 0
	for _, d := range s.devices {
		switch {
		case d.Tenant != r.Device.Tenant:
		case d.ID == r.Device.ID && !r.Replaces, d.ID != r.Device.ID && d.KeyThumbprint == r.Device.KeyThumbprint:
			return directory.ErrExists
		case d.Owner == r.Device.Owner && d.ID != r.Device.ID:
			owned++
		}
	}
	if r.Device.Owner != "" && owned >= r.Quota {
		return device.ErrQuota
	}
	if s.spent == nil {
		s.spent = map[[32]byte]time.Time{}
	}
	for _, n := range done.SpendNonces {
		s.spent[n.ID] = n.Expires
	}
	s.removeDevice(r.Device.Tenant, r.Device.ID)
	s.devices = append(s.devices, r.Device)
	s.rows = append(s.rows, row)
	return nil
}

func (s *Store) checkSubject(subject *journal.Subject) error {
	if subject == nil {
		return nil
	}
	for _, u := range s.users {
		if u.Tenant == subject.Tenant && u.ID == subject.User && u.Enabled &&
			!u.PasswordChangedAt.After(subject.AuthTime) && !u.SessionsValidFrom.After(subject.AuthTime) {
			return nil
		}
	}
	return journal.ErrChanged
}

// DeleteDevice removes a device.
func (s *Store) DeleteDevice(_ context.Context, tenant directory.TenantID, id string, row audit.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Broken != nil {
		return s.Broken
	}
	if !s.removeDevice(tenant, id) {
		return device.ErrNotFound
	}
	s.rows = append(s.rows, row)
	return nil
}

func (s *Store) removeDevice(tenant directory.TenantID, id string) bool {
	before := len(s.devices)
	s.devices = slices.DeleteFunc(s.devices, func(d device.Device) bool { return d.Tenant == tenant && d.ID == id })
	return len(s.devices) < before
}

// AppendAudit keeps the row of a refused attempt.
func (s *Store) AppendAudit(_ context.Context, row audit.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Broken != nil {
		return s.Broken
	}
	s.rows = append(s.rows, row)
	return nil
}

func (s *Store) or(err error) error {
	if s.Broken != nil {
		return s.Broken
	}
	return err
}

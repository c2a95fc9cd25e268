// Package admintest is for tests of administration: a store in memory that keeps what it is given, tenant by tenant, with
// the audit rows, and a small organisation to begin with.
package admintest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"boundgate/internal/admin"
	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

// A Store implements admin.Store in memory.
type Store struct {
	mu      sync.Mutex
	tenants map[directory.TenantID]*tenant
	order   []directory.TenantID
	entries []audit.Entry
}

var _ admin.Store = (*Store)(nil)

type tenant struct {
	directory.Tenant
	licences     map[string]directory.Licence
	users        map[directory.ObjectID]directory.User
	groups       map[directory.ObjectID]directory.Group
	members      map[directory.ObjectID]map[directory.ObjectID]directory.MemberKind
	roles        map[admin.RoleAssignment]bool
	applications map[directory.AppID]directory.Application
	resources    map[directory.AppID]directory.Resource
	devices      map[string]device.Device
	policies     map[string]policy.Policy
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{tenants: map[directory.TenantID]*tenant{}} }

// Entries returns every audit row of every tenant, the oldest first.
func (s *Store) Entries() []audit.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.entries)
}

// do runs f with the tenant under the lock, and keeps the audit row where f succeeds.
func (s *Store) do(id directory.TenantID, e *audit.Entry, f func(t *tenant) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[id]
	if t == nil {
		return directory.ErrNotFound
	}
	if err := f(t); err != nil {
		return err
	}
	if e != nil {
		s.entries = append(s.entries, *e)
	}
	return nil
}

// read returns what f reads of the tenant.
func read[T any](s *Store, id directory.TenantID, f func(t *tenant) (T, error)) (out T, err error) {
	err = s.do(id, nil, func(t *tenant) error {
		var err error
		out, err = f(t)
		return err
	})
	return out, err
}

func sorted[K comparable, V any](m map[K]V, name func(V) string) []V {
	list := slices.Collect(maps.Values(m))
	slices.SortFunc(list, func(a, b V) int { return strings.Compare(name(a), name(b)) })
	return list
}

func find[K comparable, V any](m map[K]V, key K, missing error) (V, error) {
	v, ok := m[key]
	if !ok {
		return v, missing
	}
	return v, nil
}

// Tenant serves admin.TenantStore.
func (s *Store) Tenant(_ context.Context, id directory.TenantID) (directory.Tenant, error) {
	return read(s, id, func(t *tenant) (directory.Tenant, error) { return t.Tenant, nil })
}

// Tenants serves admin.TenantStore.
func (s *Store) Tenants(context.Context) ([]directory.Tenant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []directory.Tenant
	for _, id := range s.order {
		list = append(list, s.tenants[id].Tenant)
	}
	return list, nil
}

func (s *Store) domainTaken(t directory.Tenant) bool {
	for id, other := range s.tenants {
		for _, d := range other.Domains {
			if id != t.ID && slices.ContainsFunc(t.Domains, func(own directory.Domain) bool { return own.Name == d.Name }) {
				return true
			}
		}
	}
	return false
}

// CreateTenant serves admin.TenantStore.
func (s *Store) CreateTenant(_ context.Context, t directory.Tenant, e audit.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tenants[t.ID] != nil || s.domainTaken(t) {
		return directory.ErrExists
	}
	kept := &tenant{Tenant: t, licences: map[string]directory.Licence{}, users: map[directory.ObjectID]directory.User{},
		groups: map[directory.ObjectID]directory.Group{}, members: map[directory.ObjectID]map[directory.ObjectID]directory.MemberKind{},
		roles: map[admin.RoleAssignment]bool{}, applications: map[directory.AppID]directory.Application{},
		resources: map[directory.AppID]directory.Resource{}, devices: map[string]device.Device{}, policies: map[string]policy.Policy{}}
	for _, a := range directory.WellKnownApplications() {
		kept.applications[a.AppID] = a
	}
	for _, r := range directory.WellKnownResources() {
		kept.resources[r.AppID] = r
	}
	s.tenants[t.ID] = kept
	s.order = append(s.order, t.ID)
	s.entries = append(s.entries, e)
	return nil
}

// UpdateTenant serves admin.TenantStore.
func (s *Store) UpdateTenant(_ context.Context, n directory.Tenant, e audit.Entry) error {
	return s.do(n.ID, &e, func(t *tenant) error {
		if s.domainTaken(n) {
			return directory.ErrExists
		}
		t.Tenant = n
		return nil
	})
}

// WorkspaceOf serves admin.TenantStore.
func (s *Store) WorkspaceOf(_ context.Context, id directory.TenantID) (string, error) {
	return read(s, id, func(*tenant) (string, error) { return "11111111" + string(id)[8:], nil })
}

// Licences serves admin.TenantStore.
func (s *Store) Licences(_ context.Context, id directory.TenantID) ([]directory.Licence, error) {
	return read(s, id, func(t *tenant) ([]directory.Licence, error) {
		return sorted(t.licences, func(l directory.Licence) string { return l.SKUPartNumber }), nil
	})
}

// SetLicence serves admin.TenantStore.
func (s *Store) SetLicence(_ context.Context, id directory.TenantID, l directory.Licence, e audit.Entry) error {
	return s.do(id, &e, func(t *tenant) error { t.licences[l.SKUID] = l; return nil })
}

// Users serves admin.UserStore.
func (s *Store) Users(_ context.Context, id directory.TenantID) ([]directory.User, error) {
	return read(s, id, func(t *tenant) ([]directory.User, error) {
		return sorted(t.users, func(u directory.User) string { return u.UPN }), nil
	})
}

// UserByID serves admin.UserStore.
func (s *Store) UserByID(_ context.Context, id directory.TenantID, user directory.ObjectID) (directory.User, error) {
	return read(s, id, func(t *tenant) (directory.User, error) { return find(t.users, user, directory.ErrNotFound) })
}

// UserByName serves admin.UserStore.
func (s *Store) UserByName(_ context.Context, id directory.TenantID, upn string) (directory.User, error) {
	return read(s, id, func(t *tenant) (directory.User, error) {
		for _, u := range t.users {
			if u.UPN == upn {
				return u, nil
			}
		}
		return directory.User{}, directory.ErrNotFound
	})
}

func (t *tenant) nameTaken(n directory.User) bool {
	for _, u := range t.users {
		if u.ID != n.ID && u.UPN == n.UPN {
			return true
		}
	}
	return false
}

// CreateUser serves admin.UserStore.
func (s *Store) CreateUser(_ context.Context, u directory.User, e audit.Entry) error {
	return s.do(u.Tenant, &e, func(t *tenant) error {
		if t.nameTaken(u) {
			return directory.ErrExists
		}
		t.users[u.ID] = u
		return nil
	})
}

// UpdateUser serves admin.UserStore.
func (s *Store) UpdateUser(_ context.Context, u directory.User, e audit.Entry) error {
	return s.change(u.Tenant, u.ID, &e, func(t *tenant, kept *directory.User) error {
		if t.nameTaken(u) {
			return directory.ErrExists
		}
		*kept = u
		return nil
	})
}

func (s *Store) change(id directory.TenantID, user directory.ObjectID, e *audit.Entry, f func(*tenant, *directory.User) error) error {
	return s.do(id, e, func(t *tenant) error {
		u, err := find(t.users, user, directory.ErrNotFound)
		if err != nil {
			return err
		}
		if err := f(t, &u); err != nil {
			return err
		}
		t.users[user] = u
		return nil
	})
}

// DeleteUser serves admin.UserStore.
func (s *Store) DeleteUser(_ context.Context, id directory.TenantID, user directory.ObjectID, e audit.Entry) error {
	return s.do(id, &e, func(t *tenant) error {
		if _, err := find(t.users, user, directory.ErrNotFound); err != nil {
			return err
		}
		delete(t.users, user)
		for _, members := range t.members {
			delete(members, user)
		}
		maps.DeleteFunc(t.roles, func(a admin.RoleAssignment, _ bool) bool { return a.User == user })
		return nil
	})
}

// SetPassword serves admin.UserStore.
func (s *Store) SetPassword(_ context.Context, id directory.TenantID, user directory.ObjectID, hash string, at time.Time, e audit.Entry) error {
	return s.change(id, user, &e, func(_ *tenant, u *directory.User) error {
		u.PasswordHash, u.PasswordChangedAt, u.SessionsValidFrom = hash, at, at
		return nil
	})
}

// RevokeSessions serves admin.UserStore.
func (s *Store) RevokeSessions(_ context.Context, id directory.TenantID, user directory.ObjectID, at time.Time, e audit.Entry) error {
	return s.change(id, user, &e, func(_ *tenant, u *directory.User) error { u.SessionsValidFrom = at; return nil })
}

// Memberships serves admin.UserStore.
func (s *Store) Memberships(_ context.Context, id directory.TenantID, user directory.ObjectID) (map[directory.ObjectID]bool, map[directory.Role]bool, error) {
	groups, roles := map[directory.ObjectID]bool{}, map[directory.Role]bool{}
	err := s.do(id, nil, func(t *tenant) error {
		t.collect(user, groups)
		for a := range t.roles {
			if a.User == user {
				roles[a.Role] = true
			}
		}
		return nil
	})
	return groups, roles, err
}

func (t *tenant) collect(member directory.ObjectID, into map[directory.ObjectID]bool) {
	for group, members := range t.members {
		if _, in := members[member]; in && !into[group] {
			into[group] = true
			t.collect(group, into)
		}
	}
}

// Groups serves admin.GroupStore.
func (s *Store) Groups(_ context.Context, id directory.TenantID) ([]directory.Group, error) {
	return read(s, id, func(t *tenant) ([]directory.Group, error) {
		return sorted(t.groups, func(g directory.Group) string { return g.DisplayName }), nil
	})
}

// GroupByID serves admin.GroupStore.
func (s *Store) GroupByID(_ context.Context, id directory.TenantID, group directory.ObjectID) (directory.Group, error) {
	return read(s, id, func(t *tenant) (directory.Group, error) { return find(t.groups, group, directory.ErrNotFound) })
}

// CreateGroup serves admin.GroupStore.
func (s *Store) CreateGroup(_ context.Context, g directory.Group, e audit.Entry) error {
	return s.do(g.Tenant, &e, func(t *tenant) error {
		t.groups[g.ID] = g
		t.members[g.ID] = map[directory.ObjectID]directory.MemberKind{}
		return nil
	})
}

// UpdateGroup serves admin.GroupStore.
func (s *Store) UpdateGroup(_ context.Context, g directory.Group, e audit.Entry) error {
	return s.do(g.Tenant, &e, func(t *tenant) error { t.groups[g.ID] = g; return nil })
}

// DeleteGroup serves admin.GroupStore.
func (s *Store) DeleteGroup(_ context.Context, id directory.TenantID, group directory.ObjectID, e audit.Entry) error {
	return s.do(id, &e, func(t *tenant) error {
		delete(t.groups, group)
		delete(t.members, group)
		return nil
	})
}

// GroupMembers serves admin.GroupStore.
func (s *Store) GroupMembers(_ context.Context, id directory.TenantID, group directory.ObjectID) (map[directory.ObjectID]directory.MemberKind, error) {
	return read(s, id, func(t *tenant) (map[directory.ObjectID]directory.MemberKind, error) {
		return maps.Clone(t.members[group]), nil
	})
}

// AddMember serves admin.GroupStore.
func (s *Store) AddMember(_ context.Context, id directory.TenantID, group directory.ObjectID, kind directory.MemberKind, member directory.ObjectID, e audit.Entry) error {
	return s.do(id, &e, func(t *tenant) error { t.members[group][member] = kind; return nil })
}

// RemoveMember serves admin.GroupStore.
func (s *Store) RemoveMember(_ context.Context, id directory.TenantID, group, member directory.ObjectID, e audit.Entry) error {
	return s.do(id, &e, func(t *tenant) error {
		if _, in := t.members[group][member]; !in {
			return directory.ErrNotFound
		}
		delete(t.members[group], member)
		return nil
	})
}

// RoleAssignments serves admin.RoleStore.
func (s *Store) RoleAssignments(_ context.Context, id directory.TenantID) (map[directory.Role][]directory.ObjectID, error) {
	return read(s, id, func(t *tenant) (map[directory.Role][]directory.ObjectID, error) {
		holders := map[directory.Role][]directory.ObjectID{}
		for a := range t.roles {
			holders[a.Role] = append(holders[a.Role], a.User)
		}
		return holders, nil
	})
}

// AssignRole serves admin.RoleStore.
func (s *Store) AssignRole(_ context.Context, id directory.TenantID, role directory.Role, user directory.ObjectID, e audit.Entry) error {
	return s.do(id, &e, func(t *tenant) error { t.roles[admin.RoleAssignment{Role: role, User: user}] = true; return nil })
}

// UnassignRole serves admin.RoleStore.
func (s *Store) UnassignRole(_ context.Context, id directory.TenantID, role directory.Role, user directory.ObjectID, e audit.Entry) error {
	return s.do(id, &e, func(t *tenant) error { delete(t.roles, admin.RoleAssignment{Role: role, User: user}); return nil })
}

// Applications serves admin.CatalogueStore.
func (s *Store) Applications(_ context.Context, id directory.TenantID) ([]directory.Application, error) {
	return read(s, id, func(t *tenant) ([]directory.Application, error) {
		return sorted(t.applications, func(a directory.Application) string { return a.DisplayName + string(a.AppID) }), nil
	})
}

// PutApplication serves admin.CatalogueStore.
func (s *Store) PutApplication(_ context.Context, id directory.TenantID, a directory.Application, e audit.Entry) error {
	return s.do(id, &e, func(t *tenant) error { t.applications[a.AppID] = a; return nil })
}

// DeleteApplication serves admin.CatalogueStore.
func (s *Store) DeleteApplication(_ context.Context, id directory.TenantID, app directory.AppID, e audit.Entry) error {
	return s.do(id, &e, func(t *tenant) error { delete(t.applications, app); return nil })
}

// Resources serves admin.CatalogueStore.
func (s *Store) Resources(_ context.Context, id directory.TenantID) ([]directory.Resource, error) {
	return read(s, id, func(t *tenant) ([]directory.Resource, error) {
		return sorted(t.resources, func(r directory.Resource) string { return r.DisplayName + string(r.AppID) }), nil
	})
}

// PutResource serves admin.CatalogueStore.
func (s *Store) PutResource(_ context.Context, id directory.TenantID, r directory.Resource, e audit.Entry) error {
	return s.do(id, &e, func(t *tenant) error { t.resources[r.AppID] = r; return nil })
}

// DeleteResource serves admin.CatalogueStore.
func (s *Store) DeleteResource(_ context.Context, id directory.TenantID, app directory.AppID, e audit.Entry) error {
	return s.do(id, &e, func(t *tenant) error { delete(t.resources, app); return nil })
}

// Devices serves admin.DeviceStore.
func (s *Store) Devices(_ context.Context, id directory.TenantID) ([]device.Device, error) {
	return read(s, id, func(t *tenant) ([]device.Device, error) {
		return sorted(t.devices, func(d device.Device) string { return d.DisplayName + d.ID }), nil
	})
}

// DeviceByID serves admin.DeviceStore.
func (s *Store) DeviceByID(_ context.Context, id directory.TenantID, deviceID string) (device.Device, error) {
	return read(s, id, func(t *tenant) (device.Device, error) { return find(t.devices, deviceID, device.ErrNotFound) })
}

// UpdateDevice serves admin.DeviceStore.
func (s *Store) UpdateDevice(_ context.Context, d device.Device, e audit.Entry) error {
	return s.do(d.Tenant, &e, func(t *tenant) error { t.devices[d.ID] = d; return nil })
}

// DeleteDevice serves admin.DeviceStore.
func (s *Store) DeleteDevice(_ context.Context, id directory.TenantID, deviceID string, e audit.Entry) error {
	return s.do(id, &e, func(t *tenant) error { delete(t.devices, deviceID); return nil })
}

// CreateSyncedDevice serves admin.DeviceStore.
func (s *Store) CreateSyncedDevice(_ context.Context, d device.Device, e audit.Entry) error {
	return s.do(d.Tenant, &e, func(t *tenant) error {
		if _, taken := t.devices[d.ID]; taken {
			return directory.ErrExists
		}
		t.devices[d.ID] = d
		return nil
	})
}

// Policies serves admin.PolicyStore.
func (s *Store) Policies(_ context.Context, id directory.TenantID) ([]policy.Policy, error) {
	return read(s, id, func(t *tenant) ([]policy.Policy, error) {
		return sorted(t.policies, func(p policy.Policy) string { return p.DisplayName + p.ID }), nil
	})
}

// PutPolicy serves admin.PolicyStore.
func (s *Store) PutPolicy(_ context.Context, id directory.TenantID, p policy.Policy, e audit.Entry) error {
	return s.do(id, &e, func(t *tenant) error { t.policies[p.ID] = p; return nil })
}

// DeletePolicy serves admin.PolicyStore.
func (s *Store) DeletePolicy(_ context.Context, id directory.TenantID, policyID string, e audit.Entry) error {
	return s.do(id, &e, func(t *tenant) error { delete(t.policies, policyID); return nil })
}

// AuditEntries serves admin.AuditStore.
func (s *Store) AuditEntries(_ context.Context, id directory.TenantID, from, to time.Time, after string, limit int) ([]audit.Entry, error) {
	return read(s, id, func(*tenant) ([]audit.Entry, error) {
		var list []audit.Entry
		behind := after == ""
		for _, e := range slices.Backward(s.entries) {
			switch {
			case e.Tenant != id:
			case !behind:
				behind = e.ID == after
			case len(list) < limit && (from.IsZero() || !e.At.Before(from)) && (to.IsZero() || !e.At.After(to)):
				list = append(list, e)
			}
		}
		return list, nil
	})
}

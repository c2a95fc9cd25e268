package admin

import (
	"context"
	"time"

	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/factor"
	"boundgate/internal/policy"
)

// Store is all that administration asks of the state store. Every write takes the audit row that goes into the same
// transaction; every read is of one tenant. What does not exist in that tenant is directory.ErrNotFound (device.ErrNotFound
// for devices); a name that is taken is directory.ErrExists.
type Store interface {
	TenantStore
	UserStore
	GroupStore
	RoleStore
	CatalogueStore
	DeviceStore
	PolicyStore
	AuditStore
}

// TenantStore keeps the organisations of this deployment and their licences.
type TenantStore interface {
	Tenant(ctx context.Context, id directory.TenantID) (directory.Tenant, error)
	Tenants(ctx context.Context) ([]directory.Tenant, error)
	// FoundTenant makes a tenant with its first administrator, all or nothing.
	FoundTenant(ctx context.Context, f directory.Founding, rows ...audit.Entry) error
	UpdateTenant(ctx context.Context, t directory.Tenant, e audit.Entry) error
	// WorkspaceOf returns the id of the tenant's log workspace.
	WorkspaceOf(ctx context.Context, tenant directory.TenantID) (string, error)
	Licences(ctx context.Context, tenant directory.TenantID) ([]directory.Licence, error)
	SetLicence(ctx context.Context, tenant directory.TenantID, l directory.Licence, e audit.Entry) error
}

// UserStore keeps the people of a tenant.
type UserStore interface {
	Users(ctx context.Context, tenant directory.TenantID) ([]directory.User, error)
	UserByID(ctx context.Context, tenant directory.TenantID, id directory.ObjectID) (directory.User, error)
	UserByName(ctx context.Context, tenant directory.TenantID, upn string) (directory.User, error)
	CreateUser(ctx context.Context, u directory.User, e audit.Entry) error
	UpdateUser(ctx context.Context, u directory.User, e audit.Entry) error
	DeleteUser(ctx context.Context, tenant directory.TenantID, id directory.ObjectID, e audit.Entry) error
	// SetPassword replaces the password and ends the user's sessions.
	SetPassword(ctx context.Context, tenant directory.TenantID, id directory.ObjectID, hash string, at time.Time, e audit.Entry) error
	// RevokeSessions ends the sessions whose authentication is older than at.
	RevokeSessions(ctx context.Context, tenant directory.TenantID, id directory.ObjectID, at time.Time, e audit.Entry) error
	// Memberships returns every group of the user, nested ones included, and the user's directory roles.
	Memberships(ctx context.Context, tenant directory.TenantID, user directory.ObjectID) (map[directory.ObjectID]bool, map[directory.Role]bool, error)
	// FactorsOf returns the user's second factors.
	FactorsOf(ctx context.Context, tenant directory.TenantID, user directory.ObjectID) ([]factor.Factor, error)
	RemoveFactor(ctx context.Context, tenant directory.TenantID, user directory.ObjectID, id string, e audit.Entry) error
}

// GroupStore keeps the groups of a tenant and who is in them.
type GroupStore interface {
	Groups(ctx context.Context, tenant directory.TenantID) ([]directory.Group, error)
	GroupByID(ctx context.Context, tenant directory.TenantID, id directory.ObjectID) (directory.Group, error)
	CreateGroup(ctx context.Context, g directory.Group, e audit.Entry) error
	UpdateGroup(ctx context.Context, g directory.Group, e audit.Entry) error
	DeleteGroup(ctx context.Context, tenant directory.TenantID, id directory.ObjectID, e audit.Entry) error
	// GroupMembers returns the direct members of a group.
	GroupMembers(ctx context.Context, tenant directory.TenantID, group directory.ObjectID) (map[directory.ObjectID]directory.MemberKind, error)
	AddMember(ctx context.Context, tenant directory.TenantID, group directory.ObjectID, kind directory.MemberKind, member directory.ObjectID, e audit.Entry) error
	RemoveMember(ctx context.Context, tenant directory.TenantID, group, member directory.ObjectID, e audit.Entry) error
}

// RoleStore keeps who holds which directory role.
type RoleStore interface {
	RoleAssignments(ctx context.Context, tenant directory.TenantID) ([]directory.RoleAssignment, error)
	AssignRole(ctx context.Context, tenant directory.TenantID, role directory.Role, user directory.ObjectID, e audit.Entry) error
	UnassignRole(ctx context.Context, tenant directory.TenantID, role directory.Role, user directory.ObjectID, e audit.Entry) error
}

// CatalogueStore keeps the applications and resources of a tenant.
type CatalogueStore interface {
	Applications(ctx context.Context, tenant directory.TenantID) ([]directory.Application, error)
	PutApplication(ctx context.Context, tenant directory.TenantID, a directory.Application, e audit.Entry) error
	DeleteApplication(ctx context.Context, tenant directory.TenantID, id directory.AppID, e audit.Entry) error
	Resources(ctx context.Context, tenant directory.TenantID) ([]directory.Resource, error)
	PutResource(ctx context.Context, tenant directory.TenantID, r directory.Resource, e audit.Entry) error
	DeleteResource(ctx context.Context, tenant directory.TenantID, id directory.AppID, e audit.Entry) error
	// AllConsents returns what people, and administrators for everybody, have agreed to.
	AllConsents(ctx context.Context, tenant directory.TenantID) ([]directory.Consent, error)
	PutConsent(ctx context.Context, c directory.Consent, e audit.Entry) error
	RemoveConsent(ctx context.Context, tenant directory.TenantID, id string, e audit.Entry) error
}

// DeviceStore keeps the devices of a tenant.
type DeviceStore interface {
	Devices(ctx context.Context, tenant directory.TenantID) ([]device.Device, error)
	DeviceByID(ctx context.Context, tenant directory.TenantID, id string) (device.Device, error)
	DeviceByObjectID(ctx context.Context, tenant directory.TenantID, id directory.ObjectID) (device.Device, error)
	// UpdateDevice writes what an administrator decides about a device, and nothing else of it.
	UpdateDevice(ctx context.Context, d device.Device, e audit.Entry) error
	DeleteDevice(ctx context.Context, tenant directory.TenantID, id string, e audit.Entry) error
	CreateSyncedDevice(ctx context.Context, d device.Device, e audit.Entry) error
}

// PolicyStore keeps the Conditional Access policies and the named locations of a tenant. A change is in force for the next
// request (P06). A policy that names a location which is not there is directory.ErrNotFound; a location that a policy names
// cannot be deleted: directory.ErrInUse.
type PolicyStore interface {
	PutLocation(ctx context.Context, tenant directory.TenantID, l policy.NamedLocation, e audit.Entry) error
	DeleteLocation(ctx context.Context, tenant directory.TenantID, id string, e audit.Entry) error
	Policies(ctx context.Context, tenant directory.TenantID) ([]policy.Policy, error)
	PutPolicy(ctx context.Context, tenant directory.TenantID, p policy.Policy, e audit.Entry) error
	DeletePolicy(ctx context.Context, tenant directory.TenantID, id string, e audit.Entry) error
	// PolicyHistory returns every revision of a policy.
	PolicyHistory(ctx context.Context, tenant directory.TenantID, id string) ([]policy.Revision, error)
	Locations(ctx context.Context, tenant directory.TenantID) ([]policy.NamedLocation, error)
}

// AuditStore reads the directory audit log.
type AuditStore interface {
	AppendAudit(ctx context.Context, e audit.Entry) error
	AuditEntries(ctx context.Context, tenant directory.TenantID, q audit.Query) ([]audit.Entry, error)
}

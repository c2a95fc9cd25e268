package admin

import (
	"slices"

	"boundgate/internal/directory"
)

// An Operation is one kind of thing that an administrator may want to do. Its text completes "… needs the role".
type Operation string

// The operations.
const (
	ReadDirectory      Operation = "Reading the directory"
	ReadPolicies       Operation = "Reading Conditional Access policies"
	WritePolicies      Operation = "Changing Conditional Access policies"
	ReadSignIns        Operation = "Reading sign-in logs"
	ReadAudit          Operation = "Reading the directory audit log"
	ManageUsers        Operation = "Managing users"
	ReadFactors        Operation = "Reading the second factors of another user"
	ManageGroups       Operation = "Managing groups"
	ManageDevices      Operation = "Managing devices"
	ManageRoles        Operation = "Assigning directory roles"
	ManageLicences     Operation = "Changing licences"
	ManageApplications Operation = "Changing the application catalogue"
	ManageSettings     Operation = "Changing tenant settings"
	ManageTenants      Operation = "Creating tenants and naming their domains"
	// ManageAdministrators is changing the account of somebody who holds a directory role, or of an emergency-access
	// account. Whoever resets a password can become that person, so it takes the highest role.
	ManageAdministrators Operation = "Changing the account of an administrator or an emergency-access account"
)

var (
	policyWriters = []directory.Role{
		directory.ConditionalAccessAdministrator, directory.SecurityAdministrator, directory.GlobalAdministrator,
	}
	readers = []directory.Role{
		directory.GlobalReader, directory.SecurityReader, directory.ReportsReader, directory.SecurityOperator,
	}
	globalOnly = []directory.Role{directory.GlobalAdministrator}
)

// permitted is the whole of S40 and its neighbours: who may do what. An operation that is not a key is refused to everyone.
var permitted = map[Operation][]directory.Role{
	ReadPolicies:  slices.Concat(policyWriters, readers),
	WritePolicies: policyWriters,
	ReadSignIns:   slices.Concat(policyWriters, readers),
	ReadAudit:     slices.Concat([]directory.Role{directory.SecurityAdministrator, directory.GlobalAdministrator}, readers),
	ReadDirectory: slices.Concat(policyWriters, readers,
		[]directory.Role{directory.UserAdministrator, directory.CloudDeviceAdministrator}),
	ManageUsers:          {directory.UserAdministrator, directory.GlobalAdministrator},
	ReadFactors:          {directory.GlobalReader, directory.UserAdministrator, directory.GlobalAdministrator},
	ManageGroups:         {directory.UserAdministrator, directory.GlobalAdministrator},
	ManageDevices:        {directory.CloudDeviceAdministrator, directory.GlobalAdministrator},
	ManageRoles:          globalOnly,
	ManageLicences:       globalOnly,
	ManageApplications:   globalOnly,
	ManageSettings:       globalOnly,
	ManageTenants:        globalOnly, // of the operator tenant: see authorizeOperator
	ManageAdministrators: globalOnly,
}

// Authorize returns nil where the caller holds a role that the operation takes, and a *ForbiddenError that names those
// roles otherwise.
func Authorize(c Caller, op Operation) error {
	roles := permitted[op]
	for _, role := range roles {
		if c.Roles[role] {
			return nil
		}
	}
	return &ForbiddenError{Operation: op, Roles: slices.Clone(roles)}
}

// authorizeOperator is Authorize for what concerns the whole deployment: the caller must belong to the operator tenant.
func (s *Service) authorizeOperator(c Caller) error {
	if s.Operator == "" || c.Tenant != s.Operator {
		return &ForbiddenError{Operation: ManageTenants, Roles: slices.Clone(permitted[ManageTenants]), Operator: true}
	}
	return Authorize(c, ManageTenants)
}

package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"boundgate/internal/directory"
)

// RoleAssignments returns who holds which role in the caller's tenant.
func (s *Service) RoleAssignments(ctx context.Context, c Caller) ([]directory.RoleAssignment, error) {
	if err := Authorize(c, ReadDirectory); err != nil {
		return nil, err
	}
	return s.assignments(ctx, c.Tenant)
}

// AssignRole gives a role to a user. Giving it again changes nothing.
func (s *Service) AssignRole(ctx context.Context, c Caller, role directory.Role, user string) (directory.RoleAssignment, error) {
	none := directory.RoleAssignment{}
	if err := Authorize(c, ManageRoles); err != nil {
		return none, err
	}
	if _, known := directory.RoleNames[role]; !known {
		return none, invalid("/roleDefinitionId", fmt.Sprintf("The role %q is unknown.", role), "Use a roleTemplateId that /directoryRoles lists.")
	}
	u, err := s.findUser(ctx, c.Tenant, user)
	if err != nil {
		return none, err
	}
	entry, err := s.entry(c, roleChange("Add member to role", role, u, nil, roleView{role, directory.RoleNames[role], u.ID}))
	if err != nil {
		return none, err
	}
	if err := s.Store.AssignRole(ctx, c.Tenant, role, u.ID, entry); err != nil && !errors.Is(err, directory.ErrExists) {
		return none, fmt.Errorf("assign role: %w", err)
	}
	return directory.RoleAssignment{Role: role, User: u.ID}, nil
}

// UnassignRole takes a role away, by the assignment's id. The last enabled Global Administrator keeps theirs: a tenant
// without one could never be administered again.
func (s *Service) UnassignRole(ctx context.Context, c Caller, id string) error {
	defer s.oneAtATime()()
	if err := Authorize(c, ManageRoles); err != nil {
		return err
	}
	role, user, _ := strings.Cut(strings.ToLower(id), "_")
	u, err := s.findUser(ctx, c.Tenant, user)
	if err != nil {
		return err
	}
	roles, err := s.rolesOf(ctx, c.Tenant, u.ID)
	if err != nil {
		return err
	}
	if !roles[directory.Role(role)] {
		return directory.ErrNotFound
	}
	if directory.Role(role) == directory.GlobalAdministrator {
		if err := s.keepAnAdministrator(ctx, c.Tenant, u.ID); err != nil {
			return err
		}
	}
	r := directory.Role(role)
	entry, err := s.entry(c, roleChange("Remove member from role", r, u, roleView{r, directory.RoleNames[r], u.ID}, nil))
	if err != nil {
		return err
	}
	if err := s.Store.UnassignRole(ctx, c.Tenant, r, u.ID, entry); err != nil {
		return fmt.Errorf("unassign role: %w", err)
	}
	return nil
}

// keepAnAdministrator refuses what would leave the tenant without an enabled Global Administrator once leaving is gone.
func (s *Service) keepAnAdministrator(ctx context.Context, tenant directory.TenantID, leaving directory.ObjectID) error {
	assignments, err := s.assignments(ctx, tenant)
	if err != nil {
		return err
	}
	holds := false
	for _, a := range assignments {
		if a.Role != directory.GlobalAdministrator {
			continue
		}
		if a.User == leaving {
			holds = true
			continue
		}
		u, err := s.Store.UserByID(ctx, tenant, a.User)
		if err == nil && u.Enabled {
			return nil
		}
	}
	if !holds {
		return nil
	}
	return &ConflictError{Message: "This is the tenant's last enabled Global Administrator.",
		Next: "Assign the role Global Administrator to another user first."}
}

func sortAssignments(list []directory.RoleAssignment) {
	slices.SortFunc(list, func(a, b directory.RoleAssignment) int {
		return cmp.Or(cmp.Compare(directory.RoleNames[a.Role], directory.RoleNames[b.Role]), cmp.Compare(a.User, b.User))
	})
}

func sortedRoles(roles map[directory.Role]bool) []directory.Role {
	list := make([]directory.Role, 0, len(roles))
	for role, held := range roles {
		if held {
			list = append(list, role)
		}
	}
	slices.SortFunc(list, func(a, b directory.Role) int { return cmp.Compare(directory.RoleNames[a], directory.RoleNames[b]) })
	return list
}

func roleChange(activity string, role directory.Role, u directory.User, before, after any) change {
	return change{activity: activity, category: "RoleManagement", targetType: "User",
		targetID: string(u.ID), targetName: u.UPN + " (" + directory.RoleNames[role] + ")", before: before, after: after}
}

package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"boundgate/internal/directory"
)

// rolesOf returns the directory roles that a user holds.
func (s *Service) rolesOf(ctx context.Context, tenant directory.TenantID, user directory.ObjectID) (map[directory.Role]bool, error) {
	_, roles, err := s.Store.Memberships(ctx, tenant, user)
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	return roles, nil
}

// groupsOf returns the groups that a user is in, by name; without transitive, those that list the user themselves.
func (s *Service) groupsOf(ctx context.Context, tenant directory.TenantID, user directory.ObjectID, transitive bool) ([]directory.Group, error) {
	in, _, err := s.Store.Memberships(ctx, tenant, user)
	if err != nil {
		return nil, fmt.Errorf("read memberships: %w", err)
	}
	all, err := s.Store.Groups(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	groups := []directory.Group{}
	for _, g := range all {
		if !in[g.ID] {
			continue
		}
		if !transitive {
			members, err := s.Store.GroupMembers(ctx, tenant, g.ID)
			if err != nil {
				return nil, fmt.Errorf("list members: %w", err)
			}
			if _, direct := members[user]; !direct {
				continue
			}
		}
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b directory.Group) int {
		return cmp.Or(cmp.Compare(a.DisplayName, b.DisplayName), cmp.Compare(a.ID, b.ID))
	})
	return groups, nil
}

// assignments returns who holds which role, by role and user.
func (s *Service) assignments(ctx context.Context, tenant directory.TenantID) ([]directory.RoleAssignment, error) {
	list, err := s.Store.RoleAssignments(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("list role assignments: %w", err)
	}
	sortAssignments(list)
	return list, nil
}

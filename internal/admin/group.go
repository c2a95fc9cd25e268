package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"boundgate/internal/directory"
)

// A Member is one direct member of a group: a user or another group.
type Member struct {
	Kind  directory.MemberKind
	User  directory.User  // where Kind is UserMember
	Group directory.Group // where Kind is GroupMember
}

// Groups returns the groups of the caller's tenant.
func (s *Service) Groups(ctx context.Context, c Caller) ([]directory.Group, error) {
	if err := Authorize(c, ReadDirectory); err != nil {
		return nil, err
	}
	groups, err := s.Store.Groups(ctx, c.Tenant)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	return groups, nil
}

// Group returns one group by its object id.
func (s *Service) Group(ctx context.Context, c Caller, key string) (directory.Group, error) {
	if err := Authorize(c, ReadDirectory); err != nil {
		return directory.Group{}, err
	}
	return s.findGroup(ctx, c.Tenant, key)
}

func (s *Service) findGroup(ctx context.Context, tenant directory.TenantID, key string) (directory.Group, error) {
	id, ok := objectID(key)
	if !ok {
		return directory.Group{}, directory.ErrNotFound
	}
	return s.Store.GroupByID(ctx, tenant, id)
}

// CreateGroup creates a group.
func (s *Service) CreateGroup(ctx context.Context, c Caller, displayName string) (directory.Group, error) {
	if err := Authorize(c, ManageGroups); err != nil {
		return directory.Group{}, err
	}
	g := directory.Group{ID: directory.ObjectID(newID()), Tenant: c.Tenant, DisplayName: strings.TrimSpace(displayName), CreatedAt: s.now()}
	var p problems
	checkName(&p, "/displayName", g.DisplayName)
	if err := p.err(); err != nil {
		return directory.Group{}, err
	}
	entry, err := s.entry(c, groupChange("Add group", g, nil, groupView(g)))
	if err != nil {
		return directory.Group{}, err
	}
	if err := s.Store.CreateGroup(ctx, g, entry); err != nil {
		return directory.Group{}, fmt.Errorf("create group: %w", groupConflict(g, err))
	}
	return g, nil
}

// RenameGroup gives a group another display name.
func (s *Service) RenameGroup(ctx context.Context, c Caller, key, displayName string) error {
	defer s.oneAtATime()()
	g, err := s.groupToChange(ctx, c, key)
	if err != nil {
		return err
	}
	renamed := g
	renamed.DisplayName = strings.TrimSpace(displayName)
	var p problems
	checkName(&p, "/displayName", renamed.DisplayName)
	if err := p.err(); err != nil {
		return err
	}
	entry, err := s.entry(c, groupChange("Update group", renamed, groupView(g), groupView(renamed)))
	if err != nil {
		return err
	}
	if err := s.Store.UpdateGroup(ctx, renamed, entry); err != nil {
		return fmt.Errorf("rename group: %w", groupConflict(renamed, err))
	}
	return nil
}

// DeleteGroup removes a group. A group that a policy names cannot be removed: the policy's scope would change silently.
func (s *Service) DeleteGroup(ctx context.Context, c Caller, key string) error {
	defer s.oneAtATime()()
	g, err := s.groupToChange(ctx, c, key)
	if err != nil {
		return err
	}
	if err := s.notNamedByPolicy(ctx, c.Tenant, g.ID); err != nil {
		return err
	}
	entry, err := s.entry(c, groupChange("Delete group", g, groupView(g), nil))
	if err != nil {
		return err
	}
	if err := s.Store.DeleteGroup(ctx, c.Tenant, g.ID, entry); err != nil {
		return fmt.Errorf("delete group: %w", err)
	}
	return nil
}

// Members returns the direct members of a group.
func (s *Service) Members(ctx context.Context, c Caller, key string) ([]Member, error) {
	g, err := s.Group(ctx, c, key)
	if err != nil {
		return nil, err
	}
	ids, err := s.Store.GroupMembers(ctx, c.Tenant, g.ID)
	if err != nil {
		return nil, fmt.Errorf("list members: %w", err)
	}
	members := make([]Member, 0, len(ids))
	for id, kind := range ids {
		m, err := s.member(ctx, c.Tenant, id, kind)
		if errors.Is(err, directory.ErrNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read member %s: %w", id, err)
		}
		members = append(members, m)
	}
	sortMembers(members)
	return members, nil
}

// TransitiveMembers returns the members of a group and of the groups within it, each once.
func (s *Service) TransitiveMembers(ctx context.Context, c Caller, key string) ([]Member, error) {
	next := []string{key}
	seen := map[directory.ObjectID]bool{}
	var all []Member
	for len(next) > 0 {
		direct, err := s.Members(ctx, c, next[0])
		if err != nil {
			return nil, err
		}
		next = next[1:]
		for _, m := range direct {
			if seen[m.ID()] {
				continue
			}
			seen[m.ID()] = true
			all = append(all, m)
			if m.Kind == directory.GroupMember {
				next = append(next, string(m.Group.ID))
			}
		}
	}
	sortMembers(all)
	return all, nil
}

// AddMember puts a user or a group of the tenant into a group. Adding a member again changes nothing.
func (s *Service) AddMember(ctx context.Context, c Caller, group, member string) error {
	defer s.oneAtATime()()
	g, err := s.groupToChange(ctx, c, group)
	if err != nil {
		return err
	}
	m, err := s.findMember(ctx, c.Tenant, member)
	if err != nil {
		return err
	}
	if m.Kind == directory.GroupMember {
		if err := s.notAround(ctx, c.Tenant, g.ID, m.Group.ID); err != nil {
			return err
		}
	}
	entry, err := s.entry(c, groupChange("Add member to group", g, nil, memberView(m)))
	if err != nil {
		return err
	}
	if err := s.Store.AddMember(ctx, c.Tenant, g.ID, m.Kind, m.ID(), entry); err != nil && !errors.Is(err, directory.ErrExists) {
		return fmt.Errorf("add member: %w", err)
	}
	return nil
}

// RemoveMember takes a member out of a group.
func (s *Service) RemoveMember(ctx context.Context, c Caller, group, member string) error {
	g, err := s.groupToChange(ctx, c, group)
	if err != nil {
		return err
	}
	m, err := s.findMember(ctx, c.Tenant, member)
	if err != nil {
		return err
	}
	entry, err := s.entry(c, groupChange("Remove member from group", g, memberView(m), nil))
	if err != nil {
		return err
	}
	if err := s.Store.RemoveMember(ctx, c.Tenant, g.ID, m.ID(), entry); err != nil {
		return fmt.Errorf("remove member: %w", err)
	}
	return nil
}

func (s *Service) groupToChange(ctx context.Context, c Caller, key string) (directory.Group, error) {
	if err := Authorize(c, ManageGroups); err != nil {
		return directory.Group{}, err
	}
	return s.findGroup(ctx, c.Tenant, key)
}

// ID returns the member's object id.
func (m Member) ID() directory.ObjectID {
	if m.Kind == directory.GroupMember {
		return m.Group.ID
	}
	return m.User.ID
}

func (s *Service) member(ctx context.Context, tenant directory.TenantID, id directory.ObjectID, kind directory.MemberKind) (Member, error) {
	var err error
	m := Member{Kind: kind}
	if kind == directory.GroupMember {
		m.Group, err = s.Store.GroupByID(ctx, tenant, id)
	} else {
		m.User, err = s.Store.UserByID(ctx, tenant, id)
	}
	return m, err
}

func (s *Service) findMember(ctx context.Context, tenant directory.TenantID, key string) (Member, error) {
	id, ok := objectID(key)
	if !ok {
		return Member{}, directory.ErrNotFound
	}
	m, err := s.member(ctx, tenant, id, directory.UserMember)
	if errors.Is(err, directory.ErrNotFound) {
		return s.member(ctx, tenant, id, directory.GroupMember)
	}
	return m, err
}

// notAround refuses to make inner a member of outer where outer already is, however deeply, a member of inner.
func (s *Service) notAround(ctx context.Context, tenant directory.TenantID, outer, inner directory.ObjectID) error {
	seen := map[directory.ObjectID]bool{}
	queue := []directory.ObjectID{inner}
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		if id == outer {
			return &ConflictError{Message: "The group would become a member of itself.", Next: "Choose a group that does not contain this one."}
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		members, err := s.Store.GroupMembers(ctx, tenant, id)
		if err != nil {
			return fmt.Errorf("walk nested groups: %w", err)
		}
		for member, kind := range members {
			if kind == directory.GroupMember {
				queue = append(queue, member)
			}
		}
	}
	return nil
}

func groupConflict(g directory.Group, err error) error {
	if errors.Is(err, directory.ErrExists) {
		return &ConflictError{Message: fmt.Sprintf("A group named %q exists.", g.DisplayName), Next: "Choose another displayName."}
	}
	return err
}

func groupChange(activity string, g directory.Group, before, after any) change {
	return change{activity: activity, category: "GroupManagement", targetType: "Group",
		targetID: string(g.ID), targetName: g.DisplayName, before: before, after: after}
}

// MemberOf returns the groups that a user is in and the directory roles that they hold; with transitive, groups by way of
// other groups too. Everybody may ask about themselves.
func (s *Service) MemberOf(ctx context.Context, c Caller, key string, transitive bool) ([]directory.Group, []directory.Role, error) {
	u, err := s.User(ctx, c, key)
	if err != nil {
		return nil, nil, err
	}
	roles, err := s.rolesOf(ctx, c.Tenant, u.ID)
	if err != nil {
		return nil, nil, err
	}
	groups, err := s.groupsOf(ctx, c.Tenant, u.ID, transitive)
	if err != nil {
		return nil, nil, err
	}
	return groups, sortedRoles(roles), nil
}

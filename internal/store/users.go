package store

import (
	"context"
	"strings"
	"time"

	"boundgate/internal/audit"
	"boundgate/internal/directory"
)

const userColumns = `id, tenant_id, upn, display_name, enabled, type, emergency_access, password_hash, password_changed_at,
	sessions_valid_from, home_tenant, home_user, created_at`

func scanUser(row scanner) (directory.User, error) {
	var u directory.User
	var changed, valid, created int64
	err := row.Scan(&u.ID, &u.Tenant, &u.UPN, &u.DisplayName, &u.Enabled, &u.Type, &u.EmergencyAccess, &u.PasswordHash, &changed,
		&valid, &u.HomeTenant, &u.HomeUser, &created)
	u.PasswordChangedAt, u.SessionsValidFrom, u.CreatedAt = fromMicros(changed), fromMicros(valid), fromMicros(created)
	return u, err
}

func (db *DB) user(ctx context.Context, where string, args ...any) (directory.User, error) {
	u, err := scanUser(db.read.QueryRowContext(ctx, `SELECT `+userColumns+` FROM users WHERE `+where, args...))
	return u, absent("find user", err, directory.ErrNotFound)
}

// UserByName finds a user by user principal name, compared in lower case.
func (db *DB) UserByName(ctx context.Context, tenant directory.TenantID, upn string) (directory.User, error) {
	return db.user(ctx, `tenant_id = $1 AND upn = $2`, tenant, strings.ToLower(upn))
}

// UserByID finds a user by object id.
func (db *DB) UserByID(ctx context.Context, tenant directory.TenantID, id directory.ObjectID) (directory.User, error) {
	return db.user(ctx, `tenant_id = $1 AND id = $2`, tenant, id)
}

// GuestOf finds the account that a user of another tenant has as a guest.
func (db *DB) GuestOf(ctx context.Context, tenant, home directory.TenantID, homeUser directory.ObjectID) (directory.User, error) {
	return db.user(ctx, `tenant_id = $1 AND home_tenant = $2 AND home_user = $3 AND home_tenant <> ''`, tenant, home, homeUser)
}

// Users returns the tenant's users by name.
func (db *DB) Users(ctx context.Context, tenant directory.TenantID) ([]directory.User, error) {
	list, err := collect(ctx, db.read, scanUser, `SELECT `+userColumns+` FROM users WHERE tenant_id = $1 ORDER BY upn`, tenant)
	return list, wrap("list users", err)
}

// CreateUser adds a user; directory.ErrExists where the name is taken.
func (db *DB) CreateUser(ctx context.Context, u directory.User, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error { return tx.insertUser(ctx, u) })
}

func (tx *tx) insertUser(ctx context.Context, u directory.User) error {
	const query = `INSERT INTO users (` + userColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`
	_, err := tx.ExecContext(ctx, query, u.ID, u.Tenant, strings.ToLower(u.UPN), u.DisplayName, u.Enabled, u.Type, u.EmergencyAccess,
		u.PasswordHash, micros(u.PasswordChangedAt), micros(u.SessionsValidFrom), u.HomeTenant, u.HomeUser, micros(u.CreatedAt))
	return conflict("create user", err)
}

// UpdateUser changes a user's name, display name, state and marks. A user who is disabled loses every session.
func (db *DB) UpdateUser(ctx context.Context, u directory.User, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		const query = `
			UPDATE users SET upn = $1, display_name = $2, enabled = $3, emergency_access = $4, type = $5
			WHERE  tenant_id = $6 AND id = $7`
		result, err := tx.ExecContext(ctx, query, strings.ToLower(u.UPN), u.DisplayName, u.Enabled, u.EmergencyAccess, u.Type, u.Tenant, u.ID)
		if isDuplicate(err) {
			return conflict("update user", err)
		}
		if err := must("update user", result, err); err != nil || u.Enabled {
			return err
		}
		return tx.endUserSessions(ctx, u.Tenant, u.ID, micros(db.now()))
	})
}

// DeleteUser removes a user with memberships, roles and sessions.
func (db *DB) DeleteUser(ctx context.Context, tenant directory.TenantID, id directory.ObjectID, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		if err := tx.endUserSessions(ctx, tenant, id, micros(db.now())); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM group_members WHERE tenant_id = $1 AND member_id = $2`, tenant, id); err != nil {
			return wrap("delete memberships", err)
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM users WHERE tenant_id = $1 AND id = $2`, tenant, id)
		return must("delete user", result, err)
	})
}

// SetPassword replaces a password. Every session that rests on an older one ends (P06). The change counts from when it is
// written where that is later than at: until then the old password signs in.
func (db *DB) SetPassword(ctx context.Context, tenant directory.TenantID, id directory.ObjectID, hash string, at time.Time, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		at := at
		if now := db.now(); now.After(at) {
			at = now
		}
		const query = `
			UPDATE users SET password_hash = $1, password_changed_at = $2
			WHERE  tenant_id = $3 AND id = $4`
		result, err := tx.ExecContext(ctx, query, hash, micros(at), tenant, id)
		if err := must("set password", result, err); err != nil {
			return err
		}
		return tx.revokeSessions(ctx, tenant, id, at, db.now())
	})
}

// Memberships returns every group that a user is in, nested ones included, and the user's directory roles.
func (db *DB) Memberships(ctx context.Context, tenant directory.TenantID, user directory.ObjectID) (map[directory.ObjectID]bool, map[directory.Role]bool, error) {
	// UNION, not UNION ALL: a group that contains itself by a detour is visited once.
	const nested = `
		WITH RECURSIVE inside (id) AS (
			SELECT group_id FROM group_members WHERE tenant_id = $1 AND member_id = $2
			UNION
			SELECT m.group_id FROM group_members m JOIN inside ON m.member_id = inside.id WHERE m.tenant_id = $1)
		SELECT id FROM inside`
	groups, err := set[directory.ObjectID](ctx, db.read, nested, tenant, user)
	if err != nil {
		return nil, nil, wrap("read memberships", err)
	}
	roles, err := set[directory.Role](ctx, db.read, `SELECT role FROM role_assignments WHERE tenant_id = $1 AND user_id = $2`, tenant, user)
	return groups, roles, wrap("read roles", err)
}

// set reads a query of one column into a set.
func set[T ~string](ctx context.Context, q reader, query string, args ...any) (map[T]bool, error) {
	list, err := collect(ctx, q, func(s scanner) (T, error) {
		var v T
		return v, s.Scan(&v)
	}, query, args...)
	out := make(map[T]bool, len(list))
	for _, v := range list {
		out[v] = true
	}
	return out, err
}

func scanGroup(row scanner) (directory.Group, error) {
	var g directory.Group
	var created int64
	err := row.Scan(&g.ID, &g.Tenant, &g.DisplayName, &created)
	g.CreatedAt = fromMicros(created)
	return g, err
}

// Groups returns the tenant's groups by name.
func (db *DB) Groups(ctx context.Context, tenant directory.TenantID) ([]directory.Group, error) {
	const query = `SELECT id, tenant_id, display_name, created_at FROM groups WHERE tenant_id = $1 ORDER BY display_name, id`
	list, err := collect(ctx, db.read, scanGroup, query, tenant)
	return list, wrap("list groups", err)
}

// GroupByID finds a group.
func (db *DB) GroupByID(ctx context.Context, tenant directory.TenantID, id directory.ObjectID) (directory.Group, error) {
	const query = `SELECT id, tenant_id, display_name, created_at FROM groups WHERE tenant_id = $1 AND id = $2`
	g, err := scanGroup(db.read.QueryRowContext(ctx, query, tenant, id))
	return g, absent("find group", err, directory.ErrNotFound)
}

// CreateGroup adds a group.
func (db *DB) CreateGroup(ctx context.Context, g directory.Group, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		const query = `INSERT INTO groups (tenant_id, id, display_name, created_at) VALUES ($1, $2, $3, $4)`
		_, err := tx.ExecContext(ctx, query, g.Tenant, g.ID, g.DisplayName, micros(g.CreatedAt))
		return conflict("create group", err)
	})
}

// UpdateGroup renames a group.
func (db *DB) UpdateGroup(ctx context.Context, g directory.Group, row audit.Entry) error {
	return db.remove(ctx, row, "update group", `UPDATE groups SET display_name = $1 WHERE tenant_id = $2 AND id = $3`, g.DisplayName, g.Tenant, g.ID)
}

// DeleteGroup removes a group and its memberships.
func (db *DB) DeleteGroup(ctx context.Context, tenant directory.TenantID, id directory.ObjectID, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM group_members WHERE tenant_id = $1 AND member_id = $2`, tenant, id); err != nil {
			return wrap("delete memberships", err)
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM groups WHERE tenant_id = $1 AND id = $2`, tenant, id)
		return must("delete group", result, err)
	})
}

// GroupMembers returns the direct members of a group.
func (db *DB) GroupMembers(ctx context.Context, tenant directory.TenantID, group directory.ObjectID) (map[directory.ObjectID]directory.MemberKind, error) {
	type member struct {
		id   directory.ObjectID
		kind directory.MemberKind
	}
	const query = `SELECT member_id, kind FROM group_members WHERE tenant_id = $1 AND group_id = $2`
	list, err := collect(ctx, db.read, func(s scanner) (member, error) {
		var m member
		return m, s.Scan(&m.id, &m.kind)
	}, query, tenant, group)
	out := make(map[directory.ObjectID]directory.MemberKind, len(list))
	for _, m := range list {
		out[m.id] = m.kind
	}
	return out, wrap("read members", err)
}

// AddMember adds a user or a group of the tenant to a group; directory.ErrExists where it is in already.
func (db *DB) AddMember(ctx context.Context, tenant directory.TenantID, group directory.ObjectID, kind directory.MemberKind, member directory.ObjectID, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		if err := tx.hasMember(ctx, tenant, kind, member); err != nil {
			return err
		}
		const query = `INSERT INTO group_members (tenant_id, group_id, member_id, kind) VALUES ($1, $2, $3, $4)`
		_, err := tx.ExecContext(ctx, query, tenant, group, member, kind)
		return conflict("add member", err)
	})
}

// hasMember refuses what the tenant does not have: a membership has no foreign key, for it is of a user or of a group.
func (tx *tx) hasMember(ctx context.Context, tenant directory.TenantID, kind directory.MemberKind, id directory.ObjectID) error {
	query := `SELECT 1 FROM users WHERE tenant_id = $1 AND id = $2`
	if kind == directory.GroupMember {
		query = `SELECT 1 FROM groups WHERE tenant_id = $1 AND id = $2`
	}
	var one int
	return absent("find member", tx.QueryRowContext(ctx, query, tenant, id).Scan(&one), directory.ErrNotFound)
}

// RemoveMember takes a member out of a group.
func (db *DB) RemoveMember(ctx context.Context, tenant directory.TenantID, group, member directory.ObjectID, row audit.Entry) error {
	return db.remove(ctx, row, "remove member",
		`DELETE FROM group_members WHERE tenant_id = $1 AND group_id = $2 AND member_id = $3`, tenant, group, member)
}

// RoleAssignments returns who holds which directory role.
func (db *DB) RoleAssignments(ctx context.Context, tenant directory.TenantID) ([]directory.RoleAssignment, error) {
	const query = `SELECT role, user_id FROM role_assignments WHERE tenant_id = $1 ORDER BY role, user_id`
	list, err := collect(ctx, db.read, func(s scanner) (directory.RoleAssignment, error) {
		var a directory.RoleAssignment
		return a, s.Scan(&a.Role, &a.User)
	}, query, tenant)
	return list, wrap("list role assignments", err)
}

// AssignRole gives a user a role; directory.ErrExists where the user has it.
func (db *DB) AssignRole(ctx context.Context, tenant directory.TenantID, role directory.Role, user directory.ObjectID, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error { return tx.assignRole(ctx, tenant, role, user) })
}

func (tx *tx) assignRole(ctx context.Context, tenant directory.TenantID, role directory.Role, user directory.ObjectID) error {
	const query = `INSERT INTO role_assignments (tenant_id, role, user_id) VALUES ($1, $2, $3)`
	_, err := tx.ExecContext(ctx, query, tenant, role, user)
	return conflict("assign role", err)
}

// UnassignRole takes a role from a user.
func (db *DB) UnassignRole(ctx context.Context, tenant directory.TenantID, role directory.Role, user directory.ObjectID, row audit.Entry) error {
	return db.remove(ctx, row, "unassign role",
		`DELETE FROM role_assignments WHERE tenant_id = $1 AND role = $2 AND user_id = $3`, tenant, role, user)
}

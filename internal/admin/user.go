package admin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"boundgate/internal/directory"

	"github.com/google/uuid"
)

// Bounds of what a person may write into a name, in bytes, and of passwords.
const (
	maxName     = 256
	maxUPN      = 113 // as Microsoft Graph has it
	minPassword = 8
	maxPassword = 256
)

// A NewUser is what it takes to create an account.
type NewUser struct {
	UPN             string
	DisplayName     string
	Enabled         bool
	Type            directory.UserType // "" is Member
	EmergencyAccess bool
	// Password is the first password; where it is empty, one is generated and returned once.
	Password string
	// HomeTenant and HomeUser name a guest's own account. They are not looked up: whether they exist is their tenant's
	// affair (P13).
	HomeTenant directory.TenantID
	HomeUser   directory.ObjectID
}

// A UserPatch changes the members that are not nil.
type UserPatch struct {
	DisplayName     *string
	UPN             *string
	Enabled         *bool
	EmergencyAccess *bool
	Password        *string
}

// Users returns the users of the caller's tenant.
func (s *Service) Users(ctx context.Context, c Caller) ([]directory.User, error) {
	if err := Authorize(c, ReadDirectory); err != nil {
		return nil, err
	}
	users, err := s.Store.Users(ctx, c.Tenant)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return users, nil
}

// User returns one user, by object id or user principal name. Everybody may read their own account.
func (s *Service) User(ctx context.Context, c Caller, key string) (directory.User, error) {
	u, err := s.findUser(ctx, c.Tenant, key)
	if err == nil && u.ID == c.User {
		return u, nil
	}
	if forbidden := Authorize(c, ReadDirectory); forbidden != nil {
		return directory.User{}, forbidden
	}
	return u, err
}

func (s *Service) findUser(ctx context.Context, tenant directory.TenantID, key string) (directory.User, error) {
	if id, ok := objectID(key); ok {
		return s.Store.UserByID(ctx, tenant, id)
	}
	return s.Store.UserByName(ctx, tenant, strings.ToLower(key))
}

// CreateUser creates an account in the caller's tenant. The second result is the password where one was generated.
func (s *Service) CreateUser(ctx context.Context, c Caller, n NewUser) (directory.User, string, error) {
	none := directory.User{}
	if err := Authorize(c, ManageUsers); err != nil {
		return none, "", err
	}
	if n.EmergencyAccess {
		if err := Authorize(c, ManageAdministrators); err != nil {
			return none, "", err
		}
	}
	tenant, err := s.Store.Tenant(ctx, c.Tenant)
	if err != nil {
		return none, "", fmt.Errorf("create user: %w", err)
	}
	if err := checkNewUser(tenant, &n); err != nil {
		return none, "", err
	}
	u, generated, err := s.newUser(ctx, c.Tenant, n)
	if err != nil {
		return none, "", err
	}
	entry, err := s.entry(c, change{activity: "Add user", category: "UserManagement", targetType: "User",
		targetID: string(u.ID), targetName: u.UPN, after: userView(u)})
	if err != nil {
		return none, "", err
	}
	if err := s.Store.CreateUser(ctx, u, entry); err != nil {
		if errors.Is(err, directory.ErrExists) {
			return none, "", &ConflictError{Message: fmt.Sprintf("A user with the name %s, or a guest with this account at home, exists.", u.UPN),
				Next: "Change the account that exists, or choose another userPrincipalName."}
		}
		return none, "", fmt.Errorf("create user: %w", err)
	}
	return u, generated, nil
}

// newUser makes the account of a checked request, with its password hashed.
func (s *Service) newUser(ctx context.Context, tenant directory.TenantID, n NewUser) (u directory.User, generated string, err error) {
	now := s.now()
	u = directory.User{
		ID: directory.ObjectID(newID()), Tenant: tenant, UPN: n.UPN, DisplayName: n.DisplayName, Enabled: n.Enabled,
		Type: n.Type, EmergencyAccess: n.EmergencyAccess, HomeTenant: n.HomeTenant, HomeUser: n.HomeUser,
		SessionsValidFrom: now, CreatedAt: now,
	}
	if n.Type == directory.Guest {
		return u, "", nil
	}
	password := n.Password
	if password == "" {
		generated = rand.Text()
		password = generated
	}
	if u.PasswordHash, err = s.Passwords.Hash(ctx, password); err != nil {
		return directory.User{}, "", fmt.Errorf("hash the password: %w", err)
	}
	u.PasswordChangedAt = now
	return u, generated, nil
}

// checkNewUser reports all that is wrong with n, and brings its names into their stored form.
func checkNewUser(tenant directory.Tenant, n *NewUser) error {
	var p problems
	n.DisplayName = strings.TrimSpace(n.DisplayName)
	checkName(&p, "/displayName", n.DisplayName)
	n.UPN = checkUPN(&p, tenant, n.UPN)
	if n.Type == "" {
		n.Type = directory.Member
	}
	switch n.Type {
	case directory.Member:
		if n.HomeTenant != "" || n.HomeUser != "" {
			p.add("/homeTenantId", "Only a guest has a home tenant.", "Set userType to Guest, or leave homeTenantId and homeUserId out.")
		}
		if n.Password != "" {
			checkPassword(&p, n.Password)
		}
	case directory.Guest:
		checkGuest(&p, tenant.ID, n)
	default:
		p.add("/userType", fmt.Sprintf("The user type %q is unknown.", n.Type), "Use Member or Guest.")
	}
	return p.err()
}

func checkGuest(p *problems, tenant directory.TenantID, n *NewUser) {
	home, homeOK := objectID(string(n.HomeTenant))
	user, userOK := objectID(string(n.HomeUser))
	if !homeOK || directory.TenantID(home) == tenant {
		p.add("/homeTenantId", "A guest needs the id of another tenant as its home.", "Ask the guest's organisation for its tenant id.")
	}
	if !userOK {
		p.add("/homeUserId", "A guest needs the object id of its account at home.", "Ask the guest's organisation for the user's object id.")
	}
	if n.Password != "" {
		p.add("/passwordProfile", "A guest has no password here; it signs in at home.", "Leave passwordProfile out.")
	}
	n.HomeTenant, n.HomeUser = directory.TenantID(home), user
}

// UpdateUser changes an account. Disabling it ends its issuance at once (P06).
func (s *Service) UpdateUser(ctx context.Context, c Caller, key string, patch UserPatch) error {
	u, err := s.updateAccount(ctx, c, key, patch)
	if err != nil || patch.Password == nil {
		return err
	}
	return s.setPassword(ctx, c, u, *patch.Password)
}

// updateAccount changes all but the password, and returns the account as it is then.
func (s *Service) updateAccount(ctx context.Context, c Caller, key string, patch UserPatch) (directory.User, error) {
	defer s.oneAtATime()()
	u, err := s.userToChange(ctx, c, key)
	if err != nil {
		return u, err
	}
	if patch.EmergencyAccess != nil && *patch.EmergencyAccess != u.EmergencyAccess {
		if err := Authorize(c, ManageAdministrators); err != nil {
			return u, err
		}
	}
	tenant, err := s.Store.Tenant(ctx, c.Tenant)
	if err != nil {
		return u, fmt.Errorf("update user: %w", err)
	}
	changed, err := applyUserPatch(tenant, u, patch)
	if err != nil {
		return u, err
	}
	if u.Enabled && !changed.Enabled {
		if err := s.keepAnAdministrator(ctx, c.Tenant, u.ID); err != nil {
			return u, err
		}
	}
	if changed != u {
		err = s.storeUser(ctx, c, u, changed)
	}
	return changed, err
}

func applyUserPatch(tenant directory.Tenant, u directory.User, patch UserPatch) (directory.User, error) {
	var p problems
	if patch.DisplayName != nil {
		u.DisplayName = strings.TrimSpace(*patch.DisplayName)
		checkName(&p, "/displayName", u.DisplayName)
	}
	if patch.UPN != nil {
		u.UPN = checkUPN(&p, tenant, *patch.UPN)
	}
	if patch.Enabled != nil {
		u.Enabled = *patch.Enabled
	}
	if patch.EmergencyAccess != nil {
		u.EmergencyAccess = *patch.EmergencyAccess
	}
	if patch.Password != nil {
		if u.Type == directory.Guest {
			p.add("/passwordProfile", "A guest has no password here; it signs in at home.", "Change the password in the guest's own organisation.")
		}
		checkPassword(&p, *patch.Password)
	}
	return u, p.err()
}

func (s *Service) storeUser(ctx context.Context, c Caller, before, after directory.User) error {
	entry, err := s.entry(c, change{activity: "Update user", category: "UserManagement", targetType: "User",
		targetID: string(after.ID), targetName: after.UPN, before: userView(before), after: userView(after)})
	if err != nil {
		return err
	}
	err = s.Store.UpdateUser(ctx, after, entry)
	if errors.Is(err, directory.ErrExists) {
		return &ConflictError{Message: fmt.Sprintf("A user with the name %s exists.", after.UPN), Next: "Choose another userPrincipalName."}
	}
	if err != nil {
		return fmt.Errorf("update user: %w", err)
	}
	return nil
}

// ResetPassword gives an account a new password and ends its sessions (P06). Where password is empty one is generated and
// returned, once.
func (s *Service) ResetPassword(ctx context.Context, c Caller, key, password string) (generated string, err error) {
	u, err := s.userToChange(ctx, c, key)
	if err != nil {
		return "", err
	}
	if password == "" {
		generated = rand.Text()
		password = generated
	}
	if _, err := applyUserPatch(directory.Tenant{}, u, UserPatch{Password: &password}); err != nil {
		return "", err
	}
	return generated, s.setPassword(ctx, c, u, password)
}

func (s *Service) setPassword(ctx context.Context, c Caller, u directory.User, password string) error {
	hash, err := s.Passwords.Hash(ctx, password)
	if err != nil {
		return fmt.Errorf("hash the password: %w", err)
	}
	entry, err := s.entry(c, change{activity: "Reset user password", category: "UserManagement", targetType: "User",
		targetID: string(u.ID), targetName: u.UPN})
	if err != nil {
		return err
	}
	if err := s.Store.SetPassword(ctx, c.Tenant, u.ID, hash, s.now(), entry); err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return nil
}

// RevokeSessions ends every session of a user. Everybody may end their own.
func (s *Service) RevokeSessions(ctx context.Context, c Caller, key string) error {
	u, err := s.findUser(ctx, c.Tenant, key)
	if err != nil || u.ID != c.User {
		u, err = s.userToChange(ctx, c, key)
	}
	if err != nil {
		return err
	}
	now := s.now()
	entry, err := s.entry(c, change{activity: "Revoke user sessions", category: "UserManagement", targetType: "User",
		targetID: string(u.ID), targetName: u.UPN,
		before: sessionsView{u.SessionsValidFrom}, after: sessionsView{now}})
	if err != nil {
		return err
	}
	if err := s.Store.RevokeSessions(ctx, c.Tenant, u.ID, now, entry); err != nil {
		return fmt.Errorf("revoke sessions: %w", err)
	}
	return nil
}

// DeleteUser removes an account.
func (s *Service) DeleteUser(ctx context.Context, c Caller, key string) error {
	defer s.oneAtATime()()
	u, err := s.userToChange(ctx, c, key)
	if err != nil {
		return err
	}
	if err := s.keepAnAdministrator(ctx, c.Tenant, u.ID); err != nil {
		return err
	}
	entry, err := s.entry(c, change{activity: "Delete user", category: "UserManagement", targetType: "User",
		targetID: string(u.ID), targetName: u.UPN, before: userView(u)})
	if err != nil {
		return err
	}
	if err := s.Store.DeleteUser(ctx, c.Tenant, u.ID, entry); err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	return nil
}

// userToChange finds the user and decides whether the caller may change the account: User Administrators may, except
// where the account holds a role or is for emergencies.
func (s *Service) userToChange(ctx context.Context, c Caller, key string) (directory.User, error) {
	if err := Authorize(c, ManageUsers); err != nil {
		return directory.User{}, err
	}
	u, err := s.findUser(ctx, c.Tenant, key)
	if err != nil {
		return directory.User{}, err
	}
	roles, err := s.rolesOf(ctx, c.Tenant, u.ID)
	if err != nil {
		return directory.User{}, err
	}
	if len(roles) > 0 || u.EmergencyAccess {
		if err := Authorize(c, ManageAdministrators); err != nil {
			return directory.User{}, err
		}
	}
	return u, nil
}

func checkName(p *problems, pointer, name string) {
	switch {
	case name == "":
		p.add(pointer, "A name is missing.", "Give a name.")
	case len(name) > maxName:
		p.add(pointer, fmt.Sprintf("The name is longer than %d bytes.", maxName), "Shorten the name.")
	case !printable(name):
		p.add(pointer, "The name holds control characters or is not UTF-8.", "Write the name as plain text.")
	}
}

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || (r >= 0x7f && r < 0xa0) })
}

// checkUPN returns the stored form of a user principal name. Its domain must be a verified one of the tenant.
func checkUPN(p *problems, tenant directory.Tenant, upn string) string {
	const pointer = "/userPrincipalName"
	local, domain, ok := directory.SplitUPN(upn)
	if !ok || len(upn) > maxUPN || !printable(upn) || strings.ContainsAny(local, " @/\\") {
		p.add(pointer, "The user principal name is not of the form name@domain.", "Write it as name@"+tenant.InitialDomain()+".")
		return ""
	}
	for _, d := range tenant.Domains {
		if d.Verified && d.Name == domain {
			return local + "@" + domain
		}
	}
	p.add(pointer, fmt.Sprintf("The domain %s is not a verified domain of this tenant.", domain),
		"Use one of the tenant's domains, such as "+tenant.InitialDomain()+".")
	return ""
}

func checkPassword(p *problems, password string) {
	const pointer = "/passwordProfile/password"
	switch {
	case utf8.RuneCountInString(password) < minPassword:
		p.add(pointer, fmt.Sprintf("The password is shorter than %d characters.", minPassword), "Choose a longer password.")
	case len(password) > maxPassword:
		p.add(pointer, fmt.Sprintf("The password is longer than %d bytes.", maxPassword), "Choose a shorter password.")
	}
}

// objectID returns the stored form of a GUID; ok is false where s is none.
func objectID(s string) (id directory.ObjectID, ok bool) {
	if len(s) != 36 {
		return "", false
	}
	u, err := uuid.Parse(s)
	if err != nil {
		return "", false
	}
	return directory.ObjectID(u.String()), true
}

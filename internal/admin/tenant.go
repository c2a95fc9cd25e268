package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"boundgate/internal/directory"
)

// Tenant returns the caller's own tenant. Everybody who is signed in may know where they are.
func (s *Service) Tenant(ctx context.Context, c Caller) (directory.Tenant, error) {
	t, err := s.Store.Tenant(ctx, c.Tenant)
	if err != nil {
		return directory.Tenant{}, fmt.Errorf("read tenant: %w", err)
	}
	return t, nil
}

// Workspace returns the id of the workspace that holds the logs of the caller's tenant.
func (s *Service) Workspace(ctx context.Context, c Caller) (string, error) {
	id, err := s.Store.WorkspaceOf(ctx, c.Tenant)
	if err != nil {
		return "", fmt.Errorf("find workspace: %w", err)
	}
	return id, nil
}

// Tenants returns all tenants to a Global Administrator of the operator tenant, and to others their own.
func (s *Service) Tenants(ctx context.Context, c Caller) ([]directory.Tenant, error) {
	if err := s.authorizeOperator(c); err != nil {
		t, err := s.Tenant(ctx, c)
		return []directory.Tenant{t}, err
	}
	all, err := s.Store.Tenants(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	return all, nil
}

// A NewTenant is what it takes to create a tenant, with the first person who can administer it.
type NewTenant struct {
	DisplayName   string
	Domain        string
	Administrator NewUser // the UPN must lie in Domain
}

// CreateTenant creates a tenant with a first Global Administrator; the last result is that person's password where one was
// generated. Only Global Administrators of the operator tenant may.
func (s *Service) CreateTenant(ctx context.Context, c Caller, n NewTenant) (t directory.Tenant, first directory.User, password string, err error) {
	if err := s.authorizeOperator(c); err != nil {
		return t, first, "", err
	}
	t, err = s.checkNewTenant(&n)
	if err != nil {
		return t, first, "", err
	}
	first, password, err = s.newUser(ctx, t.ID, n.Administrator)
	if err != nil {
		return t, first, "", err
	}
	if err := s.storeTenant(ctx, c, t, first); err != nil {
		return t, first, "", err
	}
	return t, first, password, nil
}

func (s *Service) checkNewTenant(n *NewTenant) (directory.Tenant, error) {
	t := directory.Tenant{ID: directory.TenantID(newID()), DisplayName: strings.TrimSpace(n.DisplayName), CreatedAt: s.now()}
	var p problems
	checkName(&p, "/displayName", t.DisplayName)
	if domain := checkDomain(&p, "/domain", n.Domain); domain != "" {
		t.Domains = []directory.Domain{{Name: domain, Verified: true, Initial: true}}
	}
	n.Administrator.Enabled, n.Administrator.Type = true, directory.Member
	var inner *InvalidError
	if errors.As(checkNewUser(t, &n.Administrator), &inner) {
		for _, problem := range inner.Problems {
			problem.Pointer = "/administrator" + problem.Pointer
			p = append(p, problem)
		}
	}
	return t, p.err()
}

// storeTenant writes the tenant, its first user and that user's role. That the tenant was created stands in the operator's
// audit log, the rest in the new tenant's.
func (s *Service) storeTenant(ctx context.Context, c Caller, t directory.Tenant, first directory.User) error {
	created, err := s.entry(c, tenantChange("Create tenant", t, nil, tenantView(t)))
	if err != nil {
		return err
	}
	added, err := s.entry(c, change{activity: "Add user", category: "UserManagement", targetType: "User",
		targetID: string(first.ID), targetName: first.UPN, after: userView(first)})
	if err != nil {
		return err
	}
	const role = directory.GlobalAdministrator
	assigned, err := s.entry(c, roleChange("Add member to role", role, first, nil, roleView{role, directory.RoleNames[role], first.ID}))
	if err != nil {
		return err
	}
	added.Tenant, assigned.Tenant = t.ID, t.ID
	if err := s.Store.FoundTenant(ctx, directory.Founding{Tenant: t, Administrator: first}, created, added, assigned); err != nil {
		return fmt.Errorf("create tenant: %w", domainConflict(err))
	}
	return nil
}

// A SettingsPatch changes the members that are not nil.
type SettingsPatch struct {
	DisplayName             *string
	AllowKDF1               *bool
	AllowDeviceCodeSessions *bool
	AllowStaleRegistration  *bool
	DenyPasswordGrant       *bool
	DenyUserConsent         *bool
	FamilyRefreshTokens     *bool
	DevicesPerUser          *int
	InboundTrust            *[]directory.InboundTrust
}

// maxDevicesPerUser bounds the registration quota.
const maxDevicesPerUser = 1000

// UpdateSettings changes the caller's own tenant.
func (s *Service) UpdateSettings(ctx context.Context, c Caller, patch SettingsPatch) (directory.Tenant, error) {
	defer s.oneAtATime()()
	if err := Authorize(c, ManageSettings); err != nil {
		return directory.Tenant{}, err
	}
	t, err := s.Tenant(ctx, c)
	if err != nil {
		return directory.Tenant{}, err
	}
	before := tenantView(t)
	if err := applySettings(&t, patch); err != nil {
		return directory.Tenant{}, err
	}
	entry, err := s.entry(c, tenantChange("Update tenant settings", t, before, tenantView(t)))
	if err != nil {
		return directory.Tenant{}, err
	}
	if err := s.Store.UpdateTenant(ctx, t, entry); err != nil {
		return directory.Tenant{}, fmt.Errorf("update tenant: %w", err)
	}
	return t, nil
}

func applySettings(t *directory.Tenant, patch SettingsPatch) error {
	var p problems
	if patch.DisplayName != nil {
		t.DisplayName = strings.TrimSpace(*patch.DisplayName)
		checkName(&p, "/displayName", t.DisplayName)
	}
	set(&t.Settings.AllowKDF1, patch.AllowKDF1)
	set(&t.Settings.AllowDeviceCodeSessions, patch.AllowDeviceCodeSessions)
	set(&t.Settings.AllowStaleRegistration, patch.AllowStaleRegistration)
	set(&t.Settings.DenyPasswordGrant, patch.DenyPasswordGrant)
	set(&t.Settings.DenyUserConsent, patch.DenyUserConsent)
	set(&t.Settings.FamilyRefreshTokens, patch.FamilyRefreshTokens)
	set(&t.Settings.DevicesPerUser, patch.DevicesPerUser)
	if n := t.Settings.DevicesPerUser; n < 0 || n > maxDevicesPerUser {
		p.add("/settings/devicesPerUser", fmt.Sprintf("The quota is not between 0 and %d.", maxDevicesPerUser),
			fmt.Sprintf("Use 0 for the default of %d.", directory.DefaultDevicesPerUser))
	}
	if patch.InboundTrust != nil {
		t.Settings.InboundTrust = checkTrust(&p, t.ID, *patch.InboundTrust)
	}
	return p.err()
}

// checkTrust checks the list of trusted home tenants. Whether such a tenant exists is not looked up (P13).
func checkTrust(p *problems, own directory.TenantID, list []directory.InboundTrust) []directory.InboundTrust {
	list = slices.Clone(list)
	seen := map[directory.TenantID]bool{own: true}
	for i := range list {
		pointer := fmt.Sprintf("/settings/inboundTrust/%d/tenantId", i)
		id, ok := objectID(string(list[i].Tenant))
		if !ok {
			p.add(pointer, "This is not a tenant id.", "Write the home tenant's GUID.")
			continue
		}
		list[i].Tenant = directory.TenantID(id)
		if seen[list[i].Tenant] {
			p.add(pointer, "This is the tenant itself, or a tenant that the list names twice.", "Name each other tenant once.")
		}
		seen[list[i].Tenant] = true
	}
	return list
}

// AddDomain gives a verified domain to a tenant. Only Global Administrators of the operator tenant may: whoever owns a
// domain name owns the names of people in it, and this deployment has no other proof of ownership.
func (s *Service) AddDomain(ctx context.Context, c Caller, tenant, domain string) error {
	defer s.oneAtATime()()
	t, err := s.tenantToName(ctx, c, tenant)
	if err != nil {
		return err
	}
	var p problems
	name := checkDomain(&p, "/id", domain)
	if err := p.err(); err != nil {
		return err
	}
	before := tenantView(t)
	t.Domains = append(slices.Clone(t.Domains), directory.Domain{Name: name, Verified: true})
	return s.renameDomains(ctx, c, "Add verified domain", t, before)
}

// RemoveDomain takes a domain from a tenant. The initial domain stays, and so does one in which users have names.
func (s *Service) RemoveDomain(ctx context.Context, c Caller, tenant, domain string) error {
	defer s.oneAtATime()()
	t, err := s.tenantToName(ctx, c, tenant)
	if err != nil {
		return err
	}
	domain = strings.ToLower(domain)
	at := slices.IndexFunc(t.Domains, func(d directory.Domain) bool { return d.Name == domain })
	if at < 0 {
		return directory.ErrNotFound
	}
	if t.Domains[at].Initial {
		return &ConflictError{Message: "The initial domain of a tenant cannot be removed.", Next: "Remove another domain, or leave it."}
	}
	users, err := s.Store.Users(ctx, t.ID)
	if err != nil {
		return fmt.Errorf("list users: %w", err)
	}
	for _, u := range users {
		if strings.HasSuffix(u.UPN, "@"+domain) {
			return &ConflictError{Message: "Users have names in this domain.", Next: "Give those users names in another domain first."}
		}
	}
	before := tenantView(t)
	t.Domains = slices.Delete(slices.Clone(t.Domains), at, at+1)
	return s.renameDomains(ctx, c, "Remove domain", t, before)
}

func (s *Service) tenantToName(ctx context.Context, c Caller, key string) (directory.Tenant, error) {
	if err := s.authorizeOperator(c); err != nil {
		return directory.Tenant{}, err
	}
	id, ok := objectID(key)
	if !ok {
		return directory.Tenant{}, directory.ErrNotFound
	}
	return s.Store.Tenant(ctx, directory.TenantID(id))
}

func (s *Service) renameDomains(ctx context.Context, c Caller, activity string, t directory.Tenant, before any) error {
	entry, err := s.entry(c, tenantChange(activity, t, before, tenantView(t)))
	if err != nil {
		return err
	}
	entry.Tenant = t.ID
	if err := s.Store.UpdateTenant(ctx, t, entry); err != nil {
		return fmt.Errorf("change domains: %w", domainConflict(err))
	}
	return nil
}

func domainConflict(err error) error {
	if errors.Is(err, directory.ErrExists) {
		return &ConflictError{Message: "The domain belongs to a tenant already.", Next: "Choose another domain."}
	}
	return err
}

// checkDomain returns the stored form of a DNS name of at least two labels.
func checkDomain(p *problems, pointer, domain string) string {
	name := strings.ToLower(strings.TrimSpace(domain))
	labels := strings.Split(name, ".")
	good := len(name) <= 253 && len(labels) >= 2
	for _, label := range labels {
		good = good && len(label) >= 1 && len(label) <= 63 && !strings.HasPrefix(label, "-") && !strings.HasSuffix(label, "-") &&
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	}
	if !good {
		p.add(pointer, "This is not a DNS name of at least two labels.", "Write it like contoso.example, in ASCII.")
		return ""
	}
	return name
}

func tenantChange(activity string, t directory.Tenant, before, after any) change {
	return change{activity: activity, category: "DirectoryManagement", targetType: "Tenant",
		targetID: string(t.ID), targetName: t.DisplayName, before: before, after: after}
}

// set assigns *from to *to where from is not nil.
func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

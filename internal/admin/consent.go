package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"boundgate/internal/directory"
	"boundgate/internal/factor"
)

// Consents returns what people, and administrators for everybody, have agreed that applications may do.
func (s *Service) Consents(ctx context.Context, c Caller) ([]directory.Consent, error) {
	if err := Authorize(c, ReadDirectory); err != nil {
		return nil, err
	}
	list, err := s.Store.AllConsents(ctx, c.Tenant)
	if err != nil {
		return nil, fmt.Errorf("list consents: %w", err)
	}
	return list, nil
}

// GrantConsent agrees for everybody, or for one user, to what a client asks for.
func (s *Service) GrantConsent(ctx context.Context, c Caller, grant directory.Consent) (directory.Consent, error) {
	if err := Authorize(c, ManageApplications); err != nil {
		return grant, err
	}
	app, err := s.Application(ctx, c, string(grant.Client))
	if err != nil {
		return grant, invalid("/clientId", "The tenant has no such application.", "Name an application by its appId.")
	}
	resource, err := s.Resource(ctx, c, string(grant.Resource))
	if err != nil {
		return grant, invalid("/resourceId", "The tenant has no such resource.", "Name a resource by its appId or object id.")
	}
	if len(grant.Scopes) == 0 || len(grant.Scopes) > maxListed || slices.ContainsFunc(grant.Scopes, func(scope string) bool { return len(scope) > maxName || !printable(scope) }) {
		return grant, invalid("/scope", "The scope is empty, or too long.", "Write the scopes with blanks between, such as \"openid Mail.Read\".")
	}
	grant.ID, grant.Tenant, grant.At, grant.Client, grant.Resource = newID(), c.Tenant, s.now(), app.AppID, resource.AppID
	entry, err := s.entry(c, consentChange("Consent to application", app.DisplayName, grant, nil, grant))
	if err != nil {
		return grant, err
	}
	if err := s.Store.PutConsent(ctx, grant, entry); err != nil {
		return grant, fmt.Errorf("grant consent: %w", err)
	}
	return grant, nil
}

// RevokeConsent takes a consent back.
func (s *Service) RevokeConsent(ctx context.Context, c Caller, id string) error {
	if err := Authorize(c, ManageApplications); err != nil {
		return err
	}
	list, err := s.Consents(ctx, c)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(g directory.Consent) bool { return g.ID == id })
	if i < 0 {
		return directory.ErrNotFound
	}
	entry, err := s.entry(c, consentChange("Revoke consent to application", string(list[i].Client), list[i], list[i], nil))
	if err != nil {
		return err
	}
	if err := s.Store.RemoveConsent(ctx, c.Tenant, id, entry); err != nil {
		return fmt.Errorf("revoke consent: %w", err)
	}
	return nil
}

func consentChange(activity, name string, grant directory.Consent, before, after any) change {
	return change{activity: activity, category: "ApplicationManagement", targetType: "OAuth2PermissionGrant", targetID: grant.ID, targetName: name, before: before, after: after}
}

// Factors returns the second factors of a user, without what they prove themselves with.
func (s *Service) Factors(ctx context.Context, c Caller, key string) ([]factor.Factor, error) {
	u, err := s.User(ctx, c, key)
	if err != nil {
		return nil, err
	}
	list, err := s.Store.FactorsOf(ctx, c.Tenant, u.ID)
	if err != nil {
		return nil, fmt.Errorf("list second factors: %w", err)
	}
	for i := range list {
		list[i].Secret, list[i].Credential = "", nil
	}
	return list, nil
}

// RemoveFactor removes a second factor, such as that of a lost phone. Who may reset the user's password may do this.
func (s *Service) RemoveFactor(ctx context.Context, c Caller, key, id string) error {
	u, err := s.userToChange(ctx, c, key)
	if err != nil {
		return err
	}
	list, err := s.Store.FactorsOf(ctx, c.Tenant, u.ID)
	if err != nil {
		return fmt.Errorf("list second factors: %w", err)
	}
	i := slices.IndexFunc(list, func(f factor.Factor) bool { return strings.EqualFold(f.ID, id) })
	if i < 0 {
		return directory.ErrNotFound
	}
	entry, err := s.entry(c, change{
		activity: "Admin deleted security info", category: "UserManagement", targetType: "User", targetID: string(u.ID), targetName: u.UPN, before: list[i].Summary(),
	})
	if err != nil {
		return err
	}
	if err := s.Store.RemoveFactor(ctx, c.Tenant, u.ID, list[i].ID, entry); err != nil {
		return fmt.Errorf("remove a second factor: %w", err)
	}
	return nil
}

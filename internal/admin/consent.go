package admin

import (
	"context"
	"fmt"
	"slices"

	"boundgate/internal/directory"
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

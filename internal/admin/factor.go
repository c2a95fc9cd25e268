package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"boundgate/internal/directory"
	"boundgate/internal/factor"
)

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

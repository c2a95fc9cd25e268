package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"boundgate/internal/directory"
	"boundgate/internal/factor"
)

// Factors returns the second factors of a user, the oldest first, without what they prove themselves with. Everybody may
// read their own.
func (s *Service) Factors(ctx context.Context, c Caller, key string) ([]factor.Factor, error) {
	u, err := s.User(ctx, c, key)
	if err != nil {
		return nil, err
	}
	if u.ID != c.User {
		if err := Authorize(c, ReadFactors); err != nil {
			return nil, err
		}
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

// Factor returns one second factor of a user, without what it proves itself with. directory.ErrNotFound says that the user
// has none of that kind with that id.
func (s *Service) Factor(ctx context.Context, c Caller, key string, kind factor.Kind, id string) (factor.Factor, error) {
	list, err := s.Factors(ctx, c, key)
	if err != nil {
		return factor.Factor{}, err
	}
	return factorIn(list, kind, id)
}

// RemoveFactor removes a second factor, such as that of a lost phone. Who may reset the user's password may do this. It ends
// no session: whoever has the phone and not the password has none.
func (s *Service) RemoveFactor(ctx context.Context, c Caller, key string, kind factor.Kind, id string) error {
	u, err := s.userToChange(ctx, c, key)
	if err != nil {
		return err
	}
	list, err := s.Store.FactorsOf(ctx, c.Tenant, u.ID)
	if err != nil {
		return fmt.Errorf("list second factors: %w", err)
	}
	f, err := factorIn(list, kind, id)
	if err != nil {
		return err
	}
	entry, err := s.entry(c, change{
		activity: "Admin deleted security info", category: "UserManagement", targetType: "User", targetID: string(u.ID), targetName: u.UPN, before: f.Summary(),
	})
	if err != nil {
		return err
	}
	if err := s.Store.RemoveFactor(ctx, c.Tenant, u.ID, f.ID, entry); err != nil {
		return fmt.Errorf("remove a second factor: %w", err)
	}
	return nil
}

func factorIn(list []factor.Factor, kind factor.Kind, id string) (factor.Factor, error) {
	i := slices.IndexFunc(list, func(f factor.Factor) bool { return f.Kind == kind && strings.EqualFold(f.ID, id) })
	if i < 0 {
		return factor.Factor{}, directory.ErrNotFound
	}
	return list[i], nil
}

package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"boundgate/internal/directory"
	"boundgate/internal/policy"
	"boundgate/internal/policytemplate"
)

// PolicyTemplates returns the policies to begin with.
func (s *Service) PolicyTemplates(c Caller) ([]policytemplate.Template, error) {
	if err := Authorize(c, ReadPolicies); err != nil {
		return nil, err
	}
	return policytemplate.All(), nil
}

// PolicyTemplate returns one template, by its id or its name.
func (s *Service) PolicyTemplate(c Caller, key string) (policytemplate.Template, error) {
	if err := Authorize(c, ReadPolicies); err != nil {
		return policytemplate.Template{}, err
	}
	t, ok := policytemplate.Find(key)
	if !ok {
		return policytemplate.Template{}, directory.ErrNotFound
	}
	return t, nil
}

// CreateFromTemplate creates the policy of a template, report-only, for the people of the assignment. What CreatePolicy
// refuses, this refuses.
func (s *Service) CreateFromTemplate(ctx context.Context, c Caller, key string, a policytemplate.Assignment) (policy.Policy, []Warning, error) {
	defer s.oneAtATime()()
	t, err := s.PolicyTemplate(c, key)
	if err != nil {
		return policy.Policy{}, nil, err
	}
	return s.createFrom(ctx, c, t, a)
}

func (s *Service) createFrom(ctx context.Context, c Caller, t policytemplate.Template, a policytemplate.Assignment) (policy.Policy, []Warning, error) {
	p, err := t.Policy(a)
	var nobody *policytemplate.NobodyError
	if errors.As(err, &nobody) {
		return policy.Policy{}, nil, invalid("/includeGroups", "The template is for people who are named, and nobody is.",
			"Name a small pilot group in includeGroups.")
	} else if err != nil {
		return policy.Policy{}, nil, fmt.Errorf("make policy from template: %w", err)
	}
	document, err := json.Marshal(p)
	if err != nil {
		return policy.Policy{}, nil, fmt.Errorf("encode policy: %w", err)
	}
	return s.createPolicy(ctx, c, document)
}

// A CompanionPolicy is what there is of one companion of token protection (S48).
type CompanionPolicy struct {
	policytemplate.Companion
	// Created says that the policy was missing and is there now.
	Created  bool
	Warnings []Warning // about a created policy
}

// Companions returns which companions of token protection the caller's tenant has.
func (s *Service) Companions(ctx context.Context, c Caller) ([]CompanionPolicy, error) {
	policies, err := s.Policies(ctx, c)
	if err != nil {
		return nil, err
	}
	var list []CompanionPolicy
	for _, companion := range policytemplate.Companions(policies) {
		list = append(list, CompanionPolicy{Companion: companion})
	}
	return list, nil
}

// CreateCompanions creates those companions of token protection that are missing, report-only and for everybody but those
// whom the assignment excludes, and returns all of them. With nothing missing it changes nothing. Where one cannot be
// created, those before it are there; a second attempt goes on from them.
func (s *Service) CreateCompanions(ctx context.Context, c Caller, a policytemplate.Assignment) ([]CompanionPolicy, error) {
	defer s.oneAtATime()()
	if err := Authorize(c, WritePolicies); err != nil {
		return nil, err
	}
	list, err := s.Companions(ctx, c)
	if err != nil {
		return nil, err
	}
	a = policytemplate.Assignment{ExcludeUsers: a.ExcludeUsers, ExcludeGroups: a.ExcludeGroups}
	for i := range list {
		if !list[i].Missing() {
			continue
		}
		p, warnings, err := s.createFrom(ctx, c, list[i].Template, a)
		if err != nil {
			return nil, err
		}
		list[i].Policies, list[i].Created, list[i].Warnings = []policy.Policy{p}, true, warnings
	}
	return list, nil
}

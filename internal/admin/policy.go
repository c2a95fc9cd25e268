package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

// codeUnknownObject is the number by which clients know a policy that names an object that is not there.
const codeUnknownObject = 1007

// codeNeedsP2 is the number of a condition that the tenant's licences do not include.
const codeNeedsP2 = 1039

// Policies returns the Conditional Access policies of the caller's tenant.
func (s *Service) Policies(ctx context.Context, c Caller) ([]policy.Policy, error) {
	if err := Authorize(c, ReadPolicies); err != nil {
		return nil, err
	}
	list, err := s.Store.Policies(ctx, c.Tenant)
	if err != nil {
		return nil, fmt.Errorf("list policies: %w", err)
	}
	return list, nil
}

// Policy returns one policy with the warnings about it.
func (s *Service) Policy(ctx context.Context, c Caller, id string) (policy.Policy, []Warning, error) {
	list, err := s.Policies(ctx, c)
	if err != nil {
		return policy.Policy{}, nil, err
	}
	p, err := findPolicy(list, id)
	if err != nil {
		return policy.Policy{}, nil, err
	}
	found, err := s.lint(ctx, c.Tenant, p, false)
	return p, warningsOf(found), err
}

func findPolicy(list []policy.Policy, id string) (policy.Policy, error) {
	for _, p := range list {
		if strings.EqualFold(p.ID, id) {
			return p, nil
		}
	}
	return policy.Policy{}, directory.ErrNotFound
}

// CreatePolicy creates a policy from the JSON that a client sent. It needs a licence that includes Conditional Access,
// report-only policies too (S10).
func (s *Service) CreatePolicy(ctx context.Context, c Caller, document []byte) (policy.Policy, []Warning, error) {
	defer s.oneAtATime()()
	return s.createPolicy(ctx, c, document)
}

// createPolicy is CreatePolicy for a caller that makes several changes at once.
func (s *Service) createPolicy(ctx context.Context, c Caller, document []byte) (policy.Policy, []Warning, error) {
	none := policy.Policy{}
	if err := Authorize(c, WritePolicies); err != nil {
		return none, nil, err
	}
	p, err := decodePolicy(document)
	if err != nil {
		return none, nil, err
	}
	p.ID, p.CreatedDateTime = newID(), s.now()
	p.ModifiedDateTime = none.ModifiedDateTime // until the first change
	if err := s.mayStore(ctx, c, p); err != nil {
		return none, nil, err
	}
	if err := s.licensed(ctx, c.Tenant); err != nil {
		return none, nil, err
	}
	return s.storePolicy(ctx, c, "Add conditional access policy", nil, p)
}

// UpdatePolicy merges the JSON that a client sent into a policy: members that are sent replace those that are there,
// objects member by member. Setting a policy that is off to report-only or on, or one that is report-only to on, needs a
// licence; other changes do not, so that a lapsed licence never locks an administrator out of an enforced policy (S10).
//
// A policy is not set On, and one that is On not changed, so that a finding that blocks is new in it, unless the document
// gives a reason (@boundgate.overrideReason). The reason is kept with the policy and with the findings it was given for.
func (s *Service) UpdatePolicy(ctx context.Context, c Caller, id string, document []byte) (policy.Policy, []Warning, error) {
	return s.changePolicy(ctx, c, id, func(before policy.Policy) (policy.Policy, error) { return mergePolicy(before, document) })
}

// ReplacePolicy puts the policy that a client sent in the place of another: members that are not sent are gone. Otherwise it
// is UpdatePolicy.
func (s *Service) ReplacePolicy(ctx context.Context, c Caller, id string, document []byte) (policy.Policy, []Warning, error) {
	return s.changePolicy(ctx, c, id, func(policy.Policy) (policy.Policy, error) { return decodePolicy(document) })
}

func (s *Service) changePolicy(ctx context.Context, c Caller, id string, change func(policy.Policy) (policy.Policy, error)) (policy.Policy, []Warning, error) {
	defer s.oneAtATime()()
	none := policy.Policy{}
	if err := Authorize(c, WritePolicies); err != nil {
		return none, nil, err
	}
	list, err := s.Store.Policies(ctx, c.Tenant)
	if err != nil {
		return none, nil, fmt.Errorf("list policies: %w", err)
	}
	before, err := findPolicy(list, id)
	if err != nil {
		return none, nil, err
	}
	after, err := change(before)
	if err != nil {
		return none, nil, err
	}
	after.ID, after.CreatedDateTime, after.ModifiedDateTime = before.ID, before.CreatedDateTime, s.now()
	if err := s.mayStore(ctx, c, after); err != nil {
		return none, nil, err
	}
	if strictness(after.State) > strictness(before.State) {
		if err := s.licensed(ctx, c.Tenant); err != nil {
			return none, nil, err
		}
	}
	return s.storePolicy(ctx, c, "Update conditional access policy", &before, after)
}

// strictness orders the states: off, report-only, on.
func strictness(state policy.State) int {
	return slices.Index([]policy.State{policy.Disabled, policy.ReportOnly, policy.Enabled}, state)
}

// DeletePolicy removes a policy.
func (s *Service) DeletePolicy(ctx context.Context, c Caller, id string) error {
	if err := Authorize(c, WritePolicies); err != nil {
		return err
	}
	list, err := s.Store.Policies(ctx, c.Tenant)
	if err != nil {
		return fmt.Errorf("list policies: %w", err)
	}
	p, err := findPolicy(list, id)
	if err != nil {
		return err
	}
	entry, err := s.entry(c, policyChange("Delete conditional access policy", p, p, nil))
	if err != nil {
		return err
	}
	if err := s.Store.DeletePolicy(ctx, c.Tenant, p.ID, entry); err != nil {
		return fmt.Errorf("delete policy: %w", err)
	}
	return nil
}

// storePolicy stores a policy in place of another, nil for none, unless the linter stands against it. The reason of an
// override that comes with the change goes into its audit row.
func (s *Service) storePolicy(ctx context.Context, c Caller, activity string, before *policy.Policy, p policy.Policy) (policy.Policy, []Warning, error) {
	reason := ""
	if p.Override != nil && p.Override.Findings == nil {
		reason = p.Override.Reason
	}
	warnings, err := s.judge(ctx, c.Tenant, before, &p)
	if err != nil {
		return policy.Policy{}, nil, err
	}
	row := policyChange(activity, p, nil, p)
	row.reason = reason
	if before != nil {
		row.before = *before
	}
	entry, err := s.entry(c, row)
	if err != nil {
		return policy.Policy{}, nil, err
	}
	if err := s.Store.PutPolicy(ctx, c.Tenant, p, entry); err != nil {
		return policy.Policy{}, nil, fmt.Errorf("store policy: %w", err)
	}
	return p, warnings, nil
}

func policyChange(activity string, p policy.Policy, before, after any) change {
	return change{activity: activity, category: "Policy", targetType: "Policy", targetID: p.ID, targetName: p.DisplayName,
		before: before, after: after}
}

// licensed refuses where no licence of the tenant includes Conditional Access now.
func (s *Service) licensed(ctx context.Context, tenant directory.TenantID) error {
	licences, err := s.Store.Licences(ctx, tenant)
	if err != nil {
		return fmt.Errorf("list licences: %w", err)
	}
	if !directory.HasP1(licences) {
		return ErrLicenceRequired
	}
	return nil
}

// decodePolicy reads a policy document, with its problems in this package's words.
func decodePolicy(document []byte) (policy.Policy, error) {
	p, err := policy.Decode(document)
	return p, policyProblems(err)
}

func policyProblems(err error) error {
	var invalid *policy.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}
	out := &InvalidError{}
	for _, p := range invalid.Problems {
		out.Problems = append(out.Problems, Problem{Pointer: p.Pointer, Message: p.Reason, Remedy: p.Remedy, Code: p.Code})
	}
	return out
}

// mergePolicy returns the policy that a change makes of another.
func mergePolicy(before policy.Policy, document []byte) (policy.Policy, error) {
	present, err := json.Marshal(before)
	if err != nil {
		return policy.Policy{}, fmt.Errorf("encode policy: %w", err)
	}
	var tree, patch map[string]any
	if err := json.Unmarshal(present, &tree); err != nil {
		return policy.Policy{}, fmt.Errorf("decode policy: %w", err)
	}
	if err := json.Unmarshal(document, &patch); err != nil || patch == nil {
		return policy.Policy{}, invalid("", "The change is not a JSON object.", "Send the members that are to change.")
	}
	for name := range patch { // these are the server's own
		if slices.ContainsFunc([]string{"id", "createdDateTime", "modifiedDateTime"}, func(s string) bool { return strings.EqualFold(s, name) }) {
			delete(patch, name)
		}
	}
	merge(tree, patch)
	merged, err := json.Marshal(tree)
	if err != nil {
		return policy.Policy{}, fmt.Errorf("encode policy: %w", err)
	}
	after, err := decodePolicy(merged)
	if _, given := patch["@boundgate.overrideReason"]; !given { // what it is for is the server's to say, so it does not travel
		after.Override = before.Override
	}
	return after, err
}

// merge puts the members of patch into tree: objects member by member, everything else as it is. Names of members match
// without case, as they do where policies are read.
func merge(tree, patch map[string]any) {
	for name, value := range patch {
		for present := range tree {
			if strings.EqualFold(present, name) {
				name = present
				break
			}
		}
		inner, isObject := value.(map[string]any)
		if present, ok := tree[name].(map[string]any); ok && isObject {
			merge(present, inner)
			continue
		}
		tree[name] = value
	}
}

// mayStore refuses a policy that is not valid or that names what is not in the tenant.
func (s *Service) mayStore(ctx context.Context, c Caller, p policy.Policy) error {
	if err := policy.Validate(p); err != nil {
		return policyProblems(err)
	}
	var found problems
	if err := s.checkPeople(ctx, c.Tenant, p.Conditions.Users, &found); err != nil {
		return err
	}
	if err := s.checkResources(ctx, c.Tenant, p.Conditions.Applications, &found); err != nil {
		return err
	}
	if err := s.checkLocations(ctx, c.Tenant, p.Conditions.Locations, &found); err != nil {
		return err
	}
	for i := range found {
		found[i].Code = codeUnknownObject
	}
	if err := s.checkRisk(ctx, c.Tenant, p, &found); err != nil {
		return err
	}
	return found.err()
}

// checkRisk refuses conditions on risk in a tenant without the licence that includes them.
func (s *Service) checkRisk(ctx context.Context, tenant directory.TenantID, p policy.Policy, found *problems) error {
	pointers := p.Risky()
	if len(pointers) == 0 {
		return nil
	}
	licences, err := s.Store.Licences(ctx, tenant)
	if err != nil {
		return fmt.Errorf("list licences: %w", err)
	}
	if directory.HasP2(licences) {
		return nil
	}
	for _, pointer := range pointers {
		*found = append(*found, Problem{Pointer: pointer, Code: codeNeedsP2,
			Message: "A condition on risk needs a licence of Microsoft Entra ID P2 (AAD_PREMIUM_P2).",
			Remedy:  "Take the condition out, or let a Global Administrator add the licence."})
	}
	return nil
}

func (s *Service) checkPeople(ctx context.Context, tenant directory.TenantID, u policy.Users, found *problems) error {
	userExists := func(id directory.ObjectID) error { _, err := s.Store.UserByID(ctx, tenant, id); return err }
	groupExists := func(id directory.ObjectID) error { _, err := s.Store.GroupByID(ctx, tenant, id); return err }
	for _, list := range []struct {
		member string
		ids    []string
		kind   string
		exists func(directory.ObjectID) error
	}{
		{"includeUsers", u.IncludeUsers, "user", userExists}, {"excludeUsers", u.ExcludeUsers, "user", userExists},
		{"includeGroups", u.IncludeGroups, "group", groupExists}, {"excludeGroups", u.ExcludeGroups, "group", groupExists},
	} {
		for i, text := range list.ids {
			id, isID := objectID(text)
			if !isID {
				continue // a literal, which Validate has checked
			}
			err := list.exists(id)
			if errors.Is(err, directory.ErrNotFound) {
				found.add(fmt.Sprintf("/conditions/users/%s/%d", list.member, i),
					fmt.Sprintf("There is no %s with the id %s in this tenant.", list.kind, id), "Correct the id, or remove it.")
			} else if err != nil {
				return fmt.Errorf("look up the policy's %s: %w", list.kind, err)
			}
		}
	}
	return nil
}

func (s *Service) checkResources(ctx context.Context, tenant directory.TenantID, a policy.Applications, found *problems) error {
	resources, err := s.Store.Resources(ctx, tenant)
	if err != nil {
		return fmt.Errorf("list resources: %w", err)
	}
	for _, list := range []struct {
		member string
		ids    []string
	}{{"includeApplications", a.IncludeApplications}, {"excludeApplications", a.ExcludeApplications}} {
		for i, text := range list.ids {
			id, isID := objectID(text)
			known := slices.ContainsFunc(resources, func(r directory.Resource) bool { return string(r.AppID) == string(id) })
			if isID && !known {
				found.add(fmt.Sprintf("/conditions/applications/%s/%d", list.member, i),
					fmt.Sprintf("There is no resource with the id %s in this tenant.", id), "Correct the id, or register the resource first.")
			}
		}
	}
	return nil
}

// notNamedByPolicy refuses to remove an object that a policy names.
func (s *Service) notNamedByPolicy(ctx context.Context, tenant directory.TenantID, id directory.ObjectID) error {
	list, err := s.Store.Policies(ctx, tenant)
	if err != nil {
		return fmt.Errorf("list policies: %w", err)
	}
	for _, p := range list {
		u, a := p.Conditions.Users, p.Conditions.Applications
		for _, ids := range [][]string{u.IncludeUsers, u.ExcludeUsers, u.IncludeGroups, u.ExcludeGroups, a.IncludeApplications, a.ExcludeApplications} {
			if slices.Contains(ids, string(id)) {
				return &ConflictError{Message: fmt.Sprintf("The policy %q names this object.", p.DisplayName), Next: "Take it out of the policy first."}
			}
		}
	}
	return nil
}

package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"boundgate/internal/directory"
	"boundgate/internal/policy"
	"boundgate/internal/policylint"
)

// A Severity says how bad a warning is.
type Severity = policylint.Severity

// The severities.
const (
	Serious  = policylint.Error   // people will be locked out, or the protection has a hole
	Advisory = policylint.Warning // it may be meant, and is worth a second look
)

// A Warning is advice beside a result. It never stops what it is about, except that a policy is not set On against a
// warning that Blocks (see UpdatePolicy).
type Warning struct {
	ID       string         `json:"id"`
	Rule     string         `json:"rule,omitempty"` // of the rollout guide, such as J-01
	Severity Severity       `json:"severity"`
	Message  string         `json:"message"`
	Remedy   string         `json:"remedy"`
	Target   string         `json:"target,omitempty"`   // JSON pointer into the policy, or the name of what is meant
	Template string         `json:"template,omitempty"` // key of the template of a policy that is missing
	Blocks   bool           `json:"blocks,omitempty"`
	Mended   *policy.Policy `json:"mended,omitempty"` // the whole policy after the remedy; nil where no machine can apply it
}

func warningOf(f policylint.Finding) Warning {
	return Warning{ID: f.ID, Rule: f.Rule, Severity: f.Severity, Message: f.Message, Remedy: f.Remedy, Target: f.Pointer,
		Template: f.Template, Blocks: f.Blocks, Mended: f.Mended}
}

func warningsOf(found []policylint.Finding) []Warning {
	list := make([]Warning, len(found))
	for i, f := range found {
		list[i] = warningOf(f)
	}
	return list
}

// SignInEvidence is what the linter asks of the sign-in log.
type SignInEvidence interface {
	// PolicyEvidence tells what the tenant's log holds of a policy since a moment.
	PolicyEvidence(ctx context.Context, tenant directory.TenantID, policyID string, since time.Time) (policylint.Evidence, error)
}

// LintPolicy returns what there is to say about a policy of the caller's tenant.
func (s *Service) LintPolicy(ctx context.Context, c Caller, id string) ([]Warning, error) {
	list, err := s.Policies(ctx, c)
	if err != nil {
		return nil, err
	}
	p, err := findPolicy(list, id)
	if err != nil {
		return nil, err
	}
	found, err := s.lint(ctx, c.Tenant, p, true)
	return warningsOf(found), err
}

// LintDocument returns what there is to say about a policy that is not stored, as if it were to take the place of the one
// with an id; "" for a new one. A document that is no policy is refused; one that would be refused when it is stored is not.
func (s *Service) LintDocument(ctx context.Context, c Caller, id string, document []byte) ([]Warning, error) {
	list, err := s.Policies(ctx, c)
	if err != nil {
		return nil, err
	}
	p, err := decodePolicy(document)
	if err != nil {
		return nil, err
	}
	p.ID = ""
	if id != "" {
		present, err := findPolicy(list, id)
		if err != nil {
			return nil, err
		}
		p.ID = present.ID
	}
	found, err := s.lint(ctx, c.Tenant, p, true)
	if err != nil {
		return nil, err
	}
	warnings := warningsOf(found)
	if slices.ContainsFunc(found, func(f policylint.Finding) bool {
		return f.ID == "notValid" || f.ID == "filterInvalid" || f.ID == "groupRuleInFilter"
	}) {
		return warnings, nil
	}
	var invalid *InvalidError
	if err := s.mayStore(ctx, c, p); errors.As(err, &invalid) {
		for _, problem := range invalid.Problems {
			warnings = append(warnings, Warning{ID: "notValid", Severity: Serious, Message: problem.Message, Remedy: problem.Remedy, Target: problem.Pointer})
		}
		return warnings, nil
	} else if err != nil {
		return nil, err
	}
	return warnings, nil
}

// lint gathers the circumstances of a policy and lints it. Its history and what the log holds are looked up where that is
// worth the reading: when somebody asks for it, or sets a policy On.
func (s *Service) lint(ctx context.Context, tenant directory.TenantID, p policy.Policy, thorough bool) ([]policylint.Finding, error) {
	in, err := s.circumstances(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if thorough {
		if err := s.past(ctx, tenant, p, &in); err != nil {
			return nil, err
		}
	}
	return policylint.Lint(p, in), nil
}

func (s *Service) circumstances(ctx context.Context, tenant directory.TenantID) (policylint.Circumstances, error) {
	t := &policylint.Tenant{}
	var err error
	read := func(what string, from func() error) {
		if err == nil {
			if err = from(); err != nil {
				err = fmt.Errorf("list %s: %w", what, err)
			}
		}
	}
	read("policies", func() (err error) { t.Policies, err = s.Store.Policies(ctx, tenant); return err })
	read("named locations", func() (err error) { t.Locations, err = s.Store.Locations(ctx, tenant); return err })
	read("licences", func() (err error) { t.Licences, err = s.Store.Licences(ctx, tenant); return err })
	read("resources", func() (err error) { t.Resources, err = s.Store.Resources(ctx, tenant); return err })
	read("users", func() error { return s.countUsers(ctx, tenant, t) })
	return policylint.Circumstances{Tenant: t, Countries: s.Countries}, err
}

func (s *Service) countUsers(ctx context.Context, tenant directory.TenantID, t *policylint.Tenant) error {
	users, err := s.Store.Users(ctx, tenant)
	if err != nil {
		return err
	}
	for _, u := range users {
		if u.Enabled && u.Type == directory.Member {
			t.Users++
		}
		if !u.EmergencyAccess {
			continue
		}
		groups, roles, err := s.Store.Memberships(ctx, tenant, u.ID)
		if err != nil {
			return err
		}
		t.Emergency = append(t.Emergency, policylint.Account{ID: u.ID, Name: u.UPN, Groups: groups, Roles: roles})
	}
	return nil
}

// past adds what a policy was before, and what the log holds of it. A log that cannot be read makes its rules silent: it must
// not keep an administrator from changing a policy.
func (s *Service) past(ctx context.Context, tenant directory.TenantID, p policy.Policy, in *policylint.Circumstances) error {
	revisions, err := s.Store.PolicyHistory(ctx, tenant, p.ID)
	if err != nil {
		return fmt.Errorf("read the policy's history: %w", err)
	}
	history := policylint.HistoryOf(revisions, s.now())
	in.History = &history
	if s.Evidence == nil || !p.RequiresTokenProtection() {
		return nil
	}
	if evidence, err := s.Evidence.PolicyEvidence(ctx, tenant, p.ID, s.now().Add(-policylint.DefaultLookBack)); err == nil {
		in.Evidence = &evidence
	}
	return nil
}

// judge lints a policy that is about to be stored in place of another, nil for none. It refuses a policy that is On against a
// finding that blocks, unless a reason has been given for it: with this change, or earlier when the finding was there too.
// What the policy had when it was On already is no reason to refuse a change either.
func (s *Service) judge(ctx context.Context, tenant directory.TenantID, before *policy.Policy, after *policy.Policy) ([]Warning, error) {
	found, err := s.lint(ctx, tenant, *after, after.State == policy.Enabled)
	if err != nil {
		return nil, err
	}
	blocking := idsOf(policylint.Blocking(found))
	fresh := after.Override != nil && after.Override.Findings == nil
	if after.State == policy.Enabled && !fresh {
		accepted := []string{}
		if after.Override != nil {
			accepted = after.Override.Findings
		}
		if before != nil && before.State == policy.Enabled {
			had, err := s.lint(ctx, tenant, *before, false)
			if err != nil {
				return nil, err
			}
			accepted = slices.Concat(accepted, idsOf(policylint.Blocking(had)))
		}
		if err := refuse(found, accepted); err != nil {
			return nil, err
		}
	}
	if fresh {
		after.Override.Findings = blocking
	} else if after.Override != nil {
		after.Override = stillNeeded(*after.Override, blocking)
	}
	return warningsOf(found), nil
}

// stillNeeded returns an override without the findings that are gone: when they come back, somebody must look again. An
// override of which nothing is left ends.
func stillNeeded(o policy.Override, blocking []string) *policy.Override {
	left := slices.DeleteFunc(slices.Clone(o.Findings), func(id string) bool { return !slices.Contains(blocking, id) })
	if len(left) == 0 && len(o.Findings) > 0 {
		return nil
	}
	return &policy.Override{Reason: o.Reason, Findings: left}
}

func idsOf(found []policylint.Finding) []string {
	ids := []string{}
	for _, f := range found {
		if !slices.Contains(ids, f.ID) {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// refuse returns an InvalidError with the findings that block and are not among the accepted ones.
func refuse(found []policylint.Finding, accepted []string) error {
	var list problems
	for _, f := range policylint.Blocking(found) {
		if !slices.Contains(accepted, f.ID) {
			list.add(f.Pointer, fmt.Sprintf("The policy cannot be On as it is (%s). %s", f.ID, f.Message),
				strings.TrimSuffix(f.Remedy, ".")+"; or leave the policy report-only, or say in @boundgate.overrideReason (--override-reason) why it is to be On all the same.")
		}
	}
	return list.err()
}

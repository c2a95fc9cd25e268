package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

// A PastSignIn is a sign-in of the log with the facts that it was decided on.
type PastSignIn struct {
	At            time.Time
	CorrelationID string
	Interactive   bool
	UPN           string
	App, Resource string
	Status        policy.AccessStatus
	Facts         string // as policy.Facts.Record writes them; "" where none were recorded
}

// History is what a replay asks of the sign-in log.
type History interface {
	// Decided calls f for the tenant's sign-ins of a range of time, the newest first, at most limit of them.
	Decided(ctx context.Context, tenant directory.TenantID, from, to time.Time, limit int, f func(PastSignIn) error) error
}

// A Draft is a change of the policies that a replay tries: a policy that is new, takes the place of the one with its id, or,
// without a document, is one that there is already.
type Draft struct {
	ID       string
	Document []byte // nil for the policy as it is
	// State tries the policy in another state; "" for its own.
	State policy.State
}

// MaxReplayed bounds the sign-ins of one replay.
const MaxReplayed = 1_000_000

// listed bounds each list of a replay.
const listed = 50

// A Replay says which sign-ins of the past would have gone otherwise with a draft. Both sides of the comparison are decided
// now, by the function that decides on real sign-ins (P18): with the policies as they are, and with the draft. Groups and
// roles are those of today.
type Replay struct {
	From, To time.Time
	SignIns  int // that were decided on recorded facts
	// Unrecorded have no facts on record: they were imported, not judged, or are older than this. They are not guessed at.
	Unrecorded int
	// Truncated is true where there were more sign-ins than MaxReplayed; From is then that of the oldest that was looked at.
	Truncated bool
	// Drifted are those that the policies of today, without the draft, decide otherwise than the log says: policies, groups or
	// the directory have changed since.
	Drifted           int
	Granted, Blocked  int // by the policies of today
	NowBlocked        int // granted today, refused with the draft
	NowGranted        int // refused today, granted with the draft
	WouldBe           int // that a report-only draft would refuse
	ByCause           []Share
	ByUser, ByApp     []Share
	ByTokenProtection []Share // signInSessionStatusCode of those that are refused
	Examples          []Change
}

// A Share is how many of the changed sign-ins have something in common.
type Share struct {
	Name  string
	Count int
}

// A Change is one sign-in that would have gone otherwise.
type Change struct {
	PastSignIn
	Now, With policy.Decision
}

// Replay tries a draft on the sign-ins of a range of time.
func (s *Service) Replay(ctx context.Context, c Caller, d Draft, from, to time.Time) (Replay, error) {
	for _, op := range []Operation{ReadPolicies, ReadSignIns} {
		if err := Authorize(c, op); err != nil {
			return Replay{}, err
		}
	}
	if !from.Before(to) {
		return Replay{}, invalid("/from", "The range of time is empty.", "Let from be before to.")
	}
	if s.History == nil {
		return Replay{}, errors.New("no sign-in log is wired")
	}
	r, err := s.replayer(ctx, c, d)
	if err != nil {
		return Replay{}, err
	}
	r.From, r.To = from, to
	if err := s.History.Decided(ctx, c.Tenant, from, to, MaxReplayed, func(p PastSignIn) error { return r.add(ctx, p) }); err != nil {
		return Replay{}, fmt.Errorf("replay the sign-ins: %w", err)
	}
	return r.result(), nil
}

// A replayer counts as the sign-ins come.
type replayer struct {
	Replay
	s             *Service
	tenant        directory.TenantID
	now, with     *policy.Set
	people        map[directory.ObjectID]membership
	oldest        time.Time
	causes, users map[string]int
	apps, codes   map[string]int
}

type membership struct {
	groups map[directory.ObjectID]bool
	roles  map[directory.Role]bool
}

func (s *Service) replayer(ctx context.Context, c Caller, d Draft) (*replayer, error) {
	present, err := s.Store.Policies(ctx, c.Tenant)
	if err != nil {
		return nil, fmt.Errorf("list policies: %w", err)
	}
	locations, err := s.Store.Locations(ctx, c.Tenant)
	if err != nil {
		return nil, fmt.Errorf("list named locations: %w", err)
	}
	changed, err := s.drafted(ctx, c, present, d)
	if err != nil {
		return nil, err
	}
	r := &replayer{s: s, tenant: c.Tenant, people: map[directory.ObjectID]membership{}, causes: map[string]int{}, users: map[string]int{},
		apps: map[string]int{}, codes: map[string]int{}}
	if r.now, err = policy.NewSet(present, locations); err != nil {
		return nil, fmt.Errorf("compile the policies: %w", err)
	}
	if r.with, err = policy.NewSet(changed, locations); err != nil {
		return nil, fmt.Errorf("compile the policies with the draft: %w", err)
	}
	return r, nil
}

// drafted returns the policies with the draft among them.
func (s *Service) drafted(ctx context.Context, c Caller, present []policy.Policy, d Draft) ([]policy.Policy, error) {
	at := slices.IndexFunc(present, func(p policy.Policy) bool { return strings.EqualFold(p.ID, d.ID) })
	if d.ID != "" && at < 0 {
		return nil, directory.ErrNotFound
	}
	var p policy.Policy
	switch {
	case d.Document != nil:
		var err error
		if p, err = decodePolicy(d.Document); err != nil {
			return nil, err
		}
	case at >= 0:
		p = present[at]
	default:
		return nil, invalid("/policy", "There is no policy to try.", "Send a policy, or the id of one.")
	}
	if p.ID = newID(); at >= 0 {
		p.ID = present[at].ID
	}
	if d.State != "" {
		p.State = d.State
	}
	if err := s.mayStore(ctx, c, p); err != nil {
		return nil, err
	}
	changed := slices.Clone(present)
	if at >= 0 {
		changed[at] = p
		return changed, nil
	}
	return append(changed, p), nil
}

func (r *replayer) add(ctx context.Context, p PastSignIn) error {
	r.oldest = p.At
	facts, err := policy.RestoreFacts(p.Facts)
	if p.Facts == "" || err != nil {
		r.Unrecorded++
		return nil
	}
	facts.Tenant = r.tenant
	if err := r.belongs(ctx, &facts); err != nil {
		return err
	}
	now, with := r.now.Decide(facts), r.with.Decide(facts)
	r.SignIns++
	if now.Status != p.Status {
		r.Drifted++
	}
	if now.Cause.Refuses() {
		r.Blocked++
	} else {
		r.Granted++
	}
	if with.WouldBe.Refuses() && !now.WouldBe.Refuses() {
		r.WouldBe++
	}
	cause := with.Cause
	switch {
	case with.Cause.Refuses() && !now.Cause.Refuses():
		r.NowBlocked++
	case now.Cause.Refuses() && !with.Cause.Refuses():
		r.NowGranted++
		cause = now.Cause
	default:
		return nil
	}
	r.causes[string(cause.Requirement)]++
	r.users[p.UPN]++
	r.apps[p.App]++
	if facts.Binding.Status == policy.Unbound {
		r.codes[fmt.Sprintf("%d %s", facts.Binding.Code, facts.Binding.Reason)]++
	}
	if len(r.Examples) < listed {
		p.Facts = ""
		r.Examples = append(r.Examples, Change{p, now, with})
	}
	return nil
}

// belongs adds the groups and roles that the user has today.
func (r *replayer) belongs(ctx context.Context, f *policy.Facts) error {
	if f.User == "" {
		return nil
	}
	m, ok := r.people[f.User]
	if !ok {
		var err error
		m.groups, m.roles, err = r.s.Store.Memberships(ctx, r.tenant, f.User)
		if err != nil && !errors.Is(err, directory.ErrNotFound) {
			return fmt.Errorf("look up the groups of a user: %w", err)
		}
		r.people[f.User] = m
	}
	f.Groups, f.Roles = m.groups, m.roles
	return nil
}

func (r *replayer) result() Replay {
	if r.SignIns+r.Unrecorded >= MaxReplayed {
		r.Truncated, r.From = true, r.oldest
	}
	r.ByCause, r.ByUser, r.ByApp, r.ByTokenProtection = shares(r.causes), shares(r.users), shares(r.apps), shares(r.codes)
	return r.Replay
}

// shares lists the largest first.
func shares(counts map[string]int) []Share {
	list := make([]Share, 0, len(counts))
	for name, n := range counts {
		list = append(list, Share{name, n})
	}
	slices.SortFunc(list, func(a, b Share) int { return cmp.Or(b.Count-a.Count, strings.Compare(a.Name, b.Name)) })
	return list[:min(len(list), listed)]
}

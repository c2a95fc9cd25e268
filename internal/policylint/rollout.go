package policylint

import (
	"fmt"
	"slices"
	"time"

	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

// rolloutRules are about how a policy is introduced, and about what the tenant has.
var rolloutRules = []rule{
	{"everyoneAtOnce", "J-11", Warning, false, "Begin with a pilot group, people in privileged roles before others, and widen the policy over time.", protection(lookEveryone)},
	{"neverReportOnly", "J-12", Warning, false, "Set the policy to report-only first, and look at what it would have refused.", protection(lookNeverReportOnly)},
	{"noLicence", "J-24", Warning, false, "Renew the licence: until then the policy stays in force, but no policy can be created or enabled.", lookLapse},
	{"fewerUnitsThanUsers", "J-24", Warning, false, "Add licence units.", lookUnits},
	{"onlyInteractiveSignIns", "J-26", Warning, false, "Look at non-interactive sign-ins too, where most uses of a token are, and wait until some are recorded.", protection(lookInteractive)},
	{"reportOnlyTooShort", "J-27", Warning, false, "Leave the policy report-only until the log covers what people normally do.", protection(lookTooShort)},
	{"wouldBlock", "J-27", Warning, false, "Look at these sign-ins, and mend or exclude what they come from.", protection(lookWouldBlock)},
}

// History is what the policy was before.
type History struct {
	EverReportOnly bool
	// ReportOnly is how long the policy has been report-only, all times together; On how long it has been On without a break.
	ReportOnly, On time.Duration
}

// HistoryOf concludes a policy's history at a moment from its revisions, in any order.
func HistoryOf(revisions []policy.Revision, now time.Time) History {
	revisions = slices.Clone(revisions)
	slices.SortFunc(revisions, func(a, b policy.Revision) int { return a.ChangedAt.Compare(b.ChangedAt) })
	var h History
	for i, r := range revisions {
		until := now
		if i+1 < len(revisions) {
			until = revisions[i+1].ChangedAt
		}
		switch {
		case r.Policy != nil && r.Policy.State == policy.Enabled:
			h.On += until.Sub(r.ChangedAt)
			continue
		case r.Policy != nil && r.Policy.State == policy.ReportOnly:
			h.EverReportOnly = true
			h.ReportOnly += until.Sub(r.ChangedAt)
		}
		h.On = 0
	}
	return h
}

// introduced reports whether the policy is being set On, or was lately: after the look-back it has proved itself.
func (d *draft) introduced() bool {
	return d.State == policy.Enabled && d.History != nil && d.History.On < d.LookBack
}

func lookEveryone(d *draft) []sighting {
	if d.State != policy.Enabled || !slices.Contains(d.Conditions.Users.IncludeUsers, policy.All) {
		return nil
	}
	return at(includeUsers, "The policy is enforced for all users at once.")
}

func lookNeverReportOnly(d *draft) []sighting {
	if !d.introduced() || d.History.EverReportOnly {
		return nil
	}
	return at(state, "The policy is On and has never been report-only: nobody knows whom it refuses.")
}

func lookTooShort(d *draft) []sighting {
	if !d.introduced() || !d.History.EverReportOnly || d.History.ReportOnly >= d.LookBack {
		return nil
	}
	return at(state, "The policy was report-only for %s; its sign-ins should be collected for %s.", span(d.History.ReportOnly), span(d.LookBack))
}

// span spells a length of time in the unit that suits it.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return fmt.Sprintf("%d minutes", d/time.Minute)
}

func lookInteractive(d *draft) []sighting {
	if d.Evidence == nil || d.Evidence.NonInteractive || d.State == policy.Disabled {
		return nil
	}
	return at("", "The log of the last %s has no non-interactive sign-in: what the policy does to them is not known.", span(d.LookBack))
}

func lookWouldBlock(d *draft) []sighting {
	if d.Evidence == nil || d.Evidence.WouldBlock == 0 || d.State != policy.Enabled {
		return nil
	}
	return at(state, "In report-only the policy would have refused sign-ins of the last %s: %d.", span(d.LookBack), d.Evidence.WouldBlock)
}

// lookLapse finds a licence that is gone; enforcement goes on (S10).
func lookLapse(d *draft) []sighting {
	if d.Tenant == nil || directory.HasP1(d.Tenant.Licences) {
		return nil
	}
	return at("", "The tenant has no active licence that includes Conditional Access.")
}

func lookUnits(d *draft) []sighting {
	if d.Tenant == nil {
		return nil
	}
	units := 0
	for _, l := range d.Tenant.Licences {
		if directory.HasP1([]directory.Licence{l}) {
			units += l.Units
		}
	}
	if !directory.HasP1(d.Tenant.Licences) || units >= d.Tenant.Users {
		return nil
	}
	return at("", "The licences have %d units for %d enabled users.", units, d.Tenant.Users)
}

package admin_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"boundgate/internal/admin"
	"boundgate/internal/admin/admintest"
	"boundgate/internal/directory"
	"boundgate/internal/policy"
	"boundgate/internal/policylint"

	"github.com/google/go-cmp/cmp"
)

const (
	reportOnly = `"enabledForReportingButNotEnforced"`
	because    = `"@boundgate.overrideReason":"The kiosks sign in by browser until May."`
)

// browsers is the token protection policy with the browser left in, and members of its own.
func browsers(state, members string) []byte {
	if members != "" {
		members += ","
	}
	return []byte("{" + members + strings.Replace(tokenProtection(state), `["mobileAppsAndDesktopClients"]`, `["browser","mobileAppsAndDesktopClients"]`, 1)[1:])
}

// A policy against which the linter stands is not set On, neither when it is created nor later; Off and report-only are
// always possible, and a reason opens the way.
func TestBlockingFindingsKeepAPolicyFromBeingOn(t *testing.T) { // S43 S45
	const off, report, on = "disabled", "enabledForReportingButNotEnforced", "enabled"
	for _, tt := range []struct {
		name    string
		present []byte // nil for none
		change  []byte // created where nothing is present
		refused []string
	}{
		{"creating it On", nil, browsers(on, ""), []string{"clientAppsNotRestricted"}},
		{"creating it On with a reason", nil, browsers(on, because), nil},
		{"creating it report-only", nil, browsers(report, ""), nil},
		{"creating it off", nil, browsers(off, ""), nil},
		{"setting it On", browsers(report, ""), []byte(`{"state":"enabled"}`), []string{"clientAppsNotRestricted"}},
		{"setting it On with a reason", browsers(report, ""), []byte(`{"state":"enabled",` + because + `}`), nil},
		{"setting it On with the reason that it had in report-only", browsers(report, because), []byte(`{"state":"enabled"}`), nil},
		{"setting it from off to report-only", browsers(off, ""), []byte(`{"state":` + reportOnly + `}`), nil},
		{"mending it and setting it On", browsers(report, ""), []byte(`{"state":"enabled","conditions":{"clientAppTypes":["mobileAppsAndDesktopClients"]}}`), nil},
		{"leaving the browser in a policy that is On", []byte(tokenProtection(on)), []byte(`{"conditions":{"clientAppTypes":["all"]}}`), []string{"clientAppsNotRestricted"}},
		{"taking the exclusion out of a policy that is On", []byte(tokenProtection(on)), []byte(`{"conditions":{"users":{"excludeGroups":[]}}}`), []string{"noEmergencyExclusion"}},
		{"a sound change of a policy that is On", []byte(tokenProtection(on)), []byte(`{"displayName":"TP02"}`), nil},
		{"another change of a policy with a reason", browsers(on, because), []byte(`{"displayName":"TP02"}`), nil},
		{"a new finding beside the one with a reason", browsers(on, because), []byte(`{"conditions":{"applications":{"includeApplications":["Office365"]}}}`), []string{"office365Selected"}},
		{"a new finding with a new reason", browsers(on, because), []byte(`{` + because + `,"conditions":{"applications":{"includeApplications":["Office365"]}}}`), nil},
		{"taking the reason away from a policy that is On changes nothing else", browsers(on, because), []byte(`{"@boundgate.overrideReason":null}`), nil},
		{"taking the reason away and setting it On", browsers(report, because), []byte(`{"state":"enabled","@boundgate.overrideReason":null}`), []string{"clientAppsNotRestricted"}},
		{"a filter that lets every unregistered device out", nil, []byte(strings.Replace(tokenProtection(on), `"platforms"`,
			`"devices":{"deviceFilter":{"mode":"exclude","rule":"device.isCompliant -ne True"}},"platforms"`, 1)), []string{"filterExcludesUnregistered"}},
		{"a filter that leaves unregistered devices in", nil, []byte(strings.Replace(tokenProtection(on), `"platforms"`,
			`"devices":{"deviceFilter":{"mode":"exclude","rule":"device.isCompliant -eq True"}},"platforms"`, 1)), nil},
		{"everybody locked out", nil, []byte(`{"displayName":"Block","state":"enabled","conditions":{"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]}},
			"grantControls":{"operator":"OR","builtInControls":["block"]}}`), []string{"everyoneLockedOut"}},
		{"everybody else locked out", nil, []byte(`{"displayName":"Block","state":"enabled","conditions":{"users":{"includeUsers":["All"],"excludeGroups":["` + id("Break glass") + `"]},
			"applications":{"includeApplications":["All"]}},"grantControls":{"operator":"OR","builtInControls":["block"]}}`), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := admintest.NewOrganisation(t)
			var before policy.Policy
			store := func(document []byte) error { _, _, err := o.Service.CreatePolicy(ctx, global, document); return err }
			if tt.present != nil {
				var err error
				if before, _, err = o.Service.CreatePolicy(ctx, global, tt.present); err != nil {
					t.Fatal(err)
				}
				store = func(patch []byte) error {
					_, _, err := o.Service.UpdatePolicy(ctx, global, before.ID, patch)
					return err
				}
			}
			err := store(tt.change)
			if len(tt.refused) == 0 {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			var invalid *admin.InvalidError
			if !errors.As(err, &invalid) || len(invalid.Problems) != len(tt.refused) {
				t.Fatalf("error %v, want an InvalidError for %v", err, tt.refused)
			}
			for i, p := range invalid.Problems {
				if !strings.Contains(p.Message, "("+tt.refused[i]+")") || p.Pointer == "" || !strings.Contains(p.Remedy, "@boundgate.overrideReason") {
					t.Errorf("problem %+v, want %s, its place, and how to override it", p, tt.refused[i])
				}
			}
			list, err := o.Service.Policies(ctx, global)
			if err != nil {
				t.Fatal(err)
			}
			if i := slices.IndexFunc(list, func(p policy.Policy) bool { return p.ID == before.ID }); tt.present != nil && !cmp.Equal(list[i], before) || tt.present == nil && len(list) > 0 {
				t.Errorf("the refused change is stored: %+v", list)
			}
		})
	}
}

// The reason of an override is kept with the policy and in the audit row of the change that gave it, and in no other row.
func TestTheReasonOfAnOverrideIsKept(t *testing.T) {
	o := admintest.NewOrganisation(t)
	p, _, err := o.Service.CreatePolicy(ctx, global, browsers("enabled", because))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = o.Service.UpdatePolicy(ctx, global, p.ID, []byte(`{"displayName":"TP02","@boundgate.override":{"reason":"forged","findings":["office365Selected"]}}`)); err != nil {
		t.Fatal(err)
	}
	stored, _, err := o.Service.Policy(ctx, global, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	const reason = "The kiosks sign in by browser until May."
	if diff := cmp.Diff(&policy.Override{Reason: reason, Findings: []string{"clientAppsNotRestricted"}}, stored.Override); diff != "" {
		t.Errorf("override (-want +got):\n%s", diff)
	}
	var reasons []string
	for _, row := range o.Entries(t) {
		reasons = append(reasons, row.Reason)
	}
	if diff := cmp.Diff([]string{reason, ""}, reasons); diff != "" {
		t.Errorf("reasons of the audit rows (-want +got):\n%s", diff)
	}
	// What is mended is no longer overridden: when it comes back, somebody has to look again.
	for _, types := range []string{`["mobileAppsAndDesktopClients"]`, `["all"]`} {
		_, _, err = o.Service.UpdatePolicy(ctx, global, p.ID, []byte(`{"conditions":{"clientAppTypes":`+types+`}}`))
	}
	var invalid *admin.InvalidError
	if !errors.As(err, &invalid) {
		t.Errorf("the browser is back: %v, want an InvalidError", err)
	}
}

func TestAReasonSaysSomething(t *testing.T) {
	for name, reason := range map[string]string{"blank": `" \t"`, "empty": `""`, "no text": `17`, "too long": `"` + strings.Repeat("あ", 1001) + `"`} {
		t.Run(name, func(t *testing.T) {
			_, _, err := admintest.NewOrganisation(t).Service.CreatePolicy(ctx, global, browsers("enabled", `"@boundgate.overrideReason":`+reason))
			var invalid *admin.InvalidError
			if !errors.As(err, &invalid) || invalid.Problems[0].Pointer != "/@boundgate.overrideReason" {
				t.Errorf("error %v, want an InvalidError at /@boundgate.overrideReason", err)
			}
		})
	}
}

// Linting stores nothing, and sees what would be refused, unknown objects included. The id of another tenant's policy is
// unknown.
func TestLintDocument(t *testing.T) { // P13
	o := admintest.NewOrganisation(t)
	p, _, err := o.Service.CreatePolicy(ctx, global, []byte(tokenProtection("enabledForReportingButNotEnforced")))
	if err != nil {
		t.Fatal(err)
	}
	unknown := strings.Replace(tokenProtection("enabled"), id("Pilot"), "99999999-9999-4999-8999-999999999999", 1)
	for _, tt := range []struct {
		name, id, document, want string
	}{
		{"a draft", "", string(browsers("enabled", "")), "clientAppsNotRestricted"},
		{"a draft that would be refused for what it is", "", strings.Replace(tokenProtection("enabled"), `"TP01"`, `""`, 1), "notValid"},
		{"a draft that names nobody's group", "", unknown, "notValid"},
		{"a draft that is new", "", tokenProtection("enabled"), "neverReportOnly"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			warnings, err := o.Service.LintDocument(ctx, global, tt.id, []byte(tt.document))
			if err != nil || !warned(warnings, tt.want) {
				t.Errorf("LintDocument = %v, %v, want %s", warnings, err, tt.want)
			}
		})
	}
	o.Now = o.Now.Add(8 * 24 * time.Hour)
	warnings, err := o.Service.LintDocument(ctx, global, p.ID, []byte(tokenProtection("enabled")))
	if err != nil || warned(warnings, "neverReportOnly") || warned(warnings, "reportOnlyTooShort") {
		t.Errorf("in place of a policy that was report-only for a week: %v, %v", warnings, err)
	}
	if list, err := o.Service.Policies(ctx, global); err != nil || len(list) != 1 {
		t.Errorf("%d policies, %v after linting, want the one that was there", len(list), err)
	}
	fabrikam := admintest.Caller(admintest.Fabrikam, directory.GlobalAdministrator)
	if _, err := o.Service.LintDocument(ctx, fabrikam, p.ID, []byte(tokenProtection("enabled"))); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("another tenant's policy: %v, want ErrNotFound", err)
	}
	if _, err := o.Service.LintPolicy(ctx, fabrikam, p.ID); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("another tenant's policy: %v, want ErrNotFound", err)
	}
}

// A log is a store of evidence, or cannot be read.
type evidence struct {
	policylint.Evidence
	err error
}

func (e evidence) PolicyEvidence(context.Context, directory.TenantID, string, time.Time) (policylint.Evidence, error) {
	return e.Evidence, e.err
}

// What the log holds is said when a policy is set On; a log that cannot be read keeps nobody from it.
func TestTheLogSpeaksWhenAPolicyIsSetOn(t *testing.T) { // S31
	for _, tt := range []struct {
		name string
		log  evidence
		want []string
	}{
		{"sign-ins would have been refused", evidence{policylint.Evidence{NonInteractive: true, WouldBlock: 2}, nil}, []string{"reportOnlyTooShort", "wouldBlock"}},
		{"only interactive sign-ins", evidence{policylint.Evidence{}, nil}, []string{"onlyInteractiveSignIns", "reportOnlyTooShort"}},
		{"the log cannot be read", evidence{policylint.Evidence{}, errors.New("no disk")}, []string{"reportOnlyTooShort"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := admintest.NewOrganisation(t)
			o.Service.Evidence = tt.log
			p, _, err := o.Service.CreatePolicy(ctx, global, []byte(tokenProtection("enabledForReportingButNotEnforced")))
			if err != nil {
				t.Fatal(err)
			}
			o.Now = o.Now.Add(3 * 24 * time.Hour)
			_, warnings, err := o.Service.UpdatePolicy(ctx, global, p.ID, []byte(`{"state":"enabled"}`))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range warnings {
				if w.Rule == "J-26" || w.Rule == "J-27" || w.Rule == "J-12" {
					got = append(got, w.ID)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

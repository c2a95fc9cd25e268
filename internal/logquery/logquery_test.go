package logquery_test

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boundgate/internal/kql"
	"boundgate/internal/logquery"
	"boundgate/internal/logstore"
	"boundgate/internal/logstore/logstoretest"
	"boundgate/internal/signinlog"
)

// logs is a store with three rows of one workspace and one of another, an hour before now.
func logs(t *testing.T) (*logquery.Engine, time.Time) {
	t.Helper()
	db, err := logstore.Open(t.Context(), logstore.Options{Path: filepath.Join(t.TempDir(), "logs"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	intake := &logstoretest.Intake{Writer: "node"}
	blocked := logstoretest.Row(2, signinlog.NonInteractiveTable, logstoretest.Ours)
	blocked.TokenProtectionStatusDetails = `{"signInSessionStatus":"unbound","signInSessionStatusCode":1003}`
	list := intake.Add(t, logstoretest.Row(0, signinlog.InteractiveTable, logstoretest.Ours), logstoretest.Row(1, signinlog.NonInteractiveTable, logstoretest.Ours),
		blocked, logstoretest.Row(3, signinlog.NonInteractiveTable, logstoretest.Theirs))
	if err := db.Append(t.Context(), "state", list); err != nil {
		t.Fatal(err)
	}
	now := logstoretest.Row(0, "", "").TimeGenerated.Add(time.Hour)
	return &logquery.Engine{Logs: db, Now: func() time.Time { return now }}, now
}

// KQL over both tables of one's own workspace, from text to rows. // S33 S52 S53 P13
func TestQueries(t *testing.T) {
	e, now := logs(t)
	for _, tt := range []struct {
		name, text string
		from       time.Time
		want       [][]any
	}{
		{"both tables", `union SigninLogs, AADNonInteractiveUserSignInLogs | summarize n = count() by Type | sort by Type asc`, time.Time{},
			[][]any{{signinlog.NonInteractiveTable, int64(2)}, {signinlog.InteractiveTable, int64(1)}}},
		{"the caller's time range", `AADNonInteractiveUserSignInLogs | project Id`, now.Add(-time.Hour + 2*time.Second),
			[][]any{{"00000000-0000-4000-8000-000000000002"}}},
		{"devices that token protection does not support", `AADNonInteractiveUserSignInLogs
			| where todynamic(TokenProtectionStatusDetails).signInSessionStatusCode == 1003 | summarize count() by UserPrincipalName`, time.Time{},
			[][]any{{"user2@contoso.example", int64(1)}}},
		{"policies, one by one", `SigninLogs | mv-expand ConditionalAccessPolicies | where ConditionalAccessPolicies.result == "success"
			| project tostring(ConditionalAccessPolicies.displayName)`, time.Time{}, [][]any{{"TP01 - Token protection - Windows"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := e.Run(t.Context(), logquery.Request{Workspace: logstoretest.Ours, Text: tt.text, From: tt.from})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, r.Rows); diff != "" || r.Cut != "" {
				t.Errorf("cut %q; rows differ (-want +got):\n%s", r.Cut, diff)
			}
		})
	}
}

// Everything that any row has reaches the answer without an error.
func TestAllColumns(t *testing.T) {
	e, _ := logs(t)
	r, err := e.Run(t.Context(), logquery.Request{Workspace: logstoretest.Ours, Text: "union SigninLogs, AADNonInteractiveUserSignInLogs"})
	if err != nil || len(r.Rows) != 3 || len(r.Rows[0]) != len(r.Columns) {
		t.Errorf("%d rows, %d columns, %v", len(r.Rows), len(r.Columns), err)
	}
	for _, c := range r.Columns {
		if c.Name[0] == '_' && c.Name != "_BilledSize" && c.Name != "_IsBillable" {
			t.Errorf("the hidden column %s is shown", c.Name)
		}
	}
}

func TestWhatDoesNotCompile(t *testing.T) {
	e, _ := logs(t)
	var wrong kql.Errors
	if _, err := e.Run(t.Context(), logquery.Request{Workspace: logstoretest.Ours, Text: "SigninLogs | where Nonsense == 1"}); !errors.As(err, &wrong) {
		t.Errorf("Run = %v, want kql.Errors", err)
	}
	for _, hidden := range []string{"feeds", "unreadable", "duckdb_tables()", "interactive_11111111222243338444555555555555"} {
		if _, err := e.Run(t.Context(), logquery.Request{Workspace: logstoretest.Ours, Text: hidden}); !errors.As(err, &wrong) {
			t.Errorf("%s: %v, want kql.Errors", hidden, err)
		}
	}
	if _, err := e.Run(t.Context(), logquery.Request{Workspace: "no-guid", Text: "SigninLogs"}); err == nil {
		t.Error("a workspace that is no GUID was queried")
	}
}

// What the linter asks of the log: sign-ins that a report-only policy would have refused, in both tables, and whether there
// is anything non-interactive at all. // S31 P13
func TestPolicyEvidence(t *testing.T) {
	db, err := logstore.Open(t.Context(), logstore.Options{Path: filepath.Join(t.TempDir(), "logs"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	const id, other = "3a4f2f0c-1b1f-4f0a-8a51-9c2f1d6e7b90", "4b5f2f0c-1b1f-4f0a-8a51-9c2f1d6e7b90"
	result := func(n int, table, workspace, policy, result string) *signinlog.Row {
		r := logstoretest.Row(n, table, workspace)
		r.ConditionalAccessPolicies = `[{"id":"` + other + `","result":"success"},{"id":"` + policy + `","result":"` + result + `"}]`
		return r
	}
	intake := &logstoretest.Intake{Writer: "node"}
	add := func(rows ...*signinlog.Row) {
		if err := db.Append(t.Context(), "state", intake.Add(t, rows...)); err != nil {
			t.Fatal(err)
		}
	}
	at := logstoretest.Row(0, "", "").TimeGenerated
	e := &logquery.Engine{Logs: db, Now: func() time.Time { return at.Add(time.Hour) }}
	check := func(since time.Time, wantSeen bool, want int) {
		t.Helper()
		seen, n, err := e.PolicyEvidence(t.Context(), logstoretest.Ours, id, since)
		if err != nil || seen != wantSeen || n != want {
			t.Errorf("PolicyEvidence = %t, %d, %v, want %t, %d", seen, n, err, wantSeen, want)
		}
	}
	add(result(0, signinlog.InteractiveTable, logstoretest.Ours, id, "reportOnlyFailure"),
		result(1, signinlog.InteractiveTable, logstoretest.Ours, other, "reportOnlyFailure"),
		result(2, signinlog.NonInteractiveTable, logstoretest.Theirs, id, "reportOnlyFailure"))
	check(at.Add(-time.Hour), false, 1)
	add(result(3, signinlog.NonInteractiveTable, logstoretest.Ours, id, "reportOnlyFailure"),
		result(4, signinlog.NonInteractiveTable, logstoretest.Ours, id, "reportOnlySuccess"))
	check(at.Add(-time.Hour), true, 2)
	check(at.Add(time.Minute), false, 0)
}

// Community queries join tables that no one fills here: they run, and say so.
func TestKnownTablesWithoutRows(t *testing.T) {
	e, _ := logs(t)
	r, err := e.Run(t.Context(), logquery.Request{Workspace: logstoretest.Ours, Text: `SigninLogs
		| join kind=leftouter (IdentityInfo | project AccountUPN, Department) on $left.UserPrincipalName == $right.AccountUPN | project Department, Id`})
	if err != nil || len(r.Rows) != 1 || r.Rows[0][0] != "" || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "IdentityInfo") {
		t.Errorf("%v, %v, %v", r.Rows, r.Warnings, err)
	}
	if r, err = e.Run(t.Context(), logquery.Request{Workspace: logstoretest.Ours, Text: `union withsource=T * | distinct T`}); err != nil || len(r.Rows) != 2 {
		t.Errorf("a pattern means the tables with rows: %v, %v", r.Rows, err)
	}
}

package logstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boundgate/internal/signinlog"
)

const (
	workspace = "11111111-2222-4333-8444-555555555555"
	other     = "99999999-2222-4333-8444-555555555555"
)

func open(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(context.Background(), Options{Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func row(n int, table, workspace string) *signinlog.Row {
	return &signinlog.Row{
		TimeGenerated: time.Date(2026, 11, 1, 12, 0, n, 123000, time.UTC), CreatedDateTime: time.Date(2026, 11, 1, 12, 0, n, 0, time.UTC),
		TenantID: workspace, AADTenantID: "t", Type: table, ID: fmt.Sprintf("row-%03d", n), ResultType: "0",
		UserPrincipalName: "ålice@contoso.example", IsInteractive: table == signinlog.InteractiveTable,
		ConditionalAccessPolicies:    `[{"id":"p","result":"failure","enforcedSessionControls":["SignInTokenProtection"],"sessionControlsNotSatisfied":[]},{"id":"q"}]`,
		TokenProtectionStatusDetails: `{"signInSessionStatus":"unbound","signInSessionStatusCode":1003}`,
		Status:                       `{"errorCode":0}`, DeviceDetail: `not JSON`,
	}
}

// records numbers rows as an intake does.
func records(t testing.TB, from uint64, rows ...*signinlog.Row) []signinlog.Record {
	t.Helper()
	var list []signinlog.Record
	var previous signinlog.Hash
	for n, r := range rows {
		canonical, err := r.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		seq := from + uint64(n)
		previous = signinlog.Link("node", seq, previous, canonical)
		list = append(list, signinlog.Record{Intake: seq, Writer: "node", Seq: seq, Hash: previous, Canonical: canonical})
	}
	return list
}

func appendAll(t testing.TB, db *DB, list []signinlog.Record) {
	t.Helper()
	if _, err := db.Append(context.Background(), "state", list); err != nil {
		t.Fatal(err)
	}
}

func everything(limit int) Selection {
	return Selection{Interactive: true, NonInteractive: true, Limit: limit}
}

func TestRowsComeBackAsTheyWere(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "logs.duckdb"))
	first, second := row(1, signinlog.InteractiveTable, workspace), row(2, signinlog.NonInteractiveTable, workspace)
	list := records(t, 1, first, second)
	appendAll(t, db, list)
	got, err := db.Rows(t.Context(), workspace, everything(10))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]signinlog.Row{*second, *first}, got); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
	// What is read back has the canonical bytes that the chain was computed over. // P12
	for n, want := range []signinlog.Record{list[1], list[0]} {
		canonical, err := got[n].Canonical()
		if err != nil || string(canonical) != string(want.Canonical) {
			t.Errorf("row %d has other canonical bytes: %s, %v", n, canonical, err)
		}
	}
}

func TestTwins(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "logs.duckdb"))
	appendAll(t, db, records(t, 1, row(1, signinlog.NonInteractiveTable, workspace)))
	answer, err := db.Query(t.Context(), Query{Timeout: time.Minute, SQL: `
		SELECT to_json(cap_result)::VARCHAR, to_json(cap_enforcedsessioncontrols)::VARCHAR, cap_ok, tp_signinsessionstatuscode, st_errorcode, dd_deviceid
		FROM   "` + physical(signinlog.NonInteractiveTable, workspace) + `"`})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]any{{`["failure",null]`, `["[\"SignInTokenProtection\"]",null]`, true, "1003", "0", nil}}
	if diff := cmp.Diff(want, answer.Rows); diff != "" {
		t.Errorf("twins differ (-want +got):\n%s", diff)
	}
}

// Rows that are fed twice are there once, also after the store was closed in between. // P15
func TestReplayAddsNothingTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logs.duckdb")
	list := records(t, 1, row(1, signinlog.InteractiveTable, workspace), row(2, signinlog.InteractiveTable, workspace), row(3, signinlog.InteractiveTable, workspace))
	db := open(t, path)
	appendAll(t, db, list[:2])
	appendAll(t, db, list)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path)
	appendAll(t, db, list)
	got, err := db.Rows(t.Context(), workspace, everything(10))
	if err != nil || len(got) != 3 {
		t.Errorf("%d rows, %v, want 3", len(got), err)
	}
}

// A workspace has tables of its own: another one's rows have no name in it. // P13
func TestWorkspacesAreApart(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "logs.duckdb"))
	appendAll(t, db, records(t, 1, row(1, signinlog.InteractiveTable, workspace)))
	got, err := db.Rows(t.Context(), other, everything(10))
	if err != nil || len(got) != 0 {
		t.Errorf("the other workspace sees %d rows, %v", len(got), err)
	}
	mine, err := db.SchemaFor(t.Context(), workspace)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := db.SchemaFor(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	if mine.Tables[0].Physical == theirs.Tables[0].Physical {
		t.Error("two workspaces share a table")
	}
}

func TestQueriesCannotWriteOrReachFiles(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "logs.duckdb"))
	appendAll(t, db, records(t, 1, row(1, signinlog.InteractiveTable, workspace)))
	for _, sql := range []string{
		`DELETE FROM "` + physical(signinlog.InteractiveTable, workspace) + `"`,
		`CREATE TABLE x (a INTEGER)`,
		`SELECT * FROM read_text('/etc/passwd')`,
		`COPY (SELECT 1) TO '/tmp/x.csv'`,
		`SET enable_external_access = true`,
		`INSTALL httpfs`,
	} {
		if _, err := db.Query(t.Context(), Query{SQL: sql, Timeout: time.Minute}); err == nil {
			t.Errorf("%s was carried out", sql)
		}
	}
	if got, err := db.Rows(t.Context(), workspace, everything(10)); err != nil || len(got) != 1 {
		t.Errorf("afterwards there are %d rows, %v", len(got), err)
	}
}

func TestARunawayQueryIsStoppedAndHarmsNoOther(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "logs.duckdb"))
	stopped := make(chan error, 1)
	go func() {
		_, err := db.Query(context.Background(), Query{Timeout: 300 * time.Millisecond,
			SQL: `SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b`})
		stopped <- err
	}()
	if _, err := db.Query(t.Context(), Query{SQL: `SELECT 1`, Timeout: time.Minute}); err != nil {
		t.Errorf("a query beside it: %v", err)
	}
	if err := <-stopped; !errors.Is(err, ErrTimeout) {
		t.Errorf("the runaway query ended with %v, want ErrTimeout", err)
	}
}

func TestAnswersAreCutAtTheLimit(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "logs.duckdb"))
	answer, err := db.Query(t.Context(), Query{SQL: fmt.Sprintf(`SELECT range FROM range(%d)`, MaxRows+10), Timeout: time.Minute})
	if err != nil || len(answer.Rows) != MaxRows || !strings.Contains(answer.Cut, "rows") {
		t.Errorf("%d rows, cut %q, %v", len(answer.Rows), answer.Cut, err)
	}
}

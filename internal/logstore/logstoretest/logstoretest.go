package logstoretest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boundgate/internal/kql/schema"
	"boundgate/internal/logstore"
	"boundgate/internal/signinlog"
)

// A Store is a log store on whatever engine.
type Store interface {
	Append(ctx context.Context, source string, records []signinlog.Record) error
	Last(ctx context.Context, source string) (uint64, error)
	Rows(ctx context.Context, workspace string, s logstore.Selection) ([]signinlog.Row, error)
	SchemaFor(ctx context.Context, workspace string) (schema.Schema, error)
	Query(ctx context.Context, q logstore.Query) (logstore.Answer, error)
	Verify(ctx context.Context) (logstore.Verification, error)
	Retain(ctx context.Context, before time.Time) (int64, error)
	Close() error
}

// Run holds a store to its promises. open opens the store at a path; the same path again is the same store.
func Run(t *testing.T, open func(t testing.TB, path string) Store) {
	s := suite{open}
	t.Run("rows come back as they were", s.rowsComeBack)
	t.Run("selections narrow", s.selections)
	t.Run("pages follow one another", s.pages)
	t.Run("a replay adds nothing twice", s.replay)
	t.Run("a restored intake that counts anew loses nothing", s.restored)
	t.Run("an unreadable row holds up no other", s.unreadable)
	t.Run("a row from a later release keeps its bytes", s.later)
	t.Run("workspaces are apart", s.apart)
	t.Run("retention keeps the chain verifiable", s.retention)
	t.Run("limits of rows and bytes cut an answer and say so", s.limits)
	t.Run("order survives the limits", s.order)
	t.Run("a cancelled query ends", s.cancelled)
	t.Run("a runaway query ends and harms no other", s.runaway)
}

type suite struct {
	open func(t testing.TB, path string) Store
}

func (s suite) fresh(t testing.TB) Store { return s.open(t, filepath.Join(t.TempDir(), "logs")) }

func appendAll(t testing.TB, s Store, list []signinlog.Record) {
	t.Helper()
	if err := s.Append(t.Context(), "state", list); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

func rowsOf(t testing.TB, s Store, workspace string, selection logstore.Selection) []signinlog.Row {
	t.Helper()
	if selection.Limit == 0 {
		selection.Limit = 100_000
	}
	if !selection.Interactive && !selection.NonInteractive {
		selection.Interactive, selection.NonInteractive = true, true
	}
	rows, err := s.Rows(t.Context(), workspace, selection)
	if err != nil {
		t.Fatalf("Rows: %v", err)
	}
	return rows
}

// verified returns what Verify finds where everything is as it should be.
func verified(t testing.TB, s Store) logstore.Verification {
	t.Helper()
	v, err := s.Verify(t.Context())
	if err != nil || len(v.Problems) > 0 {
		t.Fatalf("Verify: %v, %v", v.Problems, err)
	}
	return v
}

// rowsComeBack is a property of any row, however odd: Unicode, NUL, JSON that is none, members that its table does not
// show to queries. // P12
func (s suite) rowsComeBack(t *testing.T) {
	store, intake := s.fresh(t), &Intake{Writer: "node"}
	rng := rand.New(rand.NewPCG(1, 2))
	want := map[string]signinlog.Row{}
	for n := range 300 {
		r := RandomRow(rng, []string{signinlog.InteractiveTable, signinlog.NonInteractiveTable}[n%2], Ours)
		r.ID = fmt.Sprint(n)
		if n == 7 {
			r.UserAgent = string(make([]byte, 3<<20))
		}
		intake.Add(t, r)
		want[r.ID] = *r
	}
	list, err := intake.Intake(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, store, list)
	got := map[string]signinlog.Row{}
	for _, r := range rowsOf(t, store, Ours, logstore.Selection{}) {
		got[r.ID] = r
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows differ (-want +got):\n%.2000s", diff)
	}
	v := verified(t, store)
	if diff := cmp.Diff([]signinlog.Head{intake.Head()}, v.Heads); diff != "" || v.Rows != 300 {
		t.Errorf("verified %d rows; heads differ (-want +got):\n%s", v.Rows, diff)
	}
}

func (s suite) selections(t *testing.T) {
	store, intake := s.fresh(t), &Intake{Writer: "node"}
	for n := range 12 {
		r := Row(n, []string{signinlog.InteractiveTable, signinlog.NonInteractiveTable}[n%2], Ours)
		r.UserPrincipalName = fmt.Sprintf("User%d@Contoso.example", n%4)
		if n == 5 {
			r.ResultType, r.TokenProtectionStatusDetails = "530084", `{"signInSessionStatus":"unbound","signInSessionStatusCode":1003}`
		}
		appendAll(t, store, intake.Add(t, r))
	}
	first := Row(0, "", "").TimeGenerated
	text := func(s string) *string { return &s }
	for _, tt := range []struct {
		name string
		s    logstore.Selection
		want []int
	}{
		{"all, the newest first", logstore.Selection{}, []int{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		{"interactive ones", logstore.Selection{Interactive: true}, []int{10, 8, 6, 4, 2, 0}},
		{"non-interactive ones", logstore.Selection{NonInteractive: true, Limit: 2}, []int{11, 9}},
		{"by id", logstore.Selection{ID: Row(4, "", "").ID}, []int{4}},
		{"by correlation id", logstore.Selection{CorrelationID: text(Row(4, "", "").CorrelationID)}, []int{5, 4, 3}},
		{"by user id", logstore.Selection{UserID: text(Row(4, "", "").UserID)}, []int{4}},
		{"by user principal name, in lower case", logstore.Selection{UPN: text("user3@contoso.example")}, []int{11, 7, 3}},
		{"by result", logstore.Selection{ResultType: text("530084")}, []int{5}},
		{"by code of token protection", logstore.Selection{SessionCode: text("1003")}, []int{5}}, // S25
		{"by time, both ends in", logstore.Selection{From: first.Add(2 * time.Second), To: first.Add(4 * time.Second)}, []int{4, 3, 2}},
		{"by everything at once", logstore.Selection{ResultType: text("530084"), UPN: text("user1@contoso.example"), Interactive: true}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var want, got []string
			for _, n := range tt.want {
				want = append(want, Row(n, "", "").ID)
			}
			for _, r := range rowsOf(t, store, Ours, tt.s) {
				got = append(got, r.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("ids differ (-want +got):\n%s", diff)
			}
		})
	}
}

func (s suite) pages(t *testing.T) {
	store, intake := s.fresh(t), &Intake{Writer: "node"}
	const rows = 25
	for n := range rows {
		r := Row(n, []string{signinlog.InteractiveTable, signinlog.NonInteractiveTable}[n%2], Ours)
		r.TimeGenerated = Row(n/5, "", "").TimeGenerated // several at one moment
		intake.Add(t, r)
	}
	list, err := intake.Intake(t.Context(), 0, rows)
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, store, list)
	var before *logstore.Place
	seen := map[string]bool{}
	for range rows {
		page := rowsOf(t, store, Ours, logstore.Selection{Limit: 4, Before: before})
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			if seen[r.ID] {
				t.Errorf("row %s is on two pages", r.ID)
			}
			seen[r.ID] = true
		}
		last := page[len(page)-1]
		before = &logstore.Place{At: last.TimeGenerated, ID: last.ID}
	}
	if len(seen) != rows {
		t.Errorf("the pages have %d rows, want %d", len(seen), rows)
	}
}

// replay: rows that are fed twice are there once, also where the store was closed in between. // P15
func (s suite) replay(t *testing.T) {
	path, intake := filepath.Join(t.TempDir(), "logs"), &Intake{Writer: "node"}
	list := intake.Add(t, Row(1, signinlog.InteractiveTable, Ours), Row(2, signinlog.NonInteractiveTable, Ours), Row(3, signinlog.InteractiveTable, Ours))
	store := s.open(t, path)
	appendAll(t, store, list[:2])
	appendAll(t, store, list)
	appendAll(t, store, list[1:])
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	store = s.open(t, path)
	appendAll(t, store, list)
	if got := len(rowsOf(t, store, Ours, logstore.Selection{})); got != 3 {
		t.Errorf("there are %d rows, want 3", got)
	}
	if last, err := store.Last(t.Context(), "state"); last != 3 || err != nil {
		t.Errorf("Last = %d, %v, want 3", last, err)
	}
	verified(t, store)
}

// restored: a state store that was restored gives its new rows numbers that it has given before.
func (s suite) restored(t *testing.T) {
	store, intake := s.fresh(t), &Intake{Writer: "before"}
	for n := range 9 {
		appendAll(t, store, intake.Add(t, Row(n, signinlog.InteractiveTable, Ours)))
	}
	again := &Intake{Writer: "restored"}
	for n := range 3 {
		appendAll(t, store, again.Add(t, Row(100+n, signinlog.InteractiveTable, Ours)))
	}
	if got := len(rowsOf(t, store, Ours, logstore.Selection{})); got != 12 {
		t.Errorf("there are %d rows, want 9 and 3", got)
	}
	verified(t, store)
}

// unreadable: what is no row is set aside with its place in the chain, and the rows around it are there. // P10
func (s suite) unreadable(t *testing.T) {
	store, intake := s.fresh(t), &Intake{Writer: "node"}
	list := intake.Add(t, Row(1, signinlog.InteractiveTable, Ours))
	list = append(list, intake.AddBytes([]byte(`{"TenantId":`)), intake.AddBytes([]byte{0xff, 0}), intake.AddBytes([]byte(`{"TenantId":"no workspace","Type":"SigninLogs"}`)))
	list = append(list, intake.Add(t, Row(2, "NoSuchTable", Ours), Row(3, signinlog.InteractiveTable, Ours))...)
	appendAll(t, store, list)
	appendAll(t, store, list)
	if got := len(rowsOf(t, store, Ours, logstore.Selection{})); got != 2 {
		t.Errorf("there are %d rows, want 2", got)
	}
	if v := verified(t, store); v.Rows != len(list) {
		t.Errorf("the chain has %d rows, want %d", v.Rows, len(list))
	}
}

// later: bytes that this release's columns would not give back are kept, and the chain stays whole. // P12
func (s suite) later(t *testing.T) {
	store, intake := s.fresh(t), &Intake{Writer: "node"}
	canonical, err := Row(1, signinlog.InteractiveTable, Ours).Canonical()
	if err != nil {
		t.Fatal(err)
	}
	list := []signinlog.Record{intake.AddBytes(append(canonical[:len(canonical)-1:len(canonical)-1], `,"ColumnOfTomorrow":"x"}`...))}
	appendAll(t, store, append(list, intake.Add(t, Row(2, signinlog.InteractiveTable, Ours))...))
	if got := len(rowsOf(t, store, Ours, logstore.Selection{})); got != 2 {
		t.Errorf("there are %d rows, want 2", got)
	}
	verified(t, store)
}

// apart: what one workspace's queries may name holds no row of another. // P13
func (s suite) apart(t *testing.T) {
	store, intake := s.fresh(t), &Intake{Writer: "node"}
	appendAll(t, store, intake.Add(t, Row(1, signinlog.InteractiveTable, Ours), Row(2, signinlog.NonInteractiveTable, Ours), Row(3, signinlog.InteractiveTable, Theirs)))
	for workspace, want := range map[string]int{Ours: 2, Theirs: 1, "aaaaaaaa-2222-4333-8444-555555555555": 0} {
		tables, err := store.SchemaFor(t.Context(), workspace)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, table := range tables.Tables {
			answer, err := store.Query(t.Context(), logstore.Query{SQL: `SELECT "TenantId" FROM "` + table.Physical + `"`})
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range answer.Rows {
				if got++; row[0] != workspace {
					t.Errorf("workspace %s sees a row of %v", workspace, row[0])
				}
			}
		}
		if got != want || len(rowsOf(t, store, workspace, logstore.Selection{})) != want {
			t.Errorf("workspace %s has %d rows, want %d", workspace, got, want)
		}
	}
	if _, err := store.SchemaFor(t.Context(), `x"; DROP TABLE feeds; --`); err == nil {
		t.Error("a workspace that is no GUID was described")
	}
}

// retention: the oldest rows go, whole beginnings of chains, and what stays can be verified.
func (s suite) retention(t *testing.T) {
	store, one, two := s.fresh(t), &Intake{Writer: "one"}, &Intake{Writer: "two"}
	for n := range 10 {
		appendAll(t, store, one.Add(t, Row(n, signinlog.InteractiveTable, []string{Ours, Theirs}[n%2])))
	}
	young := one.Add(t, Row(50, signinlog.NonInteractiveTable, Ours))
	late := one.Add(t, Row(5, signinlog.NonInteractiveTable, Ours)) // old, and behind a younger one
	appendAll(t, store, append(young, late...))
	if err := store.Append(t.Context(), "other", two.Add(t, Row(4, signinlog.InteractiveTable, Ours), Row(60, signinlog.InteractiveTable, Ours))); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		before  int
		removed int64
	}{{0, 0}, {5, 6}, {5, 0}, {40, 5}, {55, 2}, {100, 1}} {
		removed, err := store.Retain(t.Context(), Row(tt.before, "", "").TimeGenerated)
		if err != nil || removed != tt.removed {
			t.Errorf("Retain(%d) removed %d rows, %v, want %d", tt.before, removed, err, tt.removed)
		}
		if diff := cmp.Diff([]signinlog.Head{one.Head(), two.Head()}, verified(t, store).Heads); diff != "" {
			t.Errorf("heads after Retain(%d) (-want +got):\n%s", tt.before, diff)
		}
	}
	appendAll(t, store, one.Add(t, Row(200, signinlog.InteractiveTable, Ours)))
	if v := verified(t, store); v.Rows != 1 {
		t.Errorf("after everything went there are %d rows, want the one that came", v.Rows)
	}
}

func (s suite) limits(t *testing.T) {
	store := s.fresh(t)
	for _, tt := range []struct {
		name string
		q    logstore.Query
		rows int
		cut  bool
	}{
		{"as many rows as allowed", logstore.Query{SQL: `SELECT range FROM range(10)`, MaxRows: 10}, 10, false},
		{"one row more", logstore.Query{SQL: `SELECT range FROM range(11)`, MaxRows: 10}, 10, true},
		{"the default limit of rows", logstore.Query{SQL: `SELECT range FROM range(500010)`}, logstore.MaxRows, true},
		{"text of many bytes", logstore.Query{SQL: `SELECT repeat('x', 100) FROM range(100)`, MaxBytes: 1160}, 10, true},
		{"a list of many bytes", logstore.Query{SQL: `SELECT [repeat('x', 100)] FROM range(100)`, MaxBytes: 5000}, 42, true},
		{"rows within the bytes", logstore.Query{SQL: `SELECT 'x', NULL FROM range(100)`, MaxBytes: 100_000}, 100, false},
		{"one row that is too large", logstore.Query{SQL: `SELECT repeat('x', 10000)`, MaxBytes: 100}, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer, err := store.Query(t.Context(), tt.q)
			if err != nil || len(answer.Rows) != tt.rows || (answer.Cut != "") != tt.cut {
				t.Errorf("%d rows, cut %q, %v, want %d rows, cut %t", len(answer.Rows), answer.Cut, err, tt.rows, tt.cut)
			}
		})
	}
}

func (s suite) order(t *testing.T) {
	store := s.fresh(t)
	answer, err := store.Query(t.Context(), logstore.Query{
		SQL: `SELECT range, range::VARCHAR FROM range(300000) ORDER BY hash(range) % 1000 DESC, range`, MaxRows: 250_000,
	})
	if err != nil || len(answer.Rows) != 250_000 {
		t.Fatalf("%d rows, %v", len(answer.Rows), err)
	}
	plain, err := store.Query(t.Context(), logstore.Query{SQL: `SELECT range FROM range(300000) ORDER BY hash(range) % 1000 DESC, range`, MaxRows: 250_000})
	if err != nil {
		t.Fatal(err)
	}
	for n := range plain.Rows {
		if plain.Rows[n][0] != answer.Rows[n][0] {
			t.Fatalf("row %d is %v, want %v", n, answer.Rows[n][0], plain.Rows[n][0])
		}
	}
}

const endless = `SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b`

func (s suite) cancelled(t *testing.T) {
	store := s.fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := store.Query(ctx, logstore.Query{SQL: endless}); !errors.Is(err, context.Canceled) {
		t.Errorf("the query ended with %v, want context.Canceled", err)
	}
}

func (s suite) runaway(t *testing.T) {
	store, intake := s.fresh(t), &Intake{Writer: "node"}
	stopped := make(chan error, 1)
	go func() {
		_, err := store.Query(context.WithoutCancel(t.Context()), logstore.Query{Timeout: 2 * time.Second, SQL: endless})
		stopped <- err
	}()
	time.Sleep(100 * time.Millisecond) // it runs
	if _, err := store.Query(t.Context(), logstore.Query{SQL: `SELECT 1`}); err != nil {
		t.Errorf("a query beside it: %v", err)
	}
	appendAll(t, store, intake.Add(t, Row(1, signinlog.InteractiveTable, Ours)))
	select {
	case err := <-stopped:
		t.Fatalf("the runaway query ended before the others had answered: %v", err)
	default:
	}
	if err := <-stopped; !errors.Is(err, logstore.ErrTimeout) {
		t.Errorf("the runaway query ended with %v, want ErrTimeout", err)
	}
}

package logstore

import (
	"bytes"
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

const ours = "11111111-2222-4333-8444-555555555555"

func ourTable(t testing.TB, table string) string {
	t.Helper()
	w, err := parseWorkspace(ours)
	if err != nil {
		t.Fatal(err)
	}
	return w.table(table)
}

func openHere(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(context.Background(), Options{Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// chained links rows into the chain of one writer.
func chained(t testing.TB, rows ...*signinlog.Row) []signinlog.Record {
	t.Helper()
	var list []signinlog.Record
	var previous signinlog.Hash
	for n, r := range rows {
		canonical, err := r.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		seq := uint64(n) + 1
		previous = signinlog.Link("node", seq, previous, canonical)
		list = append(list, signinlog.Record{Intake: seq, Writer: "node", Seq: seq, Hash: previous, Canonical: canonical})
	}
	return list
}

func rowAt(n int, table string) *signinlog.Row {
	at := time.Date(2026, 11, 1, 12, 0, n, 0, time.UTC)
	return &signinlog.Row{
		TimeGenerated: at, CreatedDateTime: at, TenantID: ours, Type: table, ID: fmt.Sprint(n), ResultType: "0", UserPrincipalName: "mika@contoso.example",
		TokenProtectionStatusDetails: `{"signInSessionStatus":"bound","signInSessionStatusCode":0}`, ConditionalAccessPolicies: `[{"id":"a","result":"success"}]`,
	}
}

func mustAppend(t testing.TB, db *DB, list []signinlog.Record) {
	t.Helper()
	if err := db.Append(t.Context(), "state", list); err != nil {
		t.Fatal(err)
	}
}

// Whoever can write to the database file and not sign checkpoints leaves a trace. // P12
func TestVerifyNoticesWhatWasDoneToTheFile(t *testing.T) {
	table := ourTable(t, signinlog.NonInteractiveTable)
	for _, tt := range []struct {
		name, statement string
		problem         string // "" where the heads alone show it
		upTo            uint64 // how far the chain is whole
	}{
		{"nothing", `SELECT 1`, "", 6},
		{"a result was altered", `UPDATE ` + table + ` SET "ResultType" = '530084' WHERE _seq = 4`, `row 4 of "node" is not what was written`, 3},
		{"a time was altered by a microsecond", `UPDATE ` + table + ` SET "TimeGenerated" = "TimeGenerated" + INTERVAL 1 MICROSECOND WHERE _seq = 1`, `row 1 of "node"`, 0},
		{"a flag was altered", `UPDATE ` + table + ` SET "IsRisky" = true WHERE _seq = 6`, `row 6`, 5},
		{"a member that queries do not see was altered", `UPDATE ` + table + ` SET "FlaggedForReview" = true WHERE _seq = 5`, `row 5`, 4},
		{"an empty string became NULL", `UPDATE ` + table + ` SET "DeviceDetail" = '{}' WHERE _seq = 2`, `row 2`, 1},
		{"a hash was altered", `UPDATE ` + table + ` SET _hash = '\x00'::BLOB WHERE _seq = 2`, `row 2`, 1},
		{"a row was cut out", `DELETE FROM ` + table + ` WHERE _seq = 3`, `row 2 of "node" is followed by row 4`, 2},
		{"the first row was cut off", `DELETE FROM ` + table + ` WHERE _seq = 1`, `row 0 of "node" is followed by row 2`, 0},
		{"a row was doubled", `INSERT INTO ` + table + ` SELECT * FROM ` + table + ` WHERE _seq = 3`, `row 3 of "node" is followed by row 3`, 3},
		{"the last row was cut off, which the checkpoint shows", `DELETE FROM ` + table + ` WHERE _seq = 6`, "", 5},
		{"columns of a row whose bytes are kept were altered", `UPDATE ` + table + ` SET "ResultType" = '1', _canonical = '{}'::BLOB WHERE _seq = 3`, "row 3", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := openHere(t, filepath.Join(t.TempDir(), "logs"))
			var rows []*signinlog.Row
			for n := range 6 {
				rows = append(rows, rowAt(n, signinlog.NonInteractiveTable))
			}
			mustAppend(t, db, chained(t, rows...))
			if _, err := db.db.Exec(tt.statement); err != nil {
				t.Fatal(err)
			}
			v, err := db.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(v.Heads) != 1 || v.Heads[0].Seq != tt.upTo {
				t.Errorf("the chain is whole up to %+v, want row %d", v.Heads, tt.upTo)
			}
			problem := errors.Join(v.Problems...)
			if (problem == nil) != (tt.problem == "") || problem != nil && !(errors.Is(problem, signinlog.ErrChain) && strings.Contains(problem.Error(), tt.problem)) {
				t.Errorf("Verify found %v, want %q", problem, tt.problem)
			}
		})
	}
}

// A twin says what DuckDB itself reads in the text: a query may use either and gives the same answer. // S53
func TestTwinsSayWhatTheTextSays(t *testing.T) {
	db := openHere(t, filepath.Join(t.TempDir(), "logs"))
	var rows []*signinlog.Row
	for n, policies := range []string{
		`[{"id":"p","result":"failure","enforcedSessionControls":["SignInTokenProtection"],"sessionControlsNotSatisfied":[]},{"id":"q"}]`,
		`[ { "id" : "p" , "enforcedGrantControls" : [ "Block" , {"b":1, "a":[ ]} ] , "conditionsSatisfied" : 23, "result": null } ]`,
		`[{"displayName":"\u003cscript\u003e \"\\ \u0041 é 自己 \t","enforcedSessionControls":["\u003c","a\u00e9\"\\\n","/"]}]`,
		`[{"id":true,"result":1.50,"conditionsSatisfied":"7","displayName":""}]`,
		`[{"id":-0.0,"result":1e2,"conditionsSatisfied":1.5E-3,"displayName":1e-7},{"id":1e25,"result":12345678901234567890,"displayName":[1.0,-2.50,"1.50"]}]`,
		`[]`,
	} {
		r := rowAt(n, signinlog.NonInteractiveTable)
		r.ConditionalAccessPolicies = policies
		r.Status = `{"errorCode":50126,"failureReason":"\u0022x\u0022","additionalDetails":{"a":[1, 2]}}`
		r.LocationDetails = `{"geoCoordinates":{"latitude":60.17},"city":null}`
		rows = append(rows, r)
	}
	mustAppend(t, db, chained(t, rows...))
	table := ourTable(t, signinlog.NonInteractiveTable)
	for _, twin := range signinlog.Twins {
		text := func(of string) string {
			return `CASE WHEN json_type(` + of + `) = 'NULL' THEN NULL ELSE ` + of + `->>'$' END`
		}
		want := text(quote(twin.Column) + `->'$.` + twin.Member + `'`)
		if twin.List {
			want = `list_transform(` + quote(twin.Column) + `::JSON[], lambda e: ` + text(`(e->'$.`+twin.Member+`')`) + `)`
		}
		guard := `CASE WHEN json_valid(` + quote(twin.Column) + `) THEN ` + want + ` END`
		answer, err := db.Query(t.Context(), Query{SQL: `SELECT "Id", ` + quote(twin.Name) + `, ` + guard + ` FROM ` + table + ` ORDER BY "Id"`})
		if err != nil {
			t.Fatalf("%s: %v", twin.Name, err)
		}
		for _, row := range answer.Rows {
			if diff := cmp.Diff(row[2], row[1]); diff != "" {
				t.Errorf("%s of row %v differs from the text (-text +twin):\n%s", twin.Name, row[0], diff)
			}
		}
	}
}

// JSON that has no one meaning gets no twins, and its row is kept.
func TestMalformedJSONIsKeptAsText(t *testing.T) {
	db := openHere(t, filepath.Join(t.TempDir(), "logs"))
	var rows []*signinlog.Row
	for n, policies := range []string{`[{"id":"a"}`, `not JSON`, `{"id":"a"}`, `[null]`, `null`, `["a"]`, `[{"id":"a","id":"b"}]`, ``} {
		r := rowAt(n, signinlog.NonInteractiveTable)
		r.ConditionalAccessPolicies, r.Status = policies, `{"errorCode":1,"errorCode":2}`
		rows = append(rows, r)
	}
	mustAppend(t, db, chained(t, rows...))
	answer, err := db.Query(t.Context(), Query{SQL: `
		SELECT count(*), count(*) FILTER (WHERE cap_ok), count(st_errorcode), count("ConditionalAccessPolicies") FROM ` + ourTable(t, signinlog.NonInteractiveTable)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]any{{int64(len(rows)), int64(0), int64(0), int64(len(rows))}}, answer.Rows); diff != "" {
		t.Errorf("rows, with lists, with an error code, with text (-want +got):\n%s", diff)
	}
}

// Whatever reached the store as a query could neither write nor see anything but the database.
func TestQueriesCannotWriteOrReachFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logs")
	db := openHere(t, path)
	mustAppend(t, db, chained(t, rowAt(1, signinlog.InteractiveTable)))
	table := ourTable(t, signinlog.InteractiveTable)
	for _, text := range []string{
		`DELETE FROM ` + table,
		`SELECT 1; DELETE FROM ` + table,
		`ROLLBACK; DELETE FROM ` + table + `; SELECT 1`,
		`SELECT 1) AS q; DELETE FROM ` + table + `; SELECT * FROM (SELECT 1`,
		`CREATE TABLE x (a INTEGER)`,
		`SELECT * FROM read_text('/etc/passwd')`,
		`SELECT * FROM '/etc/passwd'`,
		`SELECT * FROM glob('/*')`,
		`COPY (SELECT 1) TO '/tmp/x.csv'`,
		`ATTACH '/tmp/x.db'`,
		`EXPORT DATABASE '/tmp/x'`,
		`SET enable_external_access = true`,
		`SET memory_limit = '100GB'`,
		`PRAGMA database_list`,
		`INSTALL httpfs`,
		`LOAD httpfs`,
		``,
	} {
		if _, err := db.Query(t.Context(), Query{SQL: text}); err == nil {
			t.Errorf("%s was carried out", text)
		}
	}
	answer, err := db.Query(t.Context(), Query{SQL: `SELECT "Id" FROM ` + table + ` WHERE "Id" = $1`, Args: []any{"1"}})
	if err != nil || len(answer.Rows) != 1 {
		t.Errorf("afterwards there are %d rows, %v", len(answer.Rows), err)
	}
}

// A query that needs more memory than there is for queries ends alone, and says why.
func TestAQueryThatNeedsTooMuchMemory(t *testing.T) {
	db, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "logs"), Log: slog.New(slog.DiscardHandler), Memory: 64 << 20, Spill: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.Query(t.Context(), Query{SQL: `SELECT md5(range::VARCHAR) FROM range(10000000) ORDER BY 1 DESC OFFSET 5000000`})
	if !errors.Is(err, ErrMemory) {
		t.Errorf("the query ended with %v, want ErrMemory", err)
	}
	if _, err := db.Query(t.Context(), Query{SQL: `SELECT 1`}); err != nil {
		t.Errorf("the next query: %v", err)
	}
}

// A database that an earlier release made gets the columns that it lacks.
func TestTablesOfAnEarlierReleaseGetNewColumns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logs")
	db := openHere(t, path)
	list := chained(t, rowAt(1, signinlog.InteractiveTable), rowAt(2, signinlog.InteractiveTable))
	mustAppend(t, db, list[:1])
	for _, column := range []string{`"RiskState"`, `tp_signinsessionstatus`, `_canonical`} {
		if _, err := db.db.Exec(`ALTER TABLE ` + ourTable(t, signinlog.InteractiveTable) + ` DROP COLUMN ` + column); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openHere(t, path)
	mustAppend(t, db, list[1:])
	v, err := db.Verify(t.Context())
	if err != nil || len(v.Problems) > 0 || v.Rows != 2 {
		t.Errorf("Verify = %+v, %v", v, err)
	}
}

// The file is for its owner alone, and written in the current format.
func TestTheFile(t *testing.T) {
	db := openHere(t, filepath.Join(t.TempDir(), "made", "logs"))
	answer, err := db.Query(t.Context(), Query{SQL: `SELECT tags['storage_version'] FROM duckdb_databases() WHERE NOT internal`})
	if err != nil || len(answer.Rows) != 1 || !strings.HasPrefix(fmt.Sprint(answer.Rows[0][0]), "v1.5") {
		t.Errorf("the file has storage version %v, %v", answer.Rows, err)
	}
}

// FuzzAppend: whatever bytes an intake hands over, they are kept, and the chain over them stays whole.
func FuzzAppend(f *testing.F) {
	f.Add([]byte(`{"TimeGenerated":"2026-11-01T12:00:00Z","CreatedDateTime":"2026-11-01T12:00:00.1234567+02:00","TenantId":"` + ours + `","Type":"SigninLogs","Status":"{"}`))
	f.Add([]byte(`{"TimeGenerated":"9999-12-31T23:59:59.999999999Z","CreatedDateTime":"0000-01-01T00:00:00Z","TenantId":"` + ours + `","Type":"SigninLogs","Id":"\u0000\ud800"}`))
	f.Add([]byte("{}"))
	f.Add([]byte(nil))
	db := openHere(f, filepath.Join(f.TempDir(), "logs"))
	head, intake := signinlog.Head{Writer: "node"}, uint64(0)
	f.Fuzz(func(t *testing.T, canonical []byte) {
		if canonical == nil {
			canonical = []byte{}
		}
		intake++
		head = signinlog.Head{Writer: "node", Seq: head.Seq + 1, Hash: signinlog.Link("node", head.Seq+1, head.Hash, canonical)}
		mustAppend(t, db, []signinlog.Record{{Intake: intake, Writer: "node", Seq: head.Seq, Hash: head.Hash, Canonical: bytes.Clone(canonical)}})
		tables, err := db.chainTables(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		links, err := db.links(t.Context(), tables, "node", head.Seq, head.Seq)
		if err != nil || len(links) != 1 || links[0].problem != nil || !bytes.Equal(links[0].canonical, canonical) {
			t.Fatalf("%q came back as %+v, %v", canonical, links, err)
		}
	})
}

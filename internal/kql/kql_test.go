package kql_test

import (
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/google/go-cmp/cmp"

	"boundgate/internal/kql"
	"boundgate/internal/kql/schema"
)

var now = time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)

var capMembers = map[string]string{
	"displayName": "cap_name", "result": "cap_result", "enforcedSessionControls": "cap_esc", "sessionControlsNotSatisfied": "cap_scns",
}

// signIns is the schema of the two tables; they differ in the type of what holds JSON.
func signIns(twins bool) schema.Schema {
	table := func(name, physical string, json schema.Type) schema.Table {
		policies := schema.Column{Name: "ConditionalAccessPolicies", Type: json}
		status := schema.Column{Name: "Status", Type: json}
		token := schema.Column{Name: "TokenProtectionStatusDetails", Type: json}
		if twins {
			policies.Lists, policies.Shredded = capMembers, "cap_shredded"
			status.Members = map[string]schema.Member{"errorCode": {Column: "status_code", Type: schema.Long}}
			token.Members = map[string]schema.Member{
				"signInSessionStatus":     {Column: "tp_status", Type: schema.String},
				"signInSessionStatusCode": {Column: "tp_code", Type: schema.Long},
			}
		}
		return schema.Table{Name: name, Physical: physical, TimeColumn: "TimeGenerated", Columns: []schema.Column{
			{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "Id", Type: schema.String},
			{Name: "UserPrincipalName", Type: schema.String}, {Name: "AppDisplayName", Type: schema.String},
			{Name: "ResourceDisplayName", Type: schema.String}, {Name: "ResultType", Type: schema.String},
			{Name: "Attempts", Type: schema.Long}, {Name: "Score", Type: schema.Real}, {Name: "IsInteractive", Type: schema.Bool},
			policies, status, token,
		}}
	}
	return schema.Schema{Tables: []schema.Table{
		table("SigninLogs", "signin", schema.Dynamic),
		table("AADNonInteractiveUserSignInLogs", "noninteractive", schema.String),
	}}
}

// A row is one hand-made sign-in. Policies that are no array leave the row without twins.
type row struct {
	ago                     time.Duration
	id, user, app, resource string
	result                  string
	attempts, score         any
	interactive             any
	policies, status, token string
}

const createTable = `CREATE TABLE %[1]s (
	"TimeGenerated" TIMESTAMP, "Id" VARCHAR NOT NULL, "UserPrincipalName" VARCHAR NOT NULL, "AppDisplayName" VARCHAR NOT NULL,
	"ResourceDisplayName" VARCHAR NOT NULL, "ResultType" VARCHAR NOT NULL, "Attempts" BIGINT, "Score" DOUBLE, "IsInteractive" BOOLEAN,
	"ConditionalAccessPolicies" VARCHAR, "Status" VARCHAR, "TokenProtectionStatusDetails" VARCHAR);`

// The twins are filled from the text by SQL of another kind than what the compiler writes.
const fillTwins = `CREATE TABLE %[1]s AS SELECT *,
	coalesce(ok, FALSE) AS cap_shredded,
	%[2]s
	TRY_CAST(TRY(json_extract_string("Status", '$.errorCode')) AS BIGINT) AS status_code,
	TRY(json_extract_string("TokenProtectionStatusDetails", '$.signInSessionStatus')) AS tp_status,
	TRY_CAST(TRY(json_extract_string("TokenProtectionStatusDetails", '$.signInSessionStatusCode')) AS BIGINT) AS tp_code
	FROM (SELECT *, TRY(json_type("ConditionalAccessPolicies")) = 'ARRAY' AS ok FROM %[1]s_plain)`

func openDB(t testing.TB, rows map[string][]row) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	must := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatalf("%v\n%s", err, query)
		}
	}
	null := func(s string) any {
		if s == "null" {
			return nil
		}
		return s
	}
	for _, table := range []string{"signin", "noninteractive"} {
		must(fmt.Sprintf(createTable, table+"_plain"))
		for _, r := range rows[table] {
			must("INSERT INTO "+table+"_plain VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", now.Add(-r.ago), r.id, r.user, r.app, r.resource, r.result,
				r.attempts, r.score, r.interactive, null(r.policies), null(r.status), null(r.token))
		}
		var lists strings.Builder
		for _, m := range []string{"displayName", "result", "enforcedSessionControls", "sessionControlsNotSatisfied"} {
			fmt.Fprintf(&lists, `CASE WHEN ok THEN list_transform(json_extract("ConditionalAccessPolicies", '$[*]'), lambda e: json_extract_string(e, '$.%s')) END AS %s,`, m, capMembers[m])
		}
		must(fmt.Sprintf(fillTwins, table, lists.String()))
	}
	return db
}

// run compiles and runs a query and returns its rows as text, values split by bars.
func run(t testing.TB, db *sql.DB, o kql.Options, src string) (*kql.Program, []string) {
	t.Helper()
	p, err := kql.Compile(src, o)
	if err != nil {
		t.Fatalf("%s\n%v", src, err)
	}
	rows, err := db.Query(p.SQL, p.Args...)
	if err != nil {
		t.Fatalf("%s\n%v\n%s\n%v", src, err, p.SQL, p.Args)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		values := make([]any, len(p.Columns))
		targets := make([]any, len(values))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		parts := make([]string, len(values))
		for i, v := range values {
			switch v := v.(type) {
			case nil:
				parts[i] = "null"
				if p.Columns[i].Type == schema.String {
					t.Errorf("%s: a string is NULL", src)
				}
			case time.Time:
				parts[i] = v.UTC().Format("2006-01-02T15:04:05")
			default:
				parts[i] = fmt.Sprint(v)
			}
		}
		out = append(out, strings.Join(parts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s\n%v\n%s", src, err, p.SQL)
	}
	return p, out
}

func columns(p *kql.Program) string {
	var parts []string
	for _, c := range p.Columns {
		parts = append(parts, c.Name+":"+string(c.Type))
	}
	return strings.Join(parts, ", ")
}

const (
	exchange   = "Office 365 Exchange Online"
	sharePoint = "Office 365 SharePoint Online"
	day        = 24 * time.Hour
)

func policy(result, enforced, notSatisfied string) string {
	return `{"displayName":"P","enforcedSessionControls":` + enforced + `,"sessionControlsNotSatisfied":` + notSatisfied + `,"result":"` + result + `"}`
}

func array(policies ...string) string { return "[" + strings.Join(policies, ",") + "]" }

// The rows of the three queries. protect is a policy that enforced token protection; the words behind it say how it went.
var (
	protectBlocked = policy("failure", `["SignInTokenProtection"]`, `["SignInTokenProtection"]`)
	protectAllowed = policy("success", `["SignInTokenProtection"]`, `[]`)
	binding        = policy("success", `["Binding"]`, `[]`)
	bindingFailed  = policy("failure", `["Binding"]`, `["Binding"]`)
	reportOnly     = policy("reportOnlyNotApplied", `["SignInTokenProtection"]`, `["SignInTokenProtection"]`)
	notApplied     = policy("notApplied", `["SignInTokenProtection"]`, `["SignInTokenProtection"]`)
	twoControls    = policy("failure", `["SignInTokenProtection","SignInFrequency"]`, `["SignInTokenProtection"]`)
	noMembers      = `{"displayName":"bare"}`
	noResult       = `{"enforcedSessionControls":["SignInTokenProtection"]}`
)

func protectionRows() []row {
	r := func(id, user, app, resource, policies, token string) row {
		return row{ago: day, id: id, user: user, app: app, resource: resource, result: "0", policies: policies, status: `{"errorCode":0}`, token: token}
	}
	rows := []row{
		r("1", "ann", "Outlook", exchange, array(protectBlocked), `{"signInSessionStatus":"unbound","signInSessionStatusCode":1003}`),
		r("2", "ann", "Outlook", exchange, array(protectAllowed), `{"signInSessionStatus":"bound","signInSessionStatusCode":0}`),
		r("3", "bob", "Outlook", sharePoint, array(binding), `{"signInSessionStatus":"unbound","signInSessionStatusCode":"1003"}`),
		r("4", "bob", "Outlook", exchange, array(bindingFailed), ""),                         // Binding rows count as Allow
		r("5", "cid", "Outlook", exchange, array(protectBlocked, protectAllowed), "no json"), // two policies, two rows
		r("6", "cid", "Teams", sharePoint, array(protectBlocked, protectBlocked), `[1003]`),  // two policies alike, one row
		r("7", "dan", "Teams", "Azure Virtual Desktop", array(protectBlocked), `{}`),         // removed by the second filter
		r("8", "dan", "Teams", exchange, array(reportOnly, notApplied), `{"signInSessionStatusCode":1003}`),
		r("9", "dan", "Teams", exchange, array(twoControls), `{"signInSessionStatusCode":null}`), // not the only control
		r("10", "eve", "Teams", exchange, "[]", ""),
		r("11", "eve", "Teams", exchange, `[{"broken":`, `{"signInSessionStatusCode":`),
		r("12", "eve", "Teams", exchange, "", ""),
		r("13", "eve", "Teams", exchange, array(noMembers, noResult), `{"signInSessionStatusCode":1003}`), // a missing result is not "notApplied"
		r("14", "fay", "Word", exchange, protectBlocked, ""),                                              // a bag, not an array: its members are rows without these members
	}
	old := r("15", "ann", "Outlook", exchange, array(protectBlocked), `{"signInSessionStatusCode":1003}`)
	old.ago = 8 * day
	return append(rows, old)
}

func source(t testing.TB, name, table string) string {
	t.Helper()
	b, err := os.ReadFile("../queries/source/" + name + ".kql")
	if err != nil {
		t.Fatal(err)
	}
	if table == "SigninLogs" {
		return strings.NewReplacer("\nAADNonInteractiveUserSignInLogs", "\nSigninLogs", "//SigninLogs", "//AADNonInteractiveUserSignInLogs").Replace("\n" + string(b))
	}
	return string(b)
}

// Worked out by hand from protectionRows, by (Id, user, app, resource, result): 1 ann Outlook Block; 2 ann Outlook Allow;
// 3 bob Outlook Allow; 4 bob Outlook Allow; 5 cid Outlook Block and Allow; 6 cid Teams Block; 13 eve Teams Allow;
// 14 fay Word Allow.
func TestTheThreeQueries(t *testing.T) { // S53, S54
	tests := []struct {
		name, columns string
		rows          []string
	}{
		{
			"per-app",
			"AppDisplayName:string, Requests:long, Users:long, Block:long, Allow:long, BlockedUsers:long, PctAllowed:real",
			[]string{"Outlook|6|3|2|4|2|66.67", "Teams|2|2|1|1|1|50", "Word|1|1|0|1|0|100"},
		},
		{
			"per-user",
			"UserPrincipalName:string, AppDisplayName:string, ResourceDisplayName:string, Requests:long, Block:long, Allow:long, PctAllowed:real",
			[]string{
				"ann|Outlook|" + exchange + "|2|1|1|50", "bob|Outlook|" + exchange + "|1|0|1|100", "bob|Outlook|" + sharePoint + "|1|0|1|100",
				"cid|Outlook|" + exchange + "|2|1|1|50", "cid|Teams|" + sharePoint + "|1|1|0|0", "eve|Teams|" + exchange + "|1|0|1|100",
				"fay|Word|" + exchange + "|1|0|1|100",
			},
		},
		{"code-1003", "UserPrincipalName:string, count_:long", []string{"ann|1", "bob|1", "dan|1", "eve|1"}},
	}
	db := openDB(t, map[string][]row{"signin": protectionRows(), "noninteractive": protectionRows()})
	for _, table := range []string{"AADNonInteractiveUserSignInLogs", "SigninLogs"} {
		for _, twins := range []bool{false, true} {
			for _, tt := range tests {
				t.Run(fmt.Sprintf("%s over %s, twins %v", tt.name, table, twins), func(t *testing.T) {
					p, got := run(t, db, kql.Options{Schema: signIns(twins), Now: now}, source(t, tt.name, table))
					if tt.name != "per-app" { // ties in the sort, or none at all
						got = sorted(got)
					}
					if diff := cmp.Diff(tt.columns, columns(p)); diff != "" {
						t.Error(diff)
					}
					if diff := cmp.Diff(tt.rows, got); diff != "" {
						t.Errorf("%s\n%s", diff, p.SQL)
					}
				})
			}
		}
	}
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

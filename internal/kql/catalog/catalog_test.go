package catalog

import (
	"slices"
	"strings"
	"testing"

	"boundgate/internal/kql"
	"boundgate/internal/kql/schema"
)

func TestTheCatalogueIsWellFormed(t *testing.T) {
	list, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range list {
		if table.Physical != "" {
			t.Errorf("%s lies at %q, but no table of the catalogue has rows", table.Name, table.Physical)
		}
		if table.TimeColumn != "TimeGenerated" {
			t.Errorf("%s has the time column %q; a query's time range would not apply to it", table.Name, table.TimeColumn)
		}
		for _, name := range []string{"TenantId", "SourceSystem", "Type", "_BilledSize", "_IsBillable"} {
			if _, ok := columnOf(table, name); !ok {
				t.Errorf("%s lacks %s, which every table of Log Analytics has", table.Name, name)
			}
		}
		if !slices.IsSortedFunc(table.Columns, inPublishedOrder) {
			t.Errorf("the columns of %s are not in the published order", table.Name)
		}
	}
}

// inPublishedOrder compares as the reference sorts: without regard to case and to a leading underscore.
func inPublishedOrder(a, b schema.Column) int {
	key := func(c schema.Column) string { return strings.ToLower(strings.TrimLeft(c.Name, "_")) }
	return strings.Compare(key(a), key(b))
}

func columnOf(t schema.Table, name string) (schema.Column, bool) {
	n := slices.IndexFunc(t.Columns, func(c schema.Column) bool { return c.Name == name })
	if n < 0 {
		return schema.Column{}, false
	}
	return t.Columns[n], true
}

// TestWellKnownColumns looks at columns that community queries lean on, in the case and with the type that is published.
func TestWellKnownColumns(t *testing.T) {
	for _, test := range []struct {
		table, column string
		kind          schema.Type
	}{
		{"SigninLogs", "ConditionalAccessPolicies", schema.Dynamic},
		{"AADNonInteractiveUserSignInLogs", "ConditionalAccessPolicies", schema.String},
		{"AADServicePrincipalSignInLogs", "ServicePrincipalCredentialKeyId", schema.String},
		{"AADManagedIdentitySignInLogs", "CreatedDateTime", schema.DateTime},
		{"AuditLogs", "TargetResources", schema.Dynamic},
		{"AADUserRiskEvents", "IpAddress", schema.String},
		{"IdentityInfo", "AssignedRoles", schema.Dynamic},
		{"SecurityAlert", "Entities", schema.String},
		{"SecurityAlert", "ConfidenceScore", schema.Real},
		{"SecurityEvent", "EventID", schema.Int},
		{"OfficeActivity", "Client_IPAddress", schema.String},
		{"BehaviorAnalytics", "UsersInsights", schema.Dynamic},
		{"CommonSecurityLog", "ReceivedBytes", schema.Long},
		{"MicrosoftGraphActivityLogs", "ResponseStatusCode", schema.Int},
		{"AzureActivity", "_ResourceId", schema.String},
		{"AzureDiagnostics", "identity_claim_appid_g", schema.GUID},
		{"Watchlist", "_DTItemId", schema.String},
	} {
		table, ok := Lookup(test.table)
		if !ok {
			t.Errorf("%s is not in the catalogue", test.table)
			continue
		}
		if c, ok := columnOf(table, test.column); !ok || c.Type != test.kind {
			t.Errorf("%s.%s is %q (there: %v), want %q", test.table, test.column, c.Type, ok, test.kind)
		}
	}
}

func TestLookupKnowsExactNamesOnly(t *testing.T) {
	for _, name := range []string{"SignInLogs", "signinlogs", "", "SigninLogs "} {
		if table, ok := Lookup(name); ok {
			t.Errorf("Lookup(%q) found %s", name, table.Name)
		}
	}
}

func TestTablesGivesEachCallerItsOwnSlice(t *testing.T) {
	first := Tables()
	want := first[0].Name
	first[0] = schema.Table{Name: "Replaced", Physical: "rows"}
	if got := Tables()[0].Name; got != want {
		t.Errorf("the first table is now %s, want %s", got, want)
	}
}

func TestQueriesBindAgainstTheCatalogue(t *testing.T) {
	const query = `SigninLogs
		| where ResultType == 0
		| join kind=inner (SecurityAlert | mv-expand todynamic(Entities) | extend UserId = tostring(Entities.AadUserId)) on UserId
		| join kind=leftouter (IdentityInfo | summarize arg_max(TimeGenerated, *) by AccountObjectId) on $left.UserId == $right.AccountObjectId
		| project TimeGenerated, UserPrincipalName, AlertName, Department, ConfidenceScore`
	p, err := kql.Compile(query, kql.Options{Schema: schema.Schema{Tables: Tables()}})
	if err != nil {
		t.Fatal(err)
	}
	want := []kql.Column{
		{Name: "TimeGenerated", Type: schema.DateTime}, {Name: "UserPrincipalName", Type: schema.String},
		{Name: "AlertName", Type: schema.String}, {Name: "Department", Type: schema.String}, {Name: "ConfidenceScore", Type: schema.Real},
	}
	if !slices.Equal(p.Columns, want) {
		t.Errorf("columns %v, want %v", p.Columns, want)
	}
}

func TestParseReadsTablesAndTypes(t *testing.T) {
	list, err := parse("# a remark\n\nAlpha\n\tTimeGenerated:datetime Name\n\tSize:long\nBeta\n\tTimeGenerated\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Name != "Alpha" || list[1].Name != "Beta" {
		t.Fatalf("tables %v", list)
	}
	names := []schema.Type{}
	for _, c := range list[0].Columns {
		names = append(names, c.Type)
	}
	if want := []schema.Type{schema.DateTime, schema.String, schema.Long}; !slices.Equal(names, want) {
		t.Errorf("types %v, want %v", names, want)
	}
	if list[0].TimeColumn != "TimeGenerated" || list[1].TimeColumn != "" {
		t.Errorf("time columns %q and %q: only a datetime can be one", list[0].TimeColumn, list[1].TimeColumn)
	}
}

func TestParseSaysWhatIsWrongAndWhere(t *testing.T) {
	for _, test := range []struct{ about, text, want string }{
		{"an unknown type", "A\n\tX:text\n", `line 2: table A: column X has type "text"; write one of`},
		{"a string that is spelled out", "A\n\tX:string\n", `line 2: table A: column X has type "string"`},
		{"a type that is left empty", "A\n\tX:\n", `line 2: table A: column X has type ""`},
		{"a column that is there twice", "A\n\tX Y\n\tX:int\n", "line 3: table A has column X twice"},
		{"a column without a name", "A\n\t:int\n", `line 2: table A: "" is not a column's name`},
		{"a column that starts with a digit", "A\n\t1X\n", `line 2: table A: "1X" is not a column's name`},
		{"a table that is there twice", "A\n\tX\nA\n\tY\n", "line 3: table A comes after A; keep the tables sorted by name, each once"},
		{"tables out of order", "B\n\tX\nA\n\tY\n", "line 3: table A comes after B"},
		{"a table without columns", "A\nB\n\tX\n", "table A has no columns"},
		{"columns without a table", "# nothing yet\n\tX\n", "line 2: columns before the first table"},
		{"columns indented with spaces", "A\n  X\n", "line 2: \"  X\" is not a table's name"},
	} {
		t.Run(test.about, func(t *testing.T) {
			_, err := parse(test.text)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("error %v, want one that starts with %q", err, test.want)
			}
		})
	}
}

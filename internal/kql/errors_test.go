package kql_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boundgate/internal/kql"
)

func TestErrorsSayWhatIsWrongAndWhere(t *testing.T) {
	for _, tt := range []struct{ query, want string }{
		{"SigninLogs\n| where UserPrincipalNam == 'x'", "2:9 SEM0100 UserPrincipalNam -> UserPrincipalName"},
		{"SignInLogs | take 1", "1:1 SEM0100 SignInLogs -> SigninLogs"},
		{"SigninLogs | wher x", "1:14 SEM0100 wher -> where"},
		{"SigninLogs | mv-apply x on (count)", "1:14 SEM0600 mv-apply"},
		{"SigninLogs | make-series count() on TimeGenerated step 1h", "1:14 SEM0600 make-series"},
		{"SigninLogs | lookup kind=fullouter SigninLogs on Id", "1:21 SEM0600 kind=fullouter"},
		{"let f = (a:string) { SigninLogs }; f('x') | where nope", "1:51 SEM0100 nope"},
		{"let f = (a:string) { SigninLogs }; f() | count", "1:36 SEM0024 f()"},
		{"let f = (a:string) { SigninLogs }; f('a', 'b') | count", "1:43 SEM0024 'b'"},
		{"let f = (a:string) { SigninLogs }; f(b = 'a') | count", "1:38 SEM0100 b -> a"},
		{"let f = (a:int) { a }; SigninLogs | extend x = f(Id)", "1:50 SEM0024 Id"},
		{"let f = (T:(Id:string, Nope:long)) { T }; f(SigninLogs)", "1:45 SEM0100 SigninLogs"},
		{"let f = (i:string) { toscalar(SigninLogs | where Id == i | count) }; SigninLogs | extend x = f(Id)", "1:56 SEM0024 i"},
		{"let f = (i:string) { f(i) }; print f('x')", "1:22 SEM0100 f"},
		{"datatable (a:string, b:long) ['x', 1, 'y']", "1:1 SEM0024 datatable (a:string, b:long) ['x', 1, 'y']"},
		{"range x from 1 to now() step 1", "1:1 SEM0024 range x from 1 to now() step 1"},
		{"SigninLogs | extend a = tostrng(Id), b = foo(1)", "1:25 SEM0100 tostrng -> tostring; 1:42 SEM0100 foo"},
		{"AADNonInteractiveUserSignInLogs | where Status.errorCode == 0", "1:48 SEM0024 errorCode"},
		{"SigninLogs | where ResultType > 5", "1:31 SEM0024 >"},
		{"SigninLogs | where Attempts has 'x'", "1:20 SEM0024 Attempts"},
		{"SigninLogs | summarize count() by Status", "1:35 SEM0024 Status"},
		{"SigninLogs | sort by Status", "1:22 SEM0024 Status"},
		{"SigninLogs | project Id, Id = 5", "1:26 SEM0100 Id"},
		{"SigninLogs | extend c = count()", "1:25 SEM0024 count"},
		{"SigninLogs | where case(true, 1)", "1:20 SEM0024 case(true, 1)"},
		{"SigninLogs | take", "1:18 SYN0002 "},
		{"SigninLogs | where (Id == 'x'", "1:30 SYN0002 "},
		{"SigninLogs | where a ==\n| where == b", "2:1 SYN0002 |; 2:9 SYN0002 =="},
		{"SigninLogs | where Id matches regex '('", "1:37 SEM0024 '('"},
		{"SigninLogs | mv-expand Id", "1:24 SEM0024 Id"},
		{"SigninLogs | join kind=cross SigninLogs on Id", "1:19 SEM0600 kind=cross"},
		{"// é\nSigninLogs | where 'é' == Idd", "2:27 SEM0100 Idd -> Id"},
		{"let x = 1;", "1:1 SYN0002 let x = 1;"},
		{"", "1:1 SYN0002 "},
		{"print now(200000d)", "1:7 SEM0024 now(200000d)"},
	} {
		_, err := kql.Compile(tt.query, kql.Options{Schema: signIns(true), Now: now})
		var list kql.Errors
		if !errors.As(err, &list) {
			t.Errorf("%s: error %v", tt.query, err)
			continue
		}
		var parts []string
		for _, e := range list {
			s := fmt.Sprintf("%d:%d %s %s", e.Line, e.Column, e.Code, e.Token)
			if e.Suggestion != "" {
				s += " -> " + e.Suggestion
			}
			parts = append(parts, s)
			if tt.query[e.Offset:e.Offset+e.Length] != e.Token || e.Message == "" {
				t.Errorf("%s: %+v", tt.query, e)
			}
		}
		if diff := cmp.Diff(tt.want, strings.Join(parts, "; ")); diff != "" {
			t.Errorf("%s\n%s\n%v", tt.query, diff, err)
		}
	}
}

// A query made by doubling lets, or one that nests functions whose SQL repeats its argument, ends with an error and not
// with all the memory.
func TestAQueryCannotGrowWithoutBound(t *testing.T) {
	doubling := "let t0 = SigninLogs;\n"
	for i := range 30 {
		doubling += fmt.Sprintf("let t%d = union t%d, t%d;\n", i+1, i, i)
	}
	for name, query := range map[string]string{
		"lets":      doubling + "t30",
		"functions": "print " + strings.Repeat("bin(", 100) + "1" + strings.Repeat(", 5)", 100),
		"operators": "SigninLogs" + strings.Repeat("| where Id == 'x'", 1000),
	} {
		start := time.Now()
		if _, err := kql.Compile(query, kql.Options{Schema: signIns(false), Now: now}); err == nil {
			t.Errorf("%s: compiled", name)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func TestTheTimeRangeHoldsForEveryScan(t *testing.T) {
	db := openDB(t, map[string][]row{"signin": smallRows(), "noninteractive": nonInteractiveRows()})
	o := kql.Options{Schema: signIns(true), Now: now, From: now.Add(-25 * time.Minute), To: now.Add(-11 * time.Minute)}
	for query, want := range map[string]string{
		"SigninLogs | project Id": "2",
		"union SigninLogs, AADNonInteractiveUserSignInLogs | sort by Id asc | project Id":                     "2 9",
		"let n = toscalar(AADNonInteractiveUserSignInLogs | count); SigninLogs | project n":                   "1",
		"SigninLogs | where Id in ((AADNonInteractiveUserSignInLogs | project Id)) | count":                   "0",
		"SigninLogs | join kind=leftanti (AADNonInteractiveUserSignInLogs) on UserPrincipalName | project Id": "2",
	} {
		if _, got := run(t, db, o, query); strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", query, got, want)
		}
	}
}

func TestMaxRowsEndsTheResultInItsOrder(t *testing.T) {
	db := openDB(t, map[string][]row{"signin": smallRows()})
	_, got := run(t, db, kql.Options{Schema: signIns(true), Now: now, MaxRows: 2}, "SigninLogs | sort by Id desc | project Id")
	if diff := cmp.Diff([]string{"4", "3"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTwinsAreNotVisibleByName(t *testing.T) {
	for _, name := range []string{"cap_result", "cap_shredded", "tp_code", "status_code"} {
		if _, err := kql.Compile("SigninLogs | project "+name, kql.Options{Schema: signIns(true), Now: now}); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
}

func TestRenderChangesNothingInTheData(t *testing.T) {
	p, err := kql.Compile(`SigninLogs | summarize count() by bin(TimeGenerated, 1h) | render timechart with (title="Sign-ins")`, kql.Options{Schema: signIns(true), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	want := &kql.Render{Visualization: "timechart", Properties: map[string]string{"title": "Sign-ins"}}
	if diff := cmp.Diff(want, p.Render); diff != "" {
		t.Error(diff)
	}
}

func FuzzCompile(f *testing.F) {
	for _, name := range []string{"per-app", "per-user", "code-1003"} {
		f.Add(source(f, name, ""))
	}
	f.Add(`let x = dynamic(["a"]); union SigninLogs, (AADNonInteractiveUserSignInLogs | where Id in (x)) | summarize make_set(Id), arg_max(TimeGenerated, *) by bin(TimeGenerated, 1h)`)
	f.Add(`SigninLogs | join kind=leftouter (SigninLogs | distinct Id) on $left.Id == $right.Id | top 3 by strlen(Id) | project-away S*`)
	o := kql.Options{Schema: signIns(true), Now: now, MaxRows: 10, From: now.Add(-time.Hour)}
	f.Fuzz(func(t *testing.T, src string) {
		p, err := kql.Compile(src, o)
		var list kql.Errors
		switch {
		case err == nil && (p.SQL == "" || len(p.Columns) == 0):
			t.Fatalf("%q: empty program", src)
		case err != nil && !errors.As(err, &list):
			t.Fatalf("%q: %T", src, err)
		}
		for _, e := range list {
			if e.Offset < 0 || e.Offset+e.Length > len(src) || e.Line < 1 || e.Column < 1 {
				t.Fatalf("%q: %+v", src, e)
			}
		}
	})
}

package syntax_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boundgate/internal/kql/syntax"
)

func TestParsePrintsBackToTheSameTree(t *testing.T) {
	for _, src := range []string{
		`SigninLogs | where a == 1 and not(b) or c !in~ ("x", 'y') | take 5`,
		`let x = 5; let T = SigninLogs | where ResultType == x; T | count`,
		`let f = (a:string, n:int=5) { SigninLogs | where b == a; }; f("x")`,
		`T | extend a = d.x["y"][0].['z z'], (p, q) = arg_max(t, *)`,
		`T | join kind=leftouter hint.strategy=shuffle (U | where x > 1) on $left.a == $right.b, c`,
		`union isfuzzy=true withsource=src (A | take 1), B*, C | summarize count(), d = dcount(x) by bin(t, 5m), k`,
		`T | mv-expand with_itemindex=i p = todynamic(x) to typeof(string), q limit 10`,
		`T | mv-apply x on (summarize y = count()) | make-series n=count() on t from a to b step 1h by k`,
		`print x = -1 - -2, y = datetime(2026-01-31T10:00Z), z = dynamic({"a": ['b', 1.5, null]})`,
		`T | top 5 by a desc nulls first, b asc | render timechart with (title="a, b = c", ycolumns=p, q)`,
		"T // comment\n\n// more\n| project ['my col'], Foo*, @\"c:\\d\", h'secret', ```x```",
		`T | where t between (ago(1d) .. now()) and s matches regex @"^\d+$" and x !between (1 .. 2)`,
	} {
		q, errs := syntax.Parse(src)
		if len(errs) > 0 {
			t.Errorf("%s: %v", src, errs)
			continue
		}
		printed := q.String()
		again, errs := syntax.Parse(printed)
		if len(errs) > 0 || again.String() != printed {
			t.Errorf("%s\nprints as\n%s\nwhich reads as\n%s\n%v", src, printed, again, errs)
		}
	}
}

func TestTheThreeQueriesParseAsPrinted(t *testing.T) { // S53, S54
	files, err := filepath.Glob("../../queries/source/*.kql")
	if err != nil || len(files) < 3 {
		t.Fatalf("files %v: %v", files, err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, errs := syntax.Parse(string(src)); len(errs) > 0 {
			t.Errorf("%s: %v", f, errs)
		}
	}
}

func TestParseReportsEveryErrorWithItsPlace(t *testing.T) {
	src := "T | where a == | project b c | take 'x\n"
	_, errs := syntax.Parse(src)
	var got []string
	for _, e := range errs {
		got = append(got, src[e.Span.Start:e.Span.End]+": "+e.Message)
	}
	want := []string{
		"|: expected an expression before '|'",
		"c: 'c' does not belong here: expected '|' or the end of the operator",
		"'x: the string does not end on its line: close it, or write \\n for a line break",
	}
	if len(got) < 3 || strings.Join(got[:3], "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestParseRefusesWhatIsTooLongOrTooDeep(t *testing.T) {
	for name, src := range map[string]string{
		"long":            strings.Repeat("a", syntax.MaxBytes+1),
		"parentheses":     "print " + strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300),
		"minus signs":     "print " + strings.Repeat("-", 300) + "1",
		"a chain of sums": "print 1" + strings.Repeat("+1", 300),
		"dynamic":         "print dynamic(" + strings.Repeat("[", 300) + ")",
		"not UTF-8":       "print 'a\xff'",
		"a path":          "print a" + strings.Repeat(".b", 300),
	} {
		if _, errs := syntax.Parse(src); len(errs) == 0 {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../../queries/source/*.kql")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src))
	}
	f.Add(`let f=(a:string){T|where x==a}; union (T|f("x")), U* | mv-expand a=b.c[0] to typeof(long) | render piechart with (title='x')`)
	f.Add("print dynamic({'a':[1,-2.5e3]}), datetime(2020-01-01), 1.5h, h@'x''y', ```z```")
	f.Fuzz(func(t *testing.T, src string) {
		q, errs := syntax.Parse(src)
		for _, e := range errs {
			if e.Span.Start < 0 || e.Span.End < e.Span.Start || e.Span.End > len(src) {
				t.Fatalf("error outside the text: %+v", e)
			}
		}
		if len(errs) > 0 {
			return
		}
		printed := q.String()
		again, errs := syntax.Parse(printed)
		if len(printed) > syntax.MaxBytes {
			return
		}
		if len(errs) > 0 || again.String() != printed {
			t.Fatalf("%q prints as %q which reads as %q: %v", src, printed, again, errs)
		}
	})
}

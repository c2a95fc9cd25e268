package syntax_test

import (
	"testing"

	"boundgate/internal/kql/syntax"
)

// first parses `print src` and returns what is printed first.
func first(t *testing.T, src string) syntax.Expr {
	t.Helper()
	q, errs := syntax.Parse("print " + src)
	if len(errs) > 0 {
		t.Fatalf("%s: %v", src, errs)
	}
	return q.Statements[0].(*syntax.ExprStatement).X.(*syntax.Leading).Op.(*syntax.List).Items[0]
}

func TestPointsAreReadAsPartOfANumberARangeOrAPath(t *testing.T) {
	for _, c := range []struct {
		src  string
		kind syntax.LiteralKind
	}{
		{"1000.", syntax.Real},
		{"1000.5", syntax.Real},
		{"1.e3", syntax.Real},
		{"1.e-3", syntax.Real},
		{"1000", syntax.Long},
		{"1.5h", syntax.TimeSpan},
	} {
		if lit, ok := first(t, c.src).(*syntax.Literal); !ok || lit.Kind != c.kind || lit.Text != c.src {
			t.Errorf("%s reads as %#v", c.src, first(t, c.src))
		}
	}
	for _, src := range []string{"sum(q) / 1000. by a", "(1000.)", "1000.\n"} {
		if _, errs := syntax.Parse("T | summarize x = " + src); len(errs) > 0 {
			t.Errorf("%s: %v", src, errs)
		}
	}
	if b, ok := first(t, "x between (1..5)").(*syntax.Between); !ok || b.Lo.String() != "1" || b.Hi.String() != "5" {
		t.Errorf("1..5 is not a range from 1 to 5: %v", b)
	}
	if b, ok := first(t, "x between (1. .. 5.)").(*syntax.Between); !ok || b.Lo.String() != "1." || b.Hi.String() != "5." {
		t.Errorf("1. .. 5. is not a range from 1. to 5.: %v", b)
	}
	for _, src := range []string{"a.b", "1.b", "1 .e5", "1. .b", "1 .['5b']", "a.['by']"} {
		m, ok := first(t, src).(*syntax.Member)
		if !ok {
			t.Errorf("%s is not a path: %#v", src, first(t, src))
			continue
		}
		if again := first(t, m.String()); again.String() != m.String() {
			t.Errorf("%s prints as %s, which reads as %s", src, m, again)
		}
	}
}

func TestCallsKeepTheirNameAndArguments(t *testing.T) {
	for _, src := range []string{`by(x)`, `workspace("w").T(1, 2).c`, `a.by(1)`, `1 .f(x)`, `not(a)`} {
		if x := first(t, src); x.String() != src {
			t.Errorf("%s prints as %s", src, x)
		}
	}
	if c, ok := first(t, `d.f(1, 2)`).(*syntax.MemberCall); !ok || c.X.String() != "d" || c.Func.Text != "f" || len(c.Args) != 2 {
		t.Errorf("a call behind a point reads as %#v", first(t, `d.f(1, 2)`))
	}
	if _, errs := syntax.Parse("print 00A0()%A()"); len(errs) == 0 {
		t.Error("a function whose name begins with a digit is accepted")
	}
}

func TestEscapesOfStrings(t *testing.T) {
	for src, want := range map[string]string{
		`'\u00e9\x41\t\0'`:   "éA\t\x00",
		`"\ud83d\ude00"`:     "😀",
		`"\U0001F600\ufffd"`: "😀\ufffd",
	} {
		if lit, ok := first(t, src).(*syntax.Literal); !ok || lit.Text != want {
			t.Errorf("%s = %q, want %q", src, lit.Text, want)
		}
	}
	for _, src := range []string{`'\ud83d'`, `'\ud83dx'`, `'\udc00'`, `'\U00110000'`, `'\UFFFFFFFF'`, `'\é'`, `'\x4'`} {
		if _, errs := syntax.Parse("print " + src); len(errs) != 1 {
			t.Errorf("%s: %v, want one error", src, errs)
		}
	}
}

func TestAQuotedArgumentOfATypedLiteralPrintsBack(t *testing.T) {
	for _, src := range []string{`datetime("2026-01-31")`, `datetime(" ")`, `guid('"x"')`, `timespan(' 1d ')`} {
		x := first(t, src)
		if again := first(t, x.String()); again.String() != x.String() {
			t.Errorf("%s prints as %s, which reads as %s", src, x, again)
		}
	}
}

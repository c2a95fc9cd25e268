package syntax_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"boundgate/internal/kql/syntax"
)

// hostile are texts that any sender may send, by what they repeat. Each is made as long as is asked.
var hostile = map[string]func(bytes int) string{
	"open parentheses, each with an item": repeated("print ", "(a,"),
	"open parentheses":                    repeated("print ", "("),
	"open brackets":                       repeated("print a", "["),
	"open braces":                         repeated("print dynamic(", "{"),
	"open brackets of all kinds":          repeated("T | mv-apply x on ", "([{"),
	"closing brackets":                    repeated("T ", ")]}"),
	"parentheses that lists hide":         repeated("T | extend ", "f((a), (b)=c, (("),
	"commas":                              repeated("print a", ","),
	"bars":                                repeated("T ", "|"),
	"semicolons and words":                repeated("", "let;"),
	"parentheses up to the limit":         repeated("print 1", ", "+strings.Repeat("(", 250)+"1"+strings.Repeat(")", 250)),
	"mv-apply within mv-apply":            repeated("T ", "| mv-apply x on ("),
	"functions within functions":          repeated("", "let f = (a) {"),
	"strings without an end":              repeated("", "print 'x\n"),
	"one string without an end":           repeated("print \"", "x"),
	"verbatim strings without an end":     repeated("print @'", "'' "),
	"fences without an end":               repeated("print ``", "` ~~~ "),
	"unknown escapes":                     repeated("print '", `\q`),
	"literals that are typed, or not":     repeated("print 1", ", datetime(a, long("),
	"a chain of or":                       repeated("print a", " or a"),
	"stars between names":                 repeated("T | project x", "*a"),
	"a name of many dashes":               repeated("T | a", "-a"),
	"a parameter of many points":          repeated("union a", ".a"),
	"a misspelt operator of any length":   repeated("T | wher", "e"),
	"JSON":                                repeated("print dynamic([1", ",[2,{'a':3}]"),
	"comments":                            repeated("T", "//\n"),
}

func repeated(head, part string) func(int) string {
	return func(bytes int) string { return head + strings.Repeat(part, bytes/len(part)) }
}

// Four times the text may take four times as long, and some more for the caches, but not the sixteen times of a parser
// that looks at the rest of the text for each of its parts. Printing what was read is held to the same.
func TestTheTimeToParseGrowsWithTheTextAndNoFaster(t *testing.T) { // P14
	const small, large, most = 50_000, 200_000, 9.0
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			few, many := text(small), text(large)
			var seen []string
			for range 5 { // a busy machine spoils a measurement, not five
				a, b := quickest(few), quickest(many)
				if float64(b) <= most*float64(a) {
					return
				}
				seen = append(seen, fmt.Sprintf("%v and %v", a, b))
			}
			t.Errorf("%d and %d bytes took %s", small, large, strings.Join(seen, ", "))
		})
	}
}

// quickest is the least of the times that several readings took, each long enough to be measured.
func quickest(src string) time.Duration {
	var times []time.Duration
	for range 2 {
		start, n := time.Now(), 0
		for n == 0 || time.Since(start) < 200*time.Microsecond {
			q, _ := syntax.Parse(src)
			_ = q.String()
			n++
		}
		times = append(times, time.Since(start)/time.Duration(n))
	}
	return slices.Min(times)
}

// However wrong a text is, few errors are kept, they are short, and each tells where it is.
func TestErrorsAreFewShortAndPlaced(t *testing.T) { // P14
	for name, text := range hostile {
		src := text(20_000)
		_, errs := syntax.Parse(src)
		if len(errs) > 20 {
			t.Errorf("%s: %d errors", name, len(errs))
		}
		for _, e := range errs {
			if len(e.Message) > 300 {
				t.Errorf("%s: a message of %d bytes", name, len(e.Message))
			}
			if !strings.HasPrefix(e.Code, "SYN") || e.Position != syntax.Locate(src, e.Span.Start) || e.Position.Line < 1 || e.Position.Column < 1 {
				t.Errorf("%s: %+v", name, e)
			}
		}
	}
}

func TestBracketsAreCheckedWhereTheOperatorIsOnlyKnownByName(t *testing.T) {
	for _, c := range []struct{ src, at, message string }{
		{"T | reduce by (where 1", "(", "the '(' is not closed: ')' is missing"},
		{"T | parse-kv x as (a: string, b: long | take 1", "(", "the '(' is not closed: ')' is missing"},
		{"T | reduce by (where a[1)", ")", "']' is missing before ')': the '[' at line 1, column 23 is not closed"},
		{"T | make-series n = count() on t step 1h}", "}", "'}' does not belong here: expected '|' or ';'"},
		{"set a = (1", "(", "the '(' is not closed: ')' is missing"},
		{"let f = view (a: (b:long) { T }", "{", "')' is missing before '{': the '(' at line 1, column 14 is not closed"},
		{"T | reduce by (where a[1] == {2})", "", ""},
	} {
		_, errs := syntax.Parse(c.src)
		if c.message == "" {
			if len(errs) > 0 {
				t.Errorf("%s: %v", c.src, errs)
			}
			continue
		}
		if len(errs) == 0 || errs[0].Message != c.message || c.src[errs[0].Span.Start:errs[0].Span.End] != c.at {
			t.Errorf("%s: %v", c.src, errs)
		}
	}
}

func TestNestingIsCountedAlikeInEveryBracket(t *testing.T) { // P14
	for name, c := range map[string]struct{ head, open, middle, closing string }{
		"parentheses":              {"print ", "(", "1", ")"},
		"calls":                    {"print ", "f(", "1", ")"},
		"mv-apply within mv-apply": {"T | ", "mv-apply x on (", "count", ")"},
		"brackets of an operator":  {"T | parse-kv x as ", "[", "1", "]"},
		"functions":                {"", "let f = () {", "T", "};"},
		"JSON":                     {"print dynamic(", "[", "1", "])"[:1]},
	} {
		nested := func(n int) string {
			return c.head + strings.Repeat(c.open, n) + c.middle + strings.Repeat(c.closing, n)
		}
		src := nested(100)
		if name == "JSON" {
			src += ")"
		}
		if _, errs := syntax.Parse(src); len(errs) > 0 {
			t.Errorf("100 %s: %v", name, errs)
		}
		for _, n := range []int{syntax.MaxDepth + 1, 6000} {
			_, errs := syntax.Parse(nested(n))
			if len(errs) == 0 || errs[0].Code != syntax.CodeLimit {
				t.Errorf("%d %s: %v", n, name, errs)
			}
		}
	}
	if _, errs := syntax.Parse("print " + strings.Repeat("(", 250) + "1" + strings.Repeat(")", 250)); len(errs) > 0 {
		t.Errorf("250 parentheses, fewer than the limit that the message names: %v", errs)
	}
}

func TestTextThatIsNotUTF8IsRefusedWhereItBegins(t *testing.T) {
	for name, c := range map[string]struct {
		src          string
		offset       int
		line, column int
	}{
		"in a string":        {"T\n| where é == 'a\xffb'", 18, 2, 16},
		"in a comment":       {"T // \xc3(", 5, 1, 6},
		"in a fenced string": {"print ```\x80```", 9, 1, 10},
		"a half surrogate":   {"print '\xed\xa0\x80'", 7, 1, 8},
		"at the end":         {"T\xe2\x82", 1, 1, 2},
		"in a bracket":       {"T | project ['\xfe']", 14, 1, 15},
	} {
		_, errs := syntax.Parse(c.src)
		want := syntax.Position{Line: c.line, Column: c.column, Offset: c.offset}
		if len(errs) != 1 || errs[0].Code != syntax.CodeSyntax || errs[0].Position != want {
			t.Errorf("%s: %+v, want one at %+v", name, errs, want)
		}
	}
	if _, errs := syntax.Parse("print 'é \ufffd 😀', ['ü'] // ñ"); len(errs) > 0 {
		t.Errorf("UTF-8 is refused: %v", errs)
	}
}

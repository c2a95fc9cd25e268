package sema

import (
	"fmt"
	"slices"
	"strings"

	"boundgate/internal/kql/syntax"
)

// suggest returns the candidate that the unknown name was perhaps meant to be, or "".
func suggest(name string, candidates []string) string {
	best, bestDistance := "", max(1, len(name)/3)
	for _, c := range candidates {
		if strings.EqualFold(c, name) {
			return c
		}
		if abs(len(c)-len(name)) > bestDistance {
			continue
		}
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d <= bestDistance && (d < bestDistance || best == "") {
			best, bestDistance = c, d
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// unknown makes the error for a name that does not resolve.
func unknown(at syntax.Span, what, name string, candidates []string) syntax.Error {
	e := syntax.Errorf(syntax.CodeName, at, "Failed to resolve %s named '%s'", what, name)
	if s := suggest(name, candidates); s != "" {
		e.Suggestion = s
		e.Message += fmt.Sprintf(": did you mean '%s'?", s)
	}
	return e
}

// A namer gives the output columns of one operator their names.
type namer struct {
	used   []string
	column int
}

// explicit takes a name that the query wrote; false when it is taken.
func (n *namer) explicit(name string) bool {
	if slices.Contains(n.used, name) {
		return false
	}
	n.used = append(n.used, name)
	return true
}

// auto takes an automatic name: itself when free, else with the smallest free number behind it. The empty name stands
// for an expression that has none and becomes Column1, Column2 and so on.
func (n *namer) auto(name string) string {
	if name == "" {
		for {
			n.column++
			if c := fmt.Sprintf("Column%d", n.column); n.explicit(c) {
				return c
			}
		}
	}
	for i, c := 1, name; ; i++ {
		if n.explicit(c) {
			return c
		}
		c = fmt.Sprintf("%s%d", name, i)
	}
}

// autoName is the name KQL gives an unnamed expression, or "" when it has none.
func autoName(x syntax.Expr) string {
	switch x := syntax.Unparen(x).(type) {
	case *syntax.Name:
		return x.Text
	case *syntax.Named:
		return x.Names[0].Text
	case *syntax.Member:
		return join(autoName(x.X), x.Name.Text)
	case *syntax.Index:
		if lit, ok := x.Index.(*syntax.Literal); ok && (lit.Kind == syntax.String || lit.Kind == syntax.Long) {
			return join(autoName(x.X), lit.Text)
		}
		return autoName(x.X)
	case *syntax.Call:
		f, ok := functions[x.Func.Text]
		if !ok || len(x.Args) == 0 {
			return ""
		}
		switch f.naming {
		case keepsName:
			return autoName(x.Args[0])
		case prefixesName:
			return x.Func.Text + "_" + autoName(x.Args[0])
		}
	}
	return ""
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "_" + b
}

// aggregateName is the name KQL gives an unnamed aggregate. More calls of count are numbered with an underscore less:
// the second count() is count_1.
func aggregateName(x *syntax.Call) string {
	f := aggregates[x.Func.Text]
	if f.name == "" {
		return ""
	}
	arg := ""
	if len(x.Args) > 0 && f.namedByArg {
		arg = autoName(x.Args[0])
	}
	if f.name == "-" { // take_any(a) is a
		return arg
	}
	return f.name + "_" + arg
}

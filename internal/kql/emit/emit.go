// Package emit writes a plan as SQL text with parameters.
//
// Everything that differs between databases is a field of Dialect: adding one means filling in its tables, and nothing
// in the passes before. Constants become parameters, and every identifier is quoted.
package emit

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"boundgate/internal/kql/plan"
	"boundgate/internal/kql/schema"
)

// A Dialect is what differs between databases.
type Dialect struct {
	Types      map[schema.Type]string // that a parameter is cast to
	Operations map[string]string      // SQL for plan.Op; {1} is an argument, {*} all of them with commas
	Aggregates map[string]string      // SQL for plan.Agg; {order} is an ORDER BY clause or nothing
	Rendered   map[string]func(args []string) string
	FirstRow   string // QUALIFY or its like, with {keys}
}

// Emit writes the plan for the dialect. The arguments belong to $1, $2 and so on.
func Emit(n plan.Node, d *Dialect, names []string) (sql string, args []any, err error) {
	e := &emitter{d: d, names: map[*plan.Column]string{}, used: map[string]bool{}}
	items, source, tail := passes(n.Columns()), n, func() string { return "" }
	if p, ok := n.(*plan.Project); ok { // the outermost ORDER BY is the only one that counts
		if k, ok := p.Input.(*plan.Sort); ok && len(k.Keys) > 0 {
			items, source = p.Items, k.Input
			tail = func() string { return "\n" + e.orderBy(k.Keys) + e.limit(k.N, "\n") }
		}
	}
	from := e.node(source, 1)
	parts := make([]string, len(items))
	for i, it := range items {
		parts[i] = e.expr(it.X) + " AS " + Quote(names[i])
	}
	sql = "SELECT " + strings.Join(parts, ", ") + "\nFROM " + from + tail()
	return sql, e.args, e.err
}

func passes(cols []*plan.Column) []plan.Item {
	items := make([]plan.Item, len(cols))
	for i, c := range cols {
		items[i] = plan.Item{Col: c, X: &plan.Ref{Col: c}}
	}
	return items
}

type emitter struct {
	d     *Dialect
	args  []any
	names map[*plan.Column]string
	used  map[string]bool
	err   error
}

// Quote quotes an identifier.
func Quote(name string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(name, "\x00", ""), `"`, `""`) + `"`
}

// col names a column. Names are unique in the whole text without regard to case, since databases fold it, so that no
// reference can be taken for another.
func (e *emitter) col(c *plan.Column) string {
	if n, ok := e.names[c]; ok {
		return n
	}
	base := strings.Map(func(r rune) rune {
		if r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return -1
	}, c.Name)
	base = base[:min(len(base), 48)]
	name := base
	for i := 2; name == "" || e.used[strings.ToLower(name)]; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	e.used[strings.ToLower(name)] = true
	e.names[c] = Quote(name)
	return e.names[c]
}

func (e *emitter) fail(format string, args ...any) string {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
	return "NULL"
}

// param adds an argument. A null, which has no type of its own, is written with one.
func (e *emitter) param(value any, t schema.Type) string {
	sqlType, ok := e.d.Types[t]
	if !ok {
		return e.fail("a constant has no type")
	}
	if value == nil {
		return "CAST(NULL AS " + sqlType + ")"
	}
	i := slices.Index(e.args, value) // equal constants share a parameter
	if i < 0 {
		e.args = append(e.args, value)
		i = len(e.args) - 1
	}
	return "CAST($" + strconv.Itoa(i+1) + " AS " + sqlType + ")"
}

func (e *emitter) expr(x plan.Expr) string {
	switch x := x.(type) {
	case *plan.Ref:
		return e.col(x.Col)
	case *plan.Const:
		return e.param(x.Value, x.Type)
	case *plan.Op:
		return e.op(x)
	case *plan.InQuery:
		return e.expr(x.X) + " IN (SELECT " + e.col(x.Query.Columns()[0]) + " FROM " + e.node(x.Query, 1) + ")"
	case *plan.Scalar:
		return "(SELECT " + e.col(x.Query.Columns()[0]) + " FROM " + e.node(x.Query, 1) + ")"
	}
	return e.fail("no SQL for %T", x)
}

func (e *emitter) exprs(list []plan.Expr) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = e.expr(x)
	}
	return out
}

func (e *emitter) op(x *plan.Op) string {
	if x.Name == "and" || x.Name == "or" {
		return "(" + strings.Join(e.exprs(flatten(x.Name, x.Args)), " "+strings.ToUpper(x.Name)+" ") + ")"
	}
	args := e.exprs(x.Args)
	if f, ok := e.d.Rendered[x.Name]; ok {
		return e.bounded(f(args))
	}
	t, ok := e.d.Operations[x.Name]
	if !ok {
		return e.fail("the operation %q has no SQL", x.Name)
	}
	return e.bounded(fill(t, args))
}

// maxExpression bounds the SQL of one expression. Some operations need an argument several times, and nesting them
// multiplies.
const maxExpression = 256 << 10

// ErrTooLarge is the error for a query whose SQL would grow beyond reason.
var ErrTooLarge = errors.New("the query nests functions too deeply: give parts of it names with extend")

func (e *emitter) bounded(s string) string {
	if len(s) <= maxExpression {
		return s
	}
	e.err = cmp.Or(e.err, ErrTooLarge)
	return "NULL"
}

// flatten lays a chain of one operator side by side: databases nest chains less deeply than queries are long.
func flatten(name string, args []plan.Expr) []plan.Expr {
	var list []plan.Expr
	for _, a := range args {
		if o, ok := a.(*plan.Op); ok && o.Name == name {
			list = append(list, flatten(name, o.Args)...)
			continue
		}
		list = append(list, a)
	}
	return list
}

// fill puts arguments into a template.
func fill(template string, args []string) string {
	var pairs []string
	for i, a := range args {
		pairs = append(pairs, "{"+strconv.Itoa(i+1)+"}", a)
	}
	pairs = append(pairs, "{*}", strings.Join(args, ", "))
	if len(args) > 0 {
		pairs = append(pairs, "{2*}", strings.Join(args[1:], ", "))
	}
	return strings.NewReplacer(pairs...).Replace(template)
}

// Package lower turns a resolved query into a plan. This is where KQL's meaning is written down: what null compares to,
// what a dynamic is next to a string, which rows survive, in which order they come out.
package lower

import (
	"slices"
	"time"

	"boundgate/internal/kql/plan"
	"boundgate/internal/kql/schema"
	"boundgate/internal/kql/sema"
)

// Options bound what a plan reads and returns.
type Options struct {
	From, To time.Time // each scan keeps From <= time < To; a zero time is open
	MaxRows  int64     // of the result; 0 is none
}

// Lower makes the plan of a query.
func Lower(q *sema.Query, o Options) plan.Node {
	l := &lowerer{options: o, cols: map[*sema.Column]*plan.Column{}}
	p := l.rel(q.Rel)
	n := p.node
	out := l.project(n, q.Rel.Columns(), p.order)
	limit := int64(-1)
	if o.MaxRows > 0 {
		limit = o.MaxRows
	}
	if len(p.order) > 0 || limit >= 0 {
		out = &plan.Sort{Input: out, Keys: p.order, N: limit}
	}
	if len(p.order) > 0 { // the keys are not part of the result
		out = l.project(out, q.Rel.Columns(), nil)
	}
	prune(out, out.Columns())
	return useTwins(out)
}

type lowerer struct {
	options Options
	cols    map[*sema.Column]*plan.Column
}

// A pipe is a plan and the order its rows are in. The order is not a node until something needs it: databases promise
// no order but that of the last ORDER BY, while in KQL a sort survives where, extend and project.
type pipe struct {
	node  plan.Node
	order []plan.SortKey // over columns that node yields
}

func (l *lowerer) col(c *sema.Column) *plan.Column {
	p, ok := l.cols[c]
	if !ok {
		p = &plan.Column{Name: c.Name, Type: c.Type, Source: c.Source}
		l.cols[c] = p
	}
	return p
}

// project passes on the columns and those the order needs.
func (l *lowerer) project(in plan.Node, cols []*sema.Column, order []plan.SortKey) plan.Node {
	p := &plan.Project{Input: in}
	for _, c := range cols {
		p.Items = append(p.Items, plan.Item{Col: l.col(c), X: &plan.Ref{Col: l.col(c)}})
	}
	p.Items = carry(p.Items, order)
	return p
}

// carry adds the order's columns to items that lack them.
func carry(items []plan.Item, order []plan.SortKey) []plan.Item {
	for _, k := range order {
		c := k.X.(*plan.Ref).Col
		there := false
		for _, it := range items {
			there = there || it.Col == c
		}
		if !there {
			items = append(items, plan.Item{Col: c, X: &plan.Ref{Col: c}})
		}
	}
	return items
}

func (l *lowerer) rel(r sema.Rel) pipe {
	switch r := r.(type) {
	case *sema.Scan:
		return pipe{node: l.scan(r)}
	case *sema.Single:
		return pipe{node: &plan.Single{}}
	case *sema.Values:
		return pipe{node: l.values(r)}
	case *sema.Series:
		return pipe{node: l.series(r)}
	case *sema.Filter:
		in := l.rel(r.Input)
		return pipe{&plan.Filter{Input: in.node, Cond: l.cond(r.Cond)}, in.order}
	case *sema.Project:
		in := l.rel(r.Input)
		p := &plan.Project{Input: in.node}
		for _, it := range r.Items {
			p.Items = append(p.Items, plan.Item{Col: l.col(it.Col), X: l.expr(it.X)})
		}
		p.Items = carry(p.Items, in.order)
		return pipe{p, in.order}
	case *sema.Aggregate:
		return pipe{node: l.aggregate(r)}
	case *sema.Sort:
		return l.sort(r)
	case *sema.Take:
		in := l.rel(r.Input)
		return pipe{&plan.Sort{Input: in.node, Keys: in.order, N: r.N}, in.order}
	case *sema.Expand:
		return l.expand(r)
	case *sema.Union:
		u := &plan.Union{}
		for _, in := range r.Inputs {
			u.Inputs = append(u.Inputs, l.project(l.rel(in).node, in.Columns(), nil))
		}
		for _, c := range r.Cols {
			u.Cols = append(u.Cols, l.col(c))
		}
		return pipe{node: u}
	case *sema.Join:
		return pipe{node: l.join(r)}
	}
	return pipe{node: &plan.Single{}} // sema makes no other
}

func (l *lowerer) values(r *sema.Values) plan.Node {
	v := &plan.Values{}
	for _, c := range r.Cols {
		v.Cols = append(v.Cols, l.col(c))
	}
	for _, row := range r.Rows {
		list := make([]plan.Expr, len(row))
		for i, x := range row {
			list[i] = l.expr(x)
		}
		v.Rows = append(v.Rows, list)
	}
	return v
}

// series lowers range: the list of its values, taken apart.
func (l *lowerer) series(r *sema.Series) plan.Node {
	list := op("series_"+string(r.Col.Type), l.expr(r.From), l.expr(r.To), l.expr(r.Step))
	return &plan.Unnest{Input: &plan.Single{}, Items: []plan.Item{{Col: l.col(r.Col), X: list}}}
}

// scan reads a table within the caller's time range, which holds for every table wherever it stands in the query.
func (l *lowerer) scan(r *sema.Scan) plan.Node {
	if r.Table.Physical == "" { // known, and without rows
		v := &plan.Values{}
		for _, c := range r.Cols {
			v.Cols = append(v.Cols, l.col(c))
		}
		return v
	}
	s := &plan.Scan{Table: r.Table}
	var cond []plan.Expr
	for _, c := range r.Cols {
		p := l.col(c)
		s.Cols = append(s.Cols, plan.ScanColumn{Col: p, Physical: c.Source.Name})
		if c.Name != r.Table.TimeColumn {
			continue
		}
		if !l.options.From.IsZero() {
			cond = append(cond, op(">=", &plan.Ref{Col: p}, moment(l.options.From)))
		}
		if !l.options.To.IsZero() {
			cond = append(cond, op("<", &plan.Ref{Col: p}, moment(l.options.To)))
		}
	}
	if len(cond) == 0 {
		return s
	}
	return &plan.Filter{Input: s, Cond: op("and", cond...)}
}

func moment(t time.Time) plan.Expr {
	return &plan.Const{Value: t.UTC().Truncate(time.Microsecond), Type: schema.DateTime}
}

// sort puts the rows in order. A later sort replaces an earlier one, with the earlier order among equals.
func (l *lowerer) sort(r *sema.Sort) pipe {
	in := l.rel(r.Input)
	p := &plan.Project{Input: in.node}
	for _, c := range r.Input.Columns() {
		p.Items = append(p.Items, plan.Item{Col: l.col(c), X: &plan.Ref{Col: l.col(c)}})
	}
	var order []plan.SortKey
	computed := false
	for _, k := range r.Keys {
		x := l.expr(k.X)
		ref, bare := x.(*plan.Ref)
		if !bare {
			computed = true
			ref = &plan.Ref{Col: &plan.Column{Name: "sort_key", Type: k.X.Type()}}
			p.Items = append(p.Items, plan.Item{Col: ref.Col, X: x})
		}
		order = append(order, plan.SortKey{X: ref, Desc: k.Desc, NullsFirst: k.NullsFirst})
	}
	if !computed {
		return pipe{in.node, order}
	}
	return pipe{p, order}
}

// join lowers `left | join kind=K (right) on keys`.
//
// KQL's default kind, innerunique, first keeps one arbitrary left row per key. SELECT DISTINCT is not that: it compares
// whole rows, and two sign-ins by one user from two addresses are two rows with one key.
func (l *lowerer) join(r *sema.Join) plan.Node {
	left, right := l.rel(r.Left).node, l.rel(r.Right).node
	j := &plan.Join{Left: left, Right: right}
	for i := range r.LeftKeys {
		j.LeftKeys = append(j.LeftKeys, l.expr(r.LeftKeys[i]))
		j.RightKeys = append(j.RightKeys, l.expr(r.RightKeys[i]))
	}
	if r.Kind == "innerunique" {
		j.Left = &plan.FirstPerKey{Input: left, Keys: slices.Clone(j.LeftKeys)}
	}
	j.Kind = map[string]string{
		"inner": "inner", "innerunique": "inner", "leftouter": "left", "rightouter": "right", "fullouter": "full",
		"leftsemi": "semi", "leftanti": "anti",
	}[r.Kind]
	p := &plan.Project{Input: j}
	for _, it := range r.Items {
		p.Items = append(p.Items, plan.Item{Col: l.col(it.Col), X: l.expr(it.X)})
	}
	return p
}

// expand lowers mv-expand: one row for each element of an array and each member of a bag, one row with null for null,
// none for an empty array or bag, one row for any other value.
func (l *lowerer) expand(r *sema.Expand) pipe {
	in := l.rel(r.Input)
	u := &plan.Unnest{Input: in.node, Limit: r.Limit}
	if r.Index != nil {
		u.Index = l.col(r.Index)
	}
	elements := "json_elements"
	if r.BagPair {
		elements = "json_pairs"
	}
	converted := map[*sema.Column]plan.Expr{}
	for _, it := range r.Items {
		c := l.col(it.Col)
		if it.To != "" && it.To != schema.Dynamic {
			raw := &sema.Column{Name: it.Col.Name, Type: schema.Dynamic}
			c = l.col(raw)
			converted[it.Col] = l.expr(convertElement(raw, it.To))
		}
		u.Items = append(u.Items, plan.Item{Col: c, X: op(elements, unparsed(l.expr(it.X)))})
	}
	p := &plan.Project{Input: u}
	for _, c := range r.Cols {
		x := converted[c]
		if x == nil {
			x = &plan.Ref{Col: l.col(c)}
		}
		p.Items = append(p.Items, plan.Item{Col: l.col(c), X: x})
	}
	p.Items = carry(p.Items, in.order)
	return pipe{p, in.order}
}

func convertElement(c *sema.Column, t schema.Type) sema.Expr {
	fn := map[schema.Type]string{
		schema.String: "tostring", schema.Long: "tolong", schema.Int: "toint", schema.Real: "toreal", schema.Bool: "tobool",
		schema.DateTime: "todatetime", schema.TimeSpan: "totimespan", schema.GUID: "toguid",
	}[t]
	return &sema.Call{Fn: fn, Args: []sema.Expr{&sema.Ref{Col: c}}, T: t}
}

// aggregate lowers summarize, distinct and count. The aggregates that keep the order of their rows get the order the
// input is in.
func (l *lowerer) aggregate(r *sema.Aggregate) plan.Node {
	in := l.rel(r.Input)
	a := &plan.Aggregate{Input: in.node}
	for _, k := range r.Keys {
		a.Keys = append(a.Keys, plan.Item{Col: l.col(k.Col), X: l.expr(k.X)})
	}
	for _, g := range r.Aggs {
		a.Aggs = append(a.Aggs, l.agg(g, in.order))
	}
	return a
}

func (l *lowerer) agg(g sema.Agg, order []plan.SortKey) plan.Agg {
	out := plan.Agg{Col: l.col(g.Col), Name: g.Fn, Pick: g.Pick}
	for _, x := range g.Args {
		out.Args = append(out.Args, l.expr(x))
	}
	switch g.Fn {
	case "make_list", "make_list_if", "make_set", "make_set_if":
		// The elements travel as JSON text; null is no element.
		kind := "json_of"
		if g.Args[0].Type() == schema.Dynamic {
			kind = "json_nonnull"
			if g.Fn == "make_set" || g.Fn == "make_set_if" { // a set takes in the elements of an array, a list the array
				out.Name += "_dynamic"
			}
		}
		out.Args[0] = l.jsonOf(g.Args[0], kind)
		out.Order = order
	case "dcount", "dcountif":
		if g.Args[0].Type() == schema.Dynamic {
			out.Args[0] = op("json_text", out.Args[0])
		}
	case "take_any", "min", "max", "sum", "sumif", "avg":
		out.Name += suffix(g.Args[min(g.Pick, len(g.Args)-1)].Type())
		if g.Fn == "take_any" && len(g.Args) > 1 {
			out.Name = "take_row"
		}
	}
	if out.Name == "dcountif" || out.Name == "countif" || out.Name == "sumif" {
		last := len(g.Args) - 1
		out.Args[min(1, last)] = l.cond(g.Args[min(1, last)])
	}
	return out
}

// suffix tells apart the aggregates whose value for no rows depends on the type.
func suffix(t schema.Type) string {
	switch t {
	case schema.String, schema.GUID:
		return "_text"
	case schema.Real:
		return "_real"
	case schema.Int, schema.Long, schema.TimeSpan:
		return "_long"
	}
	return "_any"
}

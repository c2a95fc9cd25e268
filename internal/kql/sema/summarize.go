package sema

import (
	"slices"

	"boundgate/internal/kql/schema"
	"boundgate/internal/kql/syntax"
)

// summarize binds summarize: keys first, then aggregates, in order. Arithmetic over aggregates becomes a projection
// over the plain ones.
func (b *binder) summarize(sc *scope, in Rel, op *syntax.Summarize) Rel {
	keys := b.items(sc, op.By)
	for i, k := range keys {
		b.refuseDynamic(op.By[min(i, len(op.By)-1)].At(), k.X, "summarize")
	}
	keys = freshKeys(keys)
	out := &Aggregate{Input: in, Keys: keys}
	n := &namer{used: columnNames(itemColumns(keys))}
	items := pass(itemColumns(keys))
	inner := &scope{env: sc.env, cols: sc.cols, aggs: &out.Aggs}
	for _, x := range op.Aggs {
		items = append(items, b.aggregateItems(inner, n, x)...)
	}
	for _, it := range items[len(keys):] {
		b.checkAggregated(op.Span, out, it.X)
	}
	if len(op.Aggs)+len(op.By) == 0 {
		b.errorf(syntax.CodeSyntax, op.Span, "summarize needs an aggregate or a key")
	}
	return &Project{Input: out, Items: items}
}

// checkAggregated reports a column used outside of an aggregate: which row's value would it be?
func (b *binder) checkAggregated(at syntax.Span, out *Aggregate, x Expr) {
	switch x := x.(type) {
	case *Ref:
		if !slices.Contains(out.Columns(), x.Col) {
			b.errorf(syntax.CodeType, at, "the column '%s' stands outside of an aggregate: put it behind by, or in take_any(...)", x.Col.Name)
		}
	case *Call:
		for _, a := range x.Args {
			b.checkAggregated(at, out, a)
		}
	}
}

func (b *binder) aggregateItems(sc *scope, n *namer, x syntax.Expr) []Item {
	var names []*syntax.Name
	value := x
	if named, ok := x.(*syntax.Named); ok {
		names, value = named.Names, named.X
	}
	if c, ok := syntax.Unparen(value).(*syntax.Call); ok {
		if f, isAgg := aggregates[c.Func.Text]; isAgg && (f.fn == "arg_max" || f.fn == "arg_min" || f.fn == "take_any" && takesMany(c)) {
			return b.pickItems(sc, n, c, names)
		}
	}
	bound := b.expr(sc, value)
	if isFailed(bound) {
		return nil
	}
	if len(names) > 1 {
		b.errorf(syntax.CodeName, names[1].Span, "there are more names than columns")
	}
	if len(names) > 0 {
		if !n.explicit(names[0].Text) {
			b.errorf(syntax.CodeName, names[0].Span, "the column '%s' is named twice", names[0].Text)
		}
		return []Item{{Col: &Column{Name: names[0].Text, Type: bound.Type()}, X: bound}}
	}
	return []Item{{Col: &Column{Name: n.auto(aggregateItemName(value)), Type: bound.Type()}, X: bound}}
}

func aggregateItemName(x syntax.Expr) string {
	c, ok := syntax.Unparen(x).(*syntax.Call)
	if !ok {
		return autoName(x)
	}
	if _, isAgg := aggregates[c.Func.Text]; isAgg {
		return aggregateName(c)
	}
	if f, ok := functions[c.Func.Text]; ok && f.naming == keepsName && len(c.Args) > 0 { // round(avg(b), 2) is avg_b
		return aggregateItemName(c.Args[0])
	}
	return ""
}

func takesMany(c *syntax.Call) bool {
	return len(c.Args) > 1 || len(c.Args) == 1 && isStar(c.Args[0])
}

// pickItems binds the aggregates that give several columns of one row: arg_max(t, a, b), arg_min(t, *), take_any(*).
func (b *binder) pickItems(sc *scope, n *namer, c *syntax.Call, names []*syntax.Name) []Item {
	f := aggregates[c.Func.Text]
	plain := &scope{env: sc.env, cols: sc.cols}
	var args []Expr
	var colNames []string
	for i, a := range c.Args {
		if isStar(a) {
			for _, col := range sc.cols {
				if !slices.Contains(colNames, col.Name) && !slices.Contains(n.used, col.Name) {
					args, colNames = append(args, &Ref{col}), append(colNames, col.Name)
				}
			}
			continue
		}
		v := b.expr(plain, a)
		if i == 0 && f.fn != "take_any" {
			b.refuseDynamic(a.At(), v, c.Func.Text)
		}
		args, colNames = append(args, v), append(colNames, autoName(a))
	}
	if isFailed(args...) || len(args) == 0 {
		if len(args) == 0 {
			b.errorf(syntax.CodeType, c.Span, "%s() needs a column", c.Func.Text)
		}
		return nil
	}
	var items []Item
	for i, v := range args {
		col := &Column{Type: v.Type()}
		*sc.aggs = append(*sc.aggs, Agg{Col: col, Fn: f.fn, Args: args, Pick: i})
		if i < len(names) {
			col.Name = names[i].Text
			n.explicit(col.Name)
		} else {
			col.Name = n.auto(colNames[i])
		}
		items = append(items, Item{Col: col, X: &Ref{col}})
	}
	return items
}

// aggregateCall binds an aggregate within an expression and returns the column its value will be in.
func (b *binder) aggregateCall(sc *scope, x *syntax.Call) Expr {
	f := aggregates[x.Func.Text]
	if sc.aggs == nil {
		b.errorf(syntax.CodeType, x.Func.Span, "the aggregate %s() can only stand in summarize", x.Func.Text)
		return &failed{}
	}
	plain := &scope{env: sc.env, cols: sc.cols}
	if len(x.Args) < f.min || len(x.Args) > len(f.args) {
		b.errorf(syntax.CodeType, x.Span, "%s() takes %s, not %d", x.Func.Text, howMany(f.min, len(f.args)), len(x.Args))
		return &failed{}
	}
	args := make([]Expr, len(x.Args))
	for i, a := range x.Args {
		args[i] = b.aggregateArgument(plain, f, x.Func.Text, i, a)
	}
	if isFailed(args...) {
		return &failed{}
	}
	if (f.fn == "min" || f.fn == "max") && args[0].Type() == schema.Dynamic {
		args[0] = numeric(args[0])
	}
	t := f.result
	if t == "" {
		t = args[0].Type()
	}
	if (f.fn == "avg") && isNumber(t) {
		t = schema.Real
	}
	col := &Column{Name: x.Func.Text, Type: t}
	*sc.aggs = append(*sc.aggs, Agg{Col: col, Fn: f.fn, Args: args})
	return &Ref{col}
}

func (b *binder) aggregateArgument(sc *scope, f aggregate, name string, i int, a syntax.Expr) Expr {
	v := b.expr(sc, a)
	switch {
	case isFailed(v):
		return v
	case f.fn == "count": // count(x) of old queries: the rows where x is neither null nor false
		if v.Type() == schema.Bool {
			return v
		}
		return call("isnotnull", schema.Bool, v)
	case f.args[i] == integer:
		c, ok := v.(*Const)
		if _, isLong := valueOf(c, ok).(int64); !isLong {
			b.errorf(syntax.CodeType, a.At(), "%s() needs a constant number here", name)
			return &failed{}
		}
		return v
	case f.fn == "percentile" && i == 1:
		if _, ok := v.(*Const); !ok {
			b.errorf(syntax.CodeType, a.At(), "%s() needs a constant percentage", name)
			return &failed{}
		}
	}
	return b.argument(name, f.args[i], a.At(), v)
}

func valueOf(c *Const, ok bool) any {
	if !ok {
		return nil
	}
	return c.Value
}

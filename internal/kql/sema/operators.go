package sema

import (
	"path"
	"slices"
	"strings"

	"boundgate/internal/kql/schema"
	"boundgate/internal/kql/syntax"
)

// list binds project and its kin, extend, distinct and print.
func (b *binder) list(sc *scope, in Rel, op *syntax.List, leading bool) Rel {
	switch op.Word {
	case "project":
		return b.project(sc, in, op)
	case "extend":
		return b.extend(sc, in, op)
	case "distinct":
		return b.distinct(sc, in, op)
	case "project-away", "project-keep":
		return b.projectAway(sc, in, op)
	case "project-rename":
		return b.projectRename(sc, in, op)
	case "project-reorder":
		return b.projectReorder(sc, in, op)
	case "print":
		if leading {
			return b.print(sc, in, op)
		}
	}
	b.errorf(syntax.CodeSyntax, op.Span, "'%s' cannot stand behind a bar", op.Word)
	return broken{}
}

func pass(cols []*Column) []Item {
	items := make([]Item, len(cols))
	for i, c := range cols {
		items[i] = Item{Col: c, X: &Ref{c}}
	}
	return items
}

// item makes the output column for an expression. A column under its own name stays the same column.
func item(name string, x Expr) Item {
	if r, ok := x.(*Ref); ok && r.Col.Name == name {
		return Item{Col: r.Col, X: x}
	}
	return Item{Col: &Column{Name: name, Type: x.Type()}, X: x}
}

// named splits `a = x` into its name, nil when there is none, and x.
func (b *binder) named(x syntax.Expr) (*syntax.Name, syntax.Expr) {
	n, ok := x.(*syntax.Named)
	if !ok {
		return nil, x
	}
	if len(n.Names) > 1 {
		b.unsupported(n.Span, "a list of names before '='")
	}
	return n.Names[0], n.X
}

func (b *binder) items(sc *scope, list []syntax.Expr) []Item {
	var items []Item
	n := &namer{}
	for _, x := range list {
		name, value := b.named(x)
		if w, ok := value.(*syntax.Wildcard); ok {
			if w.Pattern != "*" {
				b.unsupported(w.Span, "a pattern of names")
				continue
			}
			for _, c := range sc.cols {
				if n.explicit(c.Name) {
					items = append(items, Item{Col: c, X: &Ref{c}})
				}
			}
			continue
		}
		bound := b.expr(sc, value)
		if name != nil {
			if !n.explicit(name.Text) {
				b.errorf(syntax.CodeName, name.Span, "the column '%s' is named twice", name.Text)
			}
			items = append(items, item(name.Text, bound))
			continue
		}
		items = append(items, item(n.auto(autoName(value)), bound))
	}
	return items
}

func (b *binder) project(sc *scope, in Rel, op *syntax.List) Rel {
	return &Project{Input: in, Items: b.items(sc, op.Items)}
}

// extend replaces a column in place when the name exists, and appends it otherwise. Every expression sees the input.
func (b *binder) extend(sc *scope, in Rel, op *syntax.List) Rel {
	items := pass(sc.cols)
	n := &namer{used: columnNames(sc.cols)}
	seen := map[string]bool{}
	for _, x := range op.Items {
		name, value := b.named(x)
		bound := b.expr(sc, value)
		if name == nil {
			if _, bare := bound.(*Ref); bare {
				continue // extend a, where a is there already, changes nothing
			}
			items = append(items, item(n.auto(autoName(value)), bound))
			continue
		}
		if seen[name.Text] {
			b.errorf(syntax.CodeName, name.Span, "the column '%s' is named twice", name.Text)
		}
		seen[name.Text] = true
		it := Item{Col: &Column{Name: name.Text, Type: bound.Type()}, X: bound}
		if i := slices.IndexFunc(items, func(it Item) bool { return it.Col.Name == name.Text }); i >= 0 {
			items[i] = it
			continue
		}
		n.explicit(name.Text)
		items = append(items, it)
	}
	return &Project{Input: in, Items: items}
}

// print binds `print x, y = 1` over a single row; unnamed columns are print_0, print_1 and so on.
func (b *binder) print(sc *scope, in Rel, op *syntax.List) Rel {
	var items []Item
	for i, x := range op.Items {
		name, value := b.named(x)
		bound := b.expr(sc, value)
		text := "print_" + itoa(i)
		if name != nil {
			text = name.Text
		}
		items = append(items, Item{Col: &Column{Name: text, Type: bound.Type()}, X: bound})
	}
	return &Project{Input: in, Items: items}
}

func (b *binder) distinct(sc *scope, in Rel, op *syntax.List) Rel {
	keys := b.items(sc, op.Items)
	for i, k := range keys {
		if len(op.Items) == 1 && isStar(op.Items[0]) && k.Col.Type == schema.Dynamic {
			keys[i].X = call("json_of", schema.Dynamic, k.X) // distinct * compares dynamics by their text
			continue
		}
		b.refuseDynamic(op.Items[min(i, len(op.Items)-1)].At(), k.X, "distinct")
	}
	return &Aggregate{Input: in, Keys: freshKeys(keys)}
}

func isStar(x syntax.Expr) bool {
	w, ok := x.(*syntax.Wildcard)
	return ok && w.Pattern == "*"
}

// freshKeys gives grouped columns their own identity: above a group there is no way back to the row's other columns.
func freshKeys(keys []Item) []Item {
	for i, k := range keys {
		keys[i].Col = &Column{Name: k.Col.Name, Type: k.Col.Type}
	}
	return keys
}

// refuseDynamic reports an operation that needs a scalar: KQL itself demands a conversion here.
func (b *binder) refuseDynamic(at syntax.Span, x Expr, what string) {
	if x.Type() == schema.Dynamic {
		b.errorf(syntax.CodeType, at, "%s cannot be by a dynamic value: convert it, as in tostring(...)", what)
	}
}

// matching returns the columns a name or pattern stands for, in the input's order.
func (b *binder) matching(cols []*Column, x syntax.Expr) []*Column {
	switch x := syntax.Unparen(x).(type) {
	case *syntax.Name:
		if c := findColumn(cols, x.Text); c != nil {
			return []*Column{c}
		}
		b.errs.add(unknown(x.Span, "column", x.Text, columnNames(cols)))
	case *syntax.Wildcard:
		var list []*Column
		for _, c := range cols {
			if ok, err := path.Match(x.Pattern, c.Name); ok && err == nil {
				list = append(list, c)
			}
		}
		return list
	default:
		b.errorf(syntax.CodeType, x.At(), "the name of a column is expected here")
	}
	return nil
}

func (b *binder) projectAway(sc *scope, in Rel, op *syntax.List) Rel {
	named := map[*Column]bool{}
	for _, x := range op.Items {
		for _, c := range b.matching(sc.cols, x) {
			named[c] = true
		}
	}
	keep := op.Word == "project-keep"
	cols := slices.DeleteFunc(slices.Clone(sc.cols), func(c *Column) bool { return named[c] != keep })
	return &Project{Input: in, Items: pass(cols)}
}

func (b *binder) projectReorder(sc *scope, in Rel, op *syntax.List) Rel {
	var first []*Column
	for _, x := range op.Items {
		for _, c := range b.matching(sc.cols, x) {
			if !slices.Contains(first, c) {
				first = append(first, c)
			}
		}
	}
	for _, c := range sc.cols {
		if !slices.Contains(first, c) {
			first = append(first, c)
		}
	}
	return &Project{Input: in, Items: pass(first)}
}

func (b *binder) projectRename(sc *scope, in Rel, op *syntax.List) Rel {
	items := pass(sc.cols)
	for _, x := range op.Items {
		name, value := b.named(x)
		if name == nil {
			b.errorf(syntax.CodeSyntax, x.At(), "project-rename needs new = old")
			continue
		}
		for _, c := range b.matching(sc.cols, value) {
			i := slices.Index(sc.cols, c)
			items[i] = Item{Col: &Column{Name: name.Text, Type: c.Type}, X: &Ref{c}}
		}
	}
	return &Project{Input: in, Items: items}
}

func (b *binder) sort(sc *scope, in Rel, op *syntax.Sort) Rel {
	s := &Sort{Input: in}
	for _, k := range op.Keys {
		x := b.expr(sc, k.X)
		b.refuseDynamic(k.X.At(), x, "sort")
		// The default is desc. Nulls are last in desc and first in asc, unless the query says so.
		desc := k.Dir != "asc"
		s.Keys = append(s.Keys, SortKey{X: x, Desc: desc, NullsFirst: k.Nulls == "first" || k.Nulls == "" && !desc})
	}
	if op.N == nil {
		return s
	}
	return &Take{Input: s, N: b.constantLong(sc, op.N)}
}

// constantLong evaluates a number of rows.
func (b *binder) constantLong(sc *scope, x syntax.Expr) int64 {
	bound := b.expr(&scope{env: sc.env}, x)
	c, ok := bound.(*Const)
	n, isLong := int64(0), false
	if ok {
		n, isLong = c.Value.(int64)
	}
	if !isLong || n < 0 {
		if _, failed := bound.(*failed); !failed {
			b.errorf(syntax.CodeType, x.At(), "a constant number of rows is expected here")
		}
		return 0
	}
	return n
}

// mvExpand binds mv-expand. An unnamed column, or parse_json of one, is replaced in place and becomes dynamic.
func (b *binder) mvExpand(sc *scope, in Rel, op *syntax.MvExpand) Rel {
	out := &Expand{Input: in, Cols: slices.Clone(sc.cols)}
	n := &namer{used: columnNames(sc.cols)}
	for _, p := range op.Params {
		value := strings.Trim(p.Value.String(), `"`)
		switch {
		case p.Name == "with_itemindex":
			out.Index = &Column{Name: n.auto(value), Type: schema.Long}
		case (p.Name == "kind" || p.Name == "bagexpansion") && (value == "bag" || value == "array"):
			out.BagPair = value == "array"
		default:
			b.unsupported(p.Span, "%s=%s", p.Name, value)
		}
	}
	for _, it := range op.Items {
		b.expansion(sc, out, n, it)
	}
	if out.Index != nil {
		out.Cols = append(out.Cols, out.Index)
	}
	if op.Limit != nil {
		out.Limit = max(1, b.constantLong(sc, op.Limit))
	}
	return out
}

func (b *binder) expansion(sc *scope, out *Expand, n *namer, it syntax.ExpandItem) {
	name, value := b.named(it.X)
	x := b.expr(sc, value)
	if _, bad := x.(*failed); bad {
		return
	}
	if x.Type() != schema.Dynamic {
		b.errorf(syntax.CodeType, value.At(), "mv-expand needs a dynamic value, this is a %s: use todynamic(...)", x.Type())
		return
	}
	e := Expansion{X: x, Col: &Column{Type: schema.Dynamic}}
	if it.Type != "" {
		t, ok := typeNames[it.Type]
		if !ok {
			b.errs.add(unknown(it.Span, "type", it.Type, typeList))
		}
		e.To, e.Col.Type = t, t
	}
	out.Items = append(out.Items, e)
	text := autoName(value)
	if name != nil {
		text = name.Text
	}
	_, isPath := syntax.Unparen(value).(*syntax.Member)
	_, isIndex := syntax.Unparen(value).(*syntax.Index)
	if i := slices.IndexFunc(out.Cols, func(c *Column) bool { return c.Name == text }); i >= 0 && text != "" && (name != nil || !isPath && !isIndex) {
		e.Col.Name = text
		out.Cols[i] = e.Col
	} else {
		e.Col.Name = n.auto(text)
		out.Cols = append(out.Cols, e.Col)
	}
}

var typeList = []string{"string", "long", "int", "real", "double", "decimal", "bool", "boolean", "datetime", "date", "timespan", "time", "guid", "dynamic"}

var typeNames = map[string]schema.Type{
	"string": schema.String, "long": schema.Long, "int": schema.Int, "real": schema.Real, "double": schema.Real,
	"decimal": schema.Real, "bool": schema.Bool, "boolean": schema.Bool, "datetime": schema.DateTime, "date": schema.DateTime,
	"timespan": schema.TimeSpan, "time": schema.TimeSpan, "guid": schema.GUID, "dynamic": schema.Dynamic,
}

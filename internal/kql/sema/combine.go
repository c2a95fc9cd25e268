package sema

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"boundgate/internal/kql/schema"
	"boundgate/internal/kql/syntax"
)

func itoa(n int) string { return strconv.Itoa(n) }

// union binds union. Columns appear in the order of their first appearance; one that has different types in two inputs
// is split into Name_type1 and Name_type2, since no type holds both.
func (b *binder) union(e *env, in Rel, op *syntax.Union, leading bool) Rel {
	kind, source, fuzzy := "outer", "", false
	for _, p := range op.Params {
		switch value := strings.Trim(p.Value.String(), `"`); p.Name {
		case "kind":
			if kind = value; kind != "outer" && kind != "inner" {
				b.unsupported(p.Span, "the union kind '%s'", value)
			}
		case "withsource":
			source = value
		case "isfuzzy":
			fuzzy = value == "true"
		default:
			if !strings.HasPrefix(p.Name, "hint.") {
				b.unsupported(p.Span, "the union parameter '%s'", p.Name)
			}
		}
	}
	var inputs []Rel
	var labels []string
	if !leading {
		inputs, labels = append(inputs, in), append(labels, "union_arg0")
	}
	for _, x := range op.Tables {
		for _, r := range b.unionInputs(e, x, fuzzy) {
			inputs = append(inputs, r)
			labels = append(labels, label(r, len(labels)))
		}
	}
	if slices.ContainsFunc(inputs, isBroken) || len(inputs) == 0 {
		if len(b.errs.list) == 0 {
			b.errorf(syntax.CodeName, op.Span, "union has no table that exists")
		}
		return broken{}
	}
	return unite(inputs, labels, kind, source)
}

func label(r Rel, i int) string {
	if s, ok := r.(*Scan); ok {
		return s.Table.Name
	}
	return "union_arg" + itoa(i)
}

func (b *binder) unionInputs(e *env, x syntax.Expr, fuzzy bool) []Rel {
	if w, ok := x.(*syntax.Wildcard); ok {
		var list []Rel
		for _, t := range b.schema.Tables {
			// A pattern means the tables with rows, not all that have a name.
			if ok, err := path.Match(w.Pattern, t.Name); ok && err == nil && t.Physical != "" && b.countOperator(w.Span) {
				list = append(list, scan(t))
			}
		}
		return list
	}
	if n, ok := syntax.Unparen(x).(*syntax.Name); ok && fuzzy && e.find(n.Text) == nil {
		if _, ok := b.schema.Table(n.Text); !ok {
			b.warnings = append(b.warnings, "The table '"+n.Text+"' does not exist and was left out of the union.")
			return nil
		}
	}
	return []Rel{b.tabular(e, x)}
}

// unite lays the inputs side by side under common columns.
func unite(inputs []Rel, labels []string, kind, source string) Rel {
	out := &Union{}
	if source != "" {
		out.Cols = append(out.Cols, &Column{Name: source, Type: schema.String})
	}
	for _, s := range unionShape(inputs, kind) {
		out.Cols = append(out.Cols, s.out)
	}
	shape := unionShape(inputs, kind)
	for i, in := range inputs {
		var items []Item
		if source != "" {
			items = append(items, Item{Col: &Column{Name: source, Type: schema.String}, X: &Const{Value: labels[i], T: schema.String}})
		}
		for _, s := range shape {
			col := &Column{Name: s.out.Name, Type: s.out.Type}
			var x Expr = missing(s.out.Type)
			if c := findColumn(in.Columns(), s.name); c != nil && c.Type == s.out.Type {
				x = &Ref{c}
			}
			items = append(items, Item{Col: col, X: x})
		}
		out.Inputs = append(out.Inputs, &Project{Input: in, Items: items})
	}
	return out
}

// missing is the value of a column that is not there: null, or the empty string.
func missing(t schema.Type) *Const {
	if t == schema.String || t == schema.GUID {
		return &Const{Value: "", T: t}
	}
	return &Const{T: t}
}

type unionColumn struct {
	name string // in the inputs
	out  *Column
}

func unionShape(inputs []Rel, kind string) []unionColumn {
	var order []string
	types := map[string][]schema.Type{}
	count := map[string]int{}
	for _, in := range inputs {
		for _, c := range in.Columns() {
			if types[c.Name] == nil {
				order = append(order, c.Name)
			}
			if !slices.Contains(types[c.Name], c.Type) {
				types[c.Name] = append(types[c.Name], c.Type)
			}
			count[c.Name]++
		}
	}
	var shape []unionColumn
	for _, name := range order {
		if kind == "inner" && (count[name] < len(inputs) || len(types[name]) > 1) {
			continue
		}
		for _, t := range types[name] {
			out := &Column{Name: name, Type: t}
			if len(types[name]) > 1 {
				out.Name = name + "_" + string(t)
			}
			shape = append(shape, unionColumn{name, out})
		}
	}
	return shape
}

var joinKinds = map[string]string{
	"inner": "inner", "innerunique": "innerunique", "leftouter": "leftouter", "rightouter": "rightouter", "fullouter": "fullouter",
	"leftsemi": "leftsemi", "leftanti": "leftanti", "anti": "leftanti", "leftantisemi": "leftanti",
	"rightsemi": "rightsemi", "rightanti": "rightanti", "rightantisemi": "rightanti",
}

// join binds join. Its output is all columns of the left, then all of the right, keys too; a name that is taken gets
// the smallest free number. Semi and anti joins give the left alone.
func (b *binder) join(e *env, left Rel, op *syntax.Join) Rel {
	j := &Join{Kind: "innerunique", Left: left}
	lookup := op.Word == "lookup"
	if lookup {
		j.Kind = "leftouter"
	}
	for _, p := range op.Params {
		switch {
		case p.Name == "kind":
			kind, ok := joinKinds[p.Value.String()]
			if !ok || lookup && kind != "leftouter" && kind != "inner" {
				b.unsupported(p.Span, "the %s kind '%s'", op.Word, p.Value)
			}
			j.Kind = kind
		case !strings.HasPrefix(p.Name, "hint."):
			b.unsupported(p.Span, "the join parameter '%s'", p.Name)
		}
	}
	j.Right = b.tabular(e, op.Right)
	if isBroken(j.Right) {
		return broken{}
	}
	for _, x := range op.On {
		b.joinOn(j, x)
	}
	if len(j.LeftKeys) == 0 {
		return broken{}
	}
	if j.Kind == "rightsemi" || j.Kind == "rightanti" {
		j.Left, j.Right, j.LeftKeys, j.RightKeys = j.Right, j.Left, j.RightKeys, j.LeftKeys
		j.Kind = "left" + strings.TrimPrefix(j.Kind, "right")
	}
	j.Items = joinItems(j, lookup)
	return j
}

// joinOn binds one condition: a name that both sides have, or $left.a == $right.b, or several joined by and.
func (b *binder) joinOn(j *Join, x syntax.Expr) {
	x = syntax.Unparen(x)
	if bin, ok := x.(*syntax.Binary); ok && bin.Op == "and" {
		b.joinOn(j, bin.L)
		b.joinOn(j, bin.R)
		return
	}
	var l, r Expr
	switch x := x.(type) {
	case *syntax.Name:
		l, r = b.joinColumn(j.Left, x), b.joinColumn(j.Right, x)
	case *syntax.Binary:
		ln, lSide := sideOf(x.L)
		rn, rSide := sideOf(x.R)
		if lSide == "$right" && rSide == "$left" {
			ln, rn, lSide, rSide = rn, ln, rSide, lSide
		}
		if x.Op == "==" && lSide == "$left" && rSide == "$right" {
			l, r = b.joinColumn(j.Left, ln), b.joinColumn(j.Right, rn)
			break
		}
		b.errorf(syntax.CodeType, x.Span, "join needs an equality such as $left.a == $right.b")
		return
	default:
		b.errorf(syntax.CodeType, x.At(), "join needs the name of a column or an equality such as $left.a == $right.b")
		return
	}
	if l == nil || r == nil {
		return
	}
	b.refuseDynamic(x.At(), l, "join")
	b.refuseDynamic(x.At(), r, "join")
	if l.Type() != r.Type() && !(isNumber(l.Type()) && isNumber(r.Type())) {
		b.errorf(syntax.CodeType, x.At(), "the keys of a join have the types %s and %s: convert one", l.Type(), r.Type())
		return
	}
	j.LeftKeys, j.RightKeys = append(j.LeftKeys, l), append(j.RightKeys, r)
}

func sideOf(x syntax.Expr) (*syntax.Name, string) {
	if m, ok := syntax.Unparen(x).(*syntax.Member); ok {
		if side, ok := m.X.(*syntax.Name); ok {
			return m.Name, side.Text
		}
	}
	return nil, ""
}

func (b *binder) joinColumn(r Rel, name *syntax.Name) Expr {
	if c := findColumn(r.Columns(), name.Text); c != nil {
		return &Ref{c}
	}
	b.errs.add(unknown(name.Span, "column", name.Text, columnNames(r.Columns())))
	return nil
}

// joinItems are the output columns of a join; those of lookup lack the right side's keys.
func joinItems(j *Join, lookup bool) []Item {
	items := pass(j.Left.Columns())
	if j.Kind == "leftsemi" || j.Kind == "leftanti" {
		return items
	}
	n := &namer{used: columnNames(j.Left.Columns())}
	fill := func(c *Column, outer bool) Expr {
		if outer && (c.Type == schema.String || c.Type == schema.GUID) {
			return call("coalesce", c.Type, &Ref{c}, &Const{Value: "", T: schema.String})
		}
		return &Ref{c}
	}
	if j.Kind == "rightouter" || j.Kind == "fullouter" {
		for i, c := range j.Left.Columns() {
			items[i] = Item{Col: &Column{Name: c.Name, Type: c.Type}, X: fill(c, true)}
		}
	}
	for _, c := range j.Right.Columns() {
		if lookup && slices.ContainsFunc(j.RightKeys, func(k Expr) bool { r, ok := k.(*Ref); return ok && r.Col == c }) {
			continue
		}
		col := &Column{Name: n.auto(c.Name), Type: c.Type}
		items = append(items, Item{Col: col, X: fill(c, j.Kind == "leftouter" || j.Kind == "fullouter")})
	}
	return items
}

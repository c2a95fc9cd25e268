package sema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"boundgate/internal/kql/schema"
	"boundgate/internal/kql/syntax"
)

// maxOperators bounds the operators of a query with every let put in its place, so that lets that use each other twice
// cannot grow without end. It also keeps the SQL within what databases nest.
const maxOperators = 400

// Bind resolves a query. Now is the one instant of ago and now. On errors the query is nil.
func Bind(q *syntax.Query, s schema.Schema, now time.Time) (*Query, []syntax.Error) {
	b := &binder{schema: s, now: now, errs: &errorList{}, sizes: map[Expr]int{}}
	e := &env{}
	var last *Query
	for _, st := range q.Statements {
		switch st := st.(type) {
		case *syntax.Let:
			e = b.let(e, st)
		case *syntax.ExprStatement:
			if last != nil {
				b.warnings = append(b.warnings, "The query holds several tabular expressions; the result is that of the last.")
			}
			b.render = nil
			last = &Query{Rel: b.tabular(e, st.X)}
		case *syntax.OtherStatement:
			b.unsupported(st.Span, "the statement '%s'", st.Word)
		}
	}
	if last == nil && len(b.errs.list) == 0 {
		b.errorf(syntax.CodeSyntax, q.Span, "the query ends without a tabular expression: add one behind the let, such as SigninLogs")
	}
	if len(b.errs.list) > 0 {
		return nil, b.errs.list
	}
	last.Render, last.Warnings = b.render, b.warnings
	return last, nil
}

type binder struct {
	schema    schema.Schema
	now       time.Time
	errs      *errorList
	warnings  []string
	render    *Render
	operators int
	depth     int
	sizes     map[Expr]int // see size
}

func (b *binder) errorf(code string, at syntax.Span, format string, args ...any) {
	b.errs.add(syntax.Errorf(code, at, format, args...))
}

func (b *binder) warn(format string, args ...any) {
	if w := fmt.Sprintf(format, args...); !slices.Contains(b.warnings, w) && len(b.warnings) < maxErrors {
		b.warnings = append(b.warnings, w)
	}
}

func (b *binder) unsupported(at syntax.Span, format string, args ...any) {
	b.errorf(syntax.CodeUnsupported, at, "%s is not supported here", fmt.Sprintf(format, args...))
}

// An env is a chain of lets, the innermost first. It never changes: a let adds a link.
type env struct {
	parent *env
	name   string
	scalar Expr        // of a scalar let
	table  syntax.Expr // of a tabular let, bound anew at each use in the env it was written in
	fn     *syntax.Lambda
	where  *env // where table or fn was written
	failed bool // the value was wrong, and reported: uses of the name are silent
}

func (e *env) find(name string) *env {
	for ; e != nil; e = e.parent {
		if e.name == name && name != "" {
			return e
		}
	}
	return nil
}

func (e *env) names(tabular bool) []string {
	var list []string
	for ; e != nil; e = e.parent {
		if e.name != "" && (e.table != nil) == tabular && e.fn == nil {
			list = append(list, e.name)
		}
	}
	return list
}

func (b *binder) let(e *env, s *syntax.Let) *env {
	link := &env{parent: e, name: s.Name.Text}
	before := len(b.errs.list)
	switch x := syntax.Unparen(s.Value).(type) {
	case *syntax.Lambda:
		link.fn, link.where = x, e
	default:
		if b.isTabular(e, x) {
			link.table, link.where = x, e
			b.tabular(e, x) // an unused let with an unknown table inside is an error too
			break
		}
		link.scalar = b.expr(&scope{env: e}, x)
	}
	link.failed = len(b.errs.list) > before
	return link
}

// isTabular reports whether an expression yields a table.
func (b *binder) isTabular(e *env, x syntax.Expr) bool {
	switch x := syntax.Unparen(x).(type) {
	case *syntax.Pipe, *syntax.Leading:
		return true
	case *syntax.Name:
		if l := e.find(x.Text); l != nil {
			return l.table != nil || l.fn != nil && b.yieldsTable(l)
		}
		_, ok := b.schema.Table(x.Text)
		return ok
	case *syntax.Call:
		if l := e.find(x.Func.Text); l != nil && l.fn != nil {
			return b.yieldsTable(l)
		}
		return tabularFunctions[x.Func.Text]
	}
	return false
}

var tabularFunctions = map[string]bool{"materialize": true, "table": true, "_GetWatchlist": true, "view": true}

// tabular binds an expression that yields a table. It returns an empty relation when it cannot.
func (b *binder) tabular(e *env, x syntax.Expr) Rel {
	if b.depth++; b.depth > syntax.MaxDepth {
		b.depth--
		b.errorf(syntax.CodeLimit, x.At(), "the query is nested more than %d levels deep", syntax.MaxDepth)
		return broken{}
	}
	defer func() { b.depth-- }()
	switch x := syntax.Unparen(x).(type) {
	case *syntax.Name:
		return b.table(e, x)
	case *syntax.Call:
		return b.tabularCall(e, x)
	case *syntax.Leading:
		return b.operator(e, &Single{}, x.Op, true)
	case *syntax.Pipe:
		return b.pipe(e, x)
	case *syntax.Bad:
		return broken{}
	case *syntax.Member:
		b.unsupported(x.Span, "a table of another workspace or database")
		return broken{}
	default:
		b.errorf(syntax.CodeType, x.At(), "a table is expected here, such as SigninLogs")
		return broken{}
	}
}

// pipe binds the operators one behind the other. Behind `as x`, x names what the pipe held there.
func (b *binder) pipe(e *env, x *syntax.Pipe) Rel {
	r := b.tabular(e, x.Source)
	for i, op := range x.Ops {
		before := &syntax.Pipe{Source: x.Source, Ops: x.Ops[:i], Span: x.Source.At().To(op.At())}
		switch op := op.(type) {
		case *syntax.As:
			e = &env{parent: e, name: op.Name.Text, table: before, where: e}
		case *syntax.Invoke:
			r = b.invoke(e, before, op)
		default:
			r = b.operator(e, r, op, false)
		}
	}
	return r
}

// broken stands for a table that could not be bound: what is said about its columns is not an error of its own.
type broken struct{}

func (broken) Columns() []*Column { return nil }

func isBroken(r Rel) bool {
	_, ok := r.(broken)
	return ok
}

func (b *binder) tableNames() []string {
	var list []string
	for _, t := range b.schema.Tables {
		list = append(list, t.Name)
	}
	return list
}

func (b *binder) table(e *env, x *syntax.Name) Rel {
	if l := e.find(x.Text); l != nil {
		switch {
		case l.failed:
			return broken{}
		case l.table != nil:
			return b.tabular(l.where, l.table)
		case l.fn != nil:
			return b.tabularCall(e, &syntax.Call{Span: x.Span, Func: x})
		}
		b.errorf(syntax.CodeType, x.Span, "'%s' is a scalar: a table is expected here", x.Text)
		return broken{}
	}
	t, ok := b.schema.Table(x.Text)
	if !ok {
		b.errs.add(unknown(x.Span, "table or tabular let", x.Text, append(b.tableNames(), e.names(true)...)))
		return broken{}
	}
	if !b.countOperator(x.Span) {
		return broken{}
	}
	if t.Physical == "" {
		b.warn("The table '%s' has no rows here.", t.Name)
	}
	return scan(t)
}

func scan(t schema.Table) Rel {
	s := &Scan{Table: t}
	for i := range t.Columns {
		c := &t.Columns[i]
		s.Cols = append(s.Cols, &Column{Name: c.Name, Type: c.Type, Source: c})
	}
	return s
}

func (b *binder) tabularCall(e *env, x *syntax.Call) Rel {
	switch name := x.Func.Text; name {
	case "materialize":
		if len(x.Args) == 1 {
			return b.tabular(e, x.Args[0])
		}
	case "_GetWatchlist":
		return b.watchlist(e, x)
	case "table":
		if len(x.Args) >= 1 {
			if c, ok := b.expr(&scope{env: e}, x.Args[0]).(*Const); ok && c.T == schema.String {
				return b.table(nil, &syntax.Name{Span: x.Args[0].At(), Text: c.Value.(string)})
			}
		}
		b.errorf(syntax.CodeType, x.Span, "table() needs a constant name")
		return broken{}
	default:
		if l := e.find(name); l != nil {
			return b.tabularFunction(e, l, x)
		}
		if slices.Contains(knownFunctions, name) {
			b.unsupported(x.Func.Span, "the tabular function '%s'", name)
			return broken{}
		}
		b.errs.add(unknown(x.Func.Span, "tabular function", name, e.functions()))
		return broken{}
	}
	b.errorf(syntax.CodeType, x.Span, "%s() needs one table", x.Func.Text)
	return broken{}
}

// countOperator counts one operator against the bound.
func (b *binder) countOperator(at syntax.Span) bool {
	if b.operators++; b.operators <= maxOperators {
		return true
	}
	if b.operators == maxOperators+1 {
		b.errorf(syntax.CodeLimit, at, "the query has more than %d operators, with each let counted where it is used", maxOperators)
	}
	return false
}

// supported are the operators by name, for the list of candidates.
var supported = []string{
	"where", "filter", "project", "project-away", "project-keep", "project-rename", "project-reorder", "extend", "summarize",
	"sort", "order", "top", "take", "limit", "count", "distinct", "mv-expand", "union", "join", "render", "print",
}

// known are the operators of KQL that are not run here: they are refused as what they are, without a suggestion.
var known = []string{
	"as", "consume", "evaluate", "externaldata", "datatable", "facet", "find", "fork", "getschema", "invoke", "lookup", "make-series",
	"make-graph", "mv-apply", "parse", "parse-kv", "parse-where", "partition", "project-smart", "range", "reduce", "sample",
	"sample-distinct", "scan", "search", "serialize", "top-hitters", "top-nested",
}

func (b *binder) operator(e *env, in Rel, op syntax.Operator, leading bool) Rel {
	if !b.countOperator(op.At()) {
		return broken{}
	}
	if o, ok := op.(*syntax.Other); ok {
		b.otherOperator(o)
		return broken{}
	}
	if isBroken(in) {
		return broken{}
	}
	sc := &scope{env: e, cols: in.Columns(), rows: true}
	switch op := op.(type) {
	case *syntax.Where:
		return &Filter{Input: in, Cond: b.condition(sc, op.Cond)}
	case *syntax.List:
		return b.list(sc, in, op, leading)
	case *syntax.Summarize:
		return b.summarize(sc, in, op)
	case *syntax.Sort:
		return b.sort(sc, in, op)
	case *syntax.Take:
		return &Take{Input: in, N: b.constantLong(sc, op.N)}
	case *syntax.Count:
		col := &Column{Name: "Count", Type: schema.Long}
		return &Aggregate{Input: in, Aggs: []Agg{{Col: col, Fn: "count"}}}
	case *syntax.MvExpand:
		return b.mvExpand(sc, in, op)
	case *syntax.Union:
		return b.union(e, in, op, leading)
	case *syntax.Join:
		return b.join(e, in, op)
	case *syntax.Render:
		b.render = render(op)
		return in
	case *syntax.DataTable:
		return b.dataTable(e, op)
	case *syntax.Range:
		return b.rangeOf(e, op)
	case *syntax.GetSchema:
		return b.getSchema(in)
	case *syntax.Sample:
		return b.sample(sc, in, op)
	case *syntax.SampleDistinct:
		return b.sampleDistinct(sc, in, op)
	}
	word, _, _ := strings.Cut(op.String(), " ")
	b.unsupported(syntax.Span{Start: op.At().Start, End: op.At().Start + len(word)}, "the operator '%s'", word)
	return broken{}
}

func (b *binder) otherOperator(o *syntax.Other) {
	if slices.Contains(known, o.Word) || slices.Contains(supported, o.Word) {
		b.unsupported(syntax.Span{Start: o.Start, End: o.Start + len(o.Word)}, "the operator '%s'", o.Word)
		return
	}
	at := syntax.Span{Start: o.Start, End: min(o.End, o.Start+len(o.Word))}
	b.errs.add(unknown(at, "operator", o.Word, supported))
}

func render(op *syntax.Render) *Render {
	r := &Render{Visualization: op.Kind.Text, Properties: map[string]string{}}
	for _, p := range op.Props {
		if lit, ok := p.Value.(*syntax.Literal); ok {
			r.Properties[p.Name] = lit.Text
			continue
		}
		r.Properties[p.Name] = p.Value.String()
	}
	return r
}

// A scope is where a scalar expression finds its names: the columns of the input, then the lets.
type scope struct {
	env  *env
	cols []*Column
	aggs *[]Agg // of a summarize: aggregates are allowed and go here
	rows bool   // cols are the only columns there are: a row of a function's caller cannot be seen
}

func (s *scope) column(name string) *Column {
	return findColumn(s.cols, name)
}

func findColumn(cols []*Column, name string) *Column {
	for _, c := range cols {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func columnNames(cols []*Column) []string {
	list := make([]string, len(cols))
	for i, c := range cols {
		list[i] = c.Name
	}
	return list
}

func functionNames() []string {
	return slices.Sorted(maps.Keys(functions))
}

package sema

import (
	"boundgate/internal/kql/schema"
	"boundgate/internal/kql/syntax"
)

// Functions of a query are macros: a call binds the body anew, with the parameters as lets of the arguments. A function
// sees the lets before its own, so none can call itself.

// yieldsTable reports whether a function's body ends in a table.
func (b *binder) yieldsTable(l *env) bool {
	if b.depth++; b.depth > syntax.MaxDepth {
		b.depth--
		return false
	}
	defer func() { b.depth-- }()
	e := l.where
	for i := range l.fn.Params {
		p := &l.fn.Params[i]
		link := &env{parent: e, name: p.Name.Text}
		if p.Type == "" {
			link.table, link.where = p.Name, e
		} else {
			link.scalar = &Const{T: schema.String}
		}
		e = link
	}
	for _, st := range l.fn.Body {
		switch st := st.(type) {
		case *syntax.Let:
			e = b.guess(e, st)
		case *syntax.ExprStatement:
			return b.isTabular(e, st.X)
		}
	}
	return false
}

// guess is a let of which only matters whether it is a table, a function or a scalar.
func (b *binder) guess(e *env, s *syntax.Let) *env {
	link := &env{parent: e, name: s.Name.Text}
	switch x := syntax.Unparen(s.Value).(type) {
	case *syntax.Lambda:
		link.fn, link.where = x, e
	default:
		if b.isTabular(e, x) {
			link.table, link.where = x, e
		} else {
			link.scalar = &Const{T: schema.String}
		}
	}
	return link
}

// functions are the names of the functions that may be called here.
func (e *env) functions() []string {
	list := []string{"table", "materialize"}
	for ; e != nil; e = e.parent {
		if e.fn != nil {
			list = append(list, e.name)
		}
	}
	return list
}

// tabularFunction binds a call that stands where a table must.
func (b *binder) tabularFunction(e *env, l *env, x *syntax.Call) Rel {
	if l.failed {
		return broken{}
	}
	if l.fn == nil {
		b.errorf(syntax.CodeType, x.Func.Span, "'%s' is no function", x.Func.Text)
		return broken{}
	}
	inner, ok := b.parameters(&scope{env: e}, l, x, nil)
	if !ok {
		return broken{}
	}
	inner, last := b.body(inner, l.fn)
	if last == nil {
		b.errorf(syntax.CodeType, x.Span, "the function '%s' has no result", x.Func.Text)
		return broken{}
	}
	return b.tabular(inner, last)
}

// scalarFunction binds a call of a query's own function in an expression.
func (b *binder) scalarFunction(sc *scope, l *env, x *syntax.Call) Expr {
	if b.depth++; b.depth > syntax.MaxDepth {
		b.depth--
		b.errorf(syntax.CodeLimit, x.Span, "functions call each other more than %d levels deep", syntax.MaxDepth)
		return &failed{}
	}
	defer func() { b.depth-- }()
	inner, ok := b.parameters(sc, l, x, nil)
	if !ok {
		return &failed{}
	}
	inner, last := b.body(inner, l.fn)
	if last == nil {
		b.errorf(syntax.CodeType, x.Span, "the function '%s' has no result", x.Func.Text)
		return &failed{}
	}
	return b.expr(&scope{env: inner, aggs: sc.aggs}, last)
}

// invoke binds `| invoke f(args)`: the pipe before it is the first argument.
func (b *binder) invoke(e *env, before *syntax.Pipe, op *syntax.Invoke) Rel {
	l := e.find(op.Call.Func.Text)
	if l == nil || l.fn == nil {
		if l == nil || !l.failed {
			b.errs.add(unknown(op.Call.Func.Span, "function", op.Call.Func.Text, e.functions()[2:]))
		}
		return broken{}
	}
	if !b.countOperator(op.Span) {
		return broken{}
	}
	inner, ok := b.parameters(&scope{env: e}, l, op.Call, before)
	if !ok {
		return broken{}
	}
	inner, last := b.body(inner, l.fn)
	if last == nil {
		b.errorf(syntax.CodeType, op.Span, "the function '%s' has no result", op.Call.Func.Text)
		return broken{}
	}
	return b.tabular(inner, last)
}

// body runs the lets of a function and returns its last expression.
func (b *binder) body(e *env, f *syntax.Lambda) (*env, syntax.Expr) {
	var last syntax.Expr
	for _, st := range f.Body {
		switch st := st.(type) {
		case *syntax.Let:
			e = b.let(e, st)
		case *syntax.ExprStatement:
			last = st.X
		case *syntax.OtherStatement:
			b.unsupported(st.Span, "the statement '%s'", st.Word)
		}
	}
	return e, last
}

// parameters binds the arguments of a call to the function's parameters, as lets behind the place where the function was
// written. With first, that table is the first argument.
func (b *binder) parameters(sc *scope, l *env, x *syntax.Call, first syntax.Expr) (*env, bool) {
	given, ok := b.arguments(l.fn, x, first)
	if !ok {
		return nil, false
	}
	e := l.where
	for i := range l.fn.Params {
		p := &l.fn.Params[i]
		link := &env{parent: e, name: p.Name.Text}
		switch arg := given[i]; {
		case arg == nil && p.Default == nil:
			b.errorf(syntax.CodeType, x.Span, "the function '%s' needs the argument '%s'", x.Func.Text, p.Name.Text)
			return nil, false
		case arg == nil:
			link.scalar = b.scalarArgument(&scope{env: l.where}, p, p.Default)
		case p.Type == "":
			if !b.tableArgument(sc.env, p, arg) {
				return nil, false
			}
			link.table, link.where = arg, sc.env
		default:
			link.scalar = b.scalarArgument(sc, p, arg)
		}
		link.failed = link.scalar != nil && isFailed(link.scalar)
		e = link
	}
	return e, true
}

// arguments puts the arguments in the order of the parameters; nil stands for one that is not given.
func (b *binder) arguments(f *syntax.Lambda, x *syntax.Call, first syntax.Expr) ([]syntax.Expr, bool) {
	args := x.Args
	if first != nil {
		args = append([]syntax.Expr{first}, args...)
	}
	given := make([]syntax.Expr, len(f.Params))
	next := 0
	for _, a := range args {
		at := next
		if n, ok := a.(*syntax.Named); ok && len(n.Names) == 1 {
			if at = parameterIndex(f, n.Names[0].Text); at < 0 {
				var names []string
				for _, p := range f.Params {
					names = append(names, p.Name.Text)
				}
				b.errs.add(unknown(n.Names[0].Span, "parameter", n.Names[0].Text, names))
				return nil, false
			}
			a = n.X
		} else {
			next++
		}
		if at >= len(given) || given[at] != nil {
			b.errorf(syntax.CodeType, a.At(), "the function '%s' takes %d arguments, and this is one more", x.Func.Text, len(f.Params))
			return nil, false
		}
		given[at] = a
	}
	return given, true
}

func parameterIndex(f *syntax.Lambda, name string) int {
	for i := range f.Params {
		if f.Params[i].Name.Text == name {
			return i
		}
	}
	return -1
}

// scalarArgument binds an argument and brings it to the type of its parameter.
func (b *binder) scalarArgument(sc *scope, p *syntax.LambdaParam, arg syntax.Expr) Expr {
	t, ok := typeNames[p.Type]
	if !ok {
		b.errs.add(unknown(p.Span, "type", p.Type, typeList))
		return &failed{}
	}
	v := b.expr(sc, arg)
	switch from := v.Type(); {
	case isFailed(v) || from == t || isNumber(from) && isNumber(t):
		return v
	case t == schema.Dynamic || from == schema.Dynamic:
		return convert(v, t)
	default:
		b.errorf(syntax.CodeType, arg.At(), "the parameter '%s' is a %s, this is a %s", p.Name.Text, t, from)
		return &failed{}
	}
}

// tableArgument checks that a table has the columns that its parameter names.
func (b *binder) tableArgument(e *env, p *syntax.LambdaParam, arg syntax.Expr) bool {
	if p.Any || len(p.Columns) == 0 {
		return true
	}
	before := b.operators
	r := b.tabular(e, arg)
	b.operators = before // the table itself is bound where it is used
	if isBroken(r) {
		return false
	}
	ok := true
	for _, want := range p.Columns {
		c := findColumn(r.Columns(), want.Name.Text)
		switch {
		case c == nil:
			b.errs.add(unknown(arg.At(), "column", want.Name.Text, columnNames(r.Columns())))
			ok = false
		case c.Type != typeNames[want.Type]:
			b.errorf(syntax.CodeType, arg.At(), "the column '%s' is a %s, and the parameter '%s' needs a %s", c.Name, c.Type, p.Name.Text, want.Type)
			ok = false
		}
	}
	return ok
}

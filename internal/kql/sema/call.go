package sema

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"boundgate/internal/kql/schema"
	"boundgate/internal/kql/syntax"
)

func itoa64(n int64) string { return strconv.FormatInt(n, 10) }

// in binds in and its kin, has_any and has_all. The list may be literals, a constant dynamic array or a table.
func (b *binder) in(sc *scope, x *syntax.In) Expr {
	v := b.expr(sc, x.X)
	if len(x.List) == 1 && b.isTabular(sc.env, x.List[0]) && sc.column(nameOf(x.List[0])) == nil {
		return b.inTable(sc, x, v)
	}
	var list []Expr
	for _, item := range x.List {
		list = append(list, b.listItem(sc, item)...)
	}
	if isFailed(v) || isFailed(list...) {
		return &failed{}
	}
	op := x.Op
	if op == "in" || op == "!in" {
		equal := map[string]string{"in": "==", "!in": "!="}[op]
		for i, item := range list {
			eq, ok := b.equality(x.List[min(i, len(x.List)-1)].At(), equal, v, item).(*Call)
			if !ok {
				return &failed{}
			}
			v, list[i] = eq.Args[0], eq.Args[1]
		}
		return call(op, schema.Bool, append([]Expr{v}, list...)...)
	}
	for i, item := range append([]Expr{v}, list...) {
		if isText(item.Type()) {
			continue
		}
		at := x.X.At()
		if i > 0 {
			at = x.List[min(i-1, len(x.List)-1)].At()
		}
		b.errorf(syntax.CodeType, at, "'%s' compares strings, this is a %s", op, item.Type())
		return &failed{}
	}
	if op == "!has_any" || op == "!has_all" {
		b.unsupported(x.OpSpan, "the operator '%s'", op)
		return &failed{}
	}
	return call(op, schema.Bool, append([]Expr{v}, list...)...)
}

func nameOf(x syntax.Expr) string {
	if n, ok := syntax.Unparen(x).(*syntax.Name); ok {
		return n.Text
	}
	return ""
}

// listItem binds one item of a list; a constant dynamic array stands for its elements.
func (b *binder) listItem(sc *scope, x syntax.Expr) []Expr {
	v := b.expr(sc, x)
	c, ok := v.(*Const)
	if !ok || c.T != schema.Dynamic || c.Value == nil {
		return []Expr{v}
	}
	var values []any
	if err := json.Unmarshal([]byte(c.Value.(string)), &values); err != nil {
		return []Expr{v}
	}
	list := []Expr{}
	for _, e := range values {
		switch e := e.(type) {
		case string:
			list = append(list, &Const{Value: e, T: schema.String})
		case float64:
			if n := int64(e); float64(n) == e {
				list = append(list, &Const{Value: n, T: schema.Long})
				continue
			}
			list = append(list, &Const{Value: e, T: schema.Real})
		case bool:
			list = append(list, &Const{Value: e, T: schema.Bool})
		}
	}
	return list
}

func (b *binder) inTable(sc *scope, x *syntax.In, v Expr) Expr {
	r := b.tabular(sc.env, x.List[0])
	if isBroken(r) || isFailed(v) {
		return &failed{}
	}
	if x.Op == "has_any" || x.Op == "has_all" {
		b.unsupported(x.OpSpan, "'%s' with a table", x.Op)
		return &failed{}
	}
	if len(r.Columns()) == 0 {
		b.errorf(syntax.CodeType, x.List[0].At(), "the table has no column to compare with")
		return &failed{}
	}
	t := r.Columns()[0].Type
	if t != v.Type() && !(isNumber(t) && isNumber(v.Type())) && !(isText(t) && isText(v.Type())) {
		return b.mismatch(x.OpSpan, x.Op, v, &Ref{r.Columns()[0]})
	}
	return &InQuery{Op: x.Op, X: v, Query: r}
}

func (b *binder) call(sc *scope, x *syntax.Call) Expr {
	name := x.Func.Text
	if l := sc.env.find(name); l != nil && l.fn != nil {
		if !b.yieldsTable(l) {
			return b.scalarFunction(sc, l, x)
		}
		b.errorf(syntax.CodeType, x.Span, "'%s' yields a table: a scalar is expected here, as with toscalar(%s)", name, x)
		return &failed{}
	}
	if name == "toscalar" {
		return b.toScalar(sc, x)
	}
	if _, ok := aggregates[name]; ok {
		if _, both := functions[name]; !both {
			return b.aggregateCall(sc, x)
		}
	}
	f, ok := functions[name]
	if !ok {
		if l := sc.env.find(name); l != nil && l.failed {
			return &failed{}
		}
		b.errs.add(unknown(x.Func.Span, "function", name, functionNames()))
		return &failed{}
	}
	args := make([]Expr, len(x.Args))
	for i, a := range x.Args {
		if n, ok := a.(*syntax.Named); ok && len(n.Names) == 1 { // tostring(Name = x) gives its column a name and nothing else
			a = n.X
		}
		args[i] = b.expr(sc, a)
	}
	if len(args) < f.min || len(args) > f.max {
		b.errorf(syntax.CodeType, x.Span, "%s() takes %s, not %d", name, howMany(f.min, f.max), len(args))
		return &failed{}
	}
	for i := range args {
		args[i] = b.argument(name, f.args[min(i, len(f.args)-1)], x.Args[i].At(), args[i])
	}
	if isFailed(args...) {
		return &failed{}
	}
	return b.checked(x, f, args)
}

// units are what datetime_diff and datetime_add count in.
var units = []string{"year", "month", "week", "day", "hour", "minute", "second", "millisecond"}

func howMany(minimum, maximum int) string {
	switch {
	case minimum == maximum && minimum == 1:
		return "1 argument"
	case minimum == maximum:
		return itoa(minimum) + " arguments"
	}
	return itoa(minimum) + " to " + itoa(maximum) + " arguments"
}

// argument checks one argument against its class, converting a dynamic to what is wanted.
func (b *binder) argument(fn string, c class, at syntax.Span, x Expr) Expr {
	if isFailed(x) || c == anything {
		return x
	}
	t := x.Type()
	ok := false
	switch c {
	case text:
		if t == schema.Dynamic {
			return call("tostring", schema.String, x)
		}
		ok = isText(t)
	case constant:
		k, isConst := x.(*Const)
		ok = isConst && k.T == schema.String
	case number:
		if t == schema.Dynamic {
			return numeric(x)
		}
		ok = isNumber(t) || t == schema.TimeSpan
	case integer:
		if t == schema.Dynamic {
			return call("tolong", schema.Long, x)
		}
		ok = t == schema.Long || t == schema.Int
	case moment:
		if t == schema.Dynamic {
			return call("todatetime", schema.DateTime, x)
		}
		ok = t == schema.DateTime
	case span:
		ok = t == schema.TimeSpan
	case boolean:
		if t == schema.Dynamic {
			return call("tobool", schema.Bool, x)
		}
		ok = t == schema.Bool
	case bag:
		ok = t == schema.Dynamic
	}
	if !ok {
		b.errorf(syntax.CodeType, at, "%s() needs %s here, this is a %s", fn, c, t)
		return &failed{}
	}
	return x
}

// checked makes the call, with the rules of single functions.
func (b *binder) checked(x *syntax.Call, f function, args []Expr) Expr {
	fn := x.Func.Text
	if f.alias != "" {
		fn = f.alias
	}
	t := f.result
	if f.resultOf != nil {
		t = f.resultOf(args)
	}
	switch fn {
	case "now", "ago":
		return b.instant(x, fn, args)
	case "case":
		return b.caseCall(x, args, t)
	case "iff", "coalesce", "max_of", "min_of":
		from := 0
		if fn == "iff" {
			from = 1
		}
		for i := from; i < len(args); i++ {
			args[i] = widen(args[i], t)
		}
	case "bin":
		return b.bin(x, args, t)
	case "parse_json":
		if args[0].Type() != schema.String && args[0].Type() != schema.Dynamic {
			return call("json_of", schema.Dynamic, args[0])
		}
		if args[0].Type() == schema.Dynamic {
			return args[0]
		}
	case "datetime_diff", "datetime_add":
		unit, _ := args[0].(*Const).Value.(string)
		if !slices.Contains(units, strings.ToLower(unit)) {
			b.errorf(syntax.CodeType, x.Args[0].At(), "%q is not a unit of time: use one of %s", unit, strings.Join(units, ", "))
			return &failed{}
		}
	case "extract", "trim", "replace_regex":
		i := 0
		if fn == "replace_regex" && f.args[0] == text {
			i = 1
		}
		if !b.regex(x.Args[i].At(), args[i]) {
			return &failed{}
		}
	case "replace": // replace(regex, rewrite, text), the old spelling
		if !b.regex(x.Args[0].At(), args[0]) {
			return &failed{}
		}
		return call("replace_regex", t, args[2], args[0], args[1])
	case "bag_pack":
		if len(args)%2 != 0 {
			b.errorf(syntax.CodeType, x.Span, "bag_pack() takes names and values in pairs")
			return &failed{}
		}
	}
	return call(fn, t, args...)
}

// widen brings a value to the common type of a choice.
func widen(x Expr, t schema.Type) Expr {
	if x.Type() == t || isNumber(t) {
		return x
	}
	return convert(x, t)
}

func (b *binder) caseCall(x *syntax.Call, args []Expr, t schema.Type) Expr {
	if len(args)%2 == 0 {
		b.errorf(syntax.CodeType, x.Span, "case() takes conditions and values in pairs, then a value for all else: this has %d arguments", len(args))
		return &failed{}
	}
	for i := range args {
		if i%2 == 0 && i < len(args)-1 {
			if args[i] = b.argument("case", boolean, x.Args[i].At(), args[i]); isFailed(args[i]) {
				return &failed{}
			}
			continue
		}
		args[i] = widen(args[i], t)
	}
	return call("case", t, args...)
}

// instant computes now and ago of a constant in the compiler: one instant for the whole query.
func (b *binder) instant(x *syntax.Call, fn string, args []Expr) Expr {
	now := &Const{Value: b.now, T: schema.DateTime}
	if len(args) == 0 {
		return now
	}
	if c, ok := args[0].(*Const); ok {
		if d, ok := c.Value.(int64); ok {
			const century = 100 * 366 * 86400 * 1e6
			if d > century || d < -century {
				b.errorf(syntax.CodeType, x.Span, "%s() of more than a hundred years", fn)
				return &failed{}
			}
			if fn == "ago" {
				d = -d
			}
			return &Const{Value: b.now.Add(time.Duration(d) * time.Microsecond), T: schema.DateTime}
		}
	}
	op := map[string]string{"now": "datetime_shift+", "ago": "datetime_shift-"}[fn]
	return call(op, schema.DateTime, now, args[0])
}

func (b *binder) bin(x *syntax.Call, args []Expr, t schema.Type) Expr {
	args[0] = numericUnlessTime(args[0])
	at, size := args[0].Type(), args[1].Type()
	switch {
	case (at == schema.DateTime || at == schema.TimeSpan) && size == schema.TimeSpan:
	case isNumber(at) && isNumber(size):
		t = widest(at, size)
	default:
		b.errorf(syntax.CodeType, x.Span, "%s() cannot cut a %s into bins of a %s", x.Func.Text, at, size)
		return &failed{}
	}
	return call("bin", t, args...)
}

func numericUnlessTime(x Expr) Expr {
	if x.Type() == schema.Dynamic {
		return numeric(x)
	}
	return x
}

func (b *binder) toScalar(sc *scope, x *syntax.Call) Expr {
	if len(x.Args) != 1 {
		b.errorf(syntax.CodeType, x.Span, "toscalar() takes one table")
		return &failed{}
	}
	r := b.tabular(sc.env, x.Args[0])
	if isBroken(r) {
		return &failed{}
	}
	if len(r.Columns()) == 0 {
		b.errorf(syntax.CodeType, x.Span, "toscalar() needs a table with a column")
		return &failed{}
	}
	return &ToScalar{Query: r}
}

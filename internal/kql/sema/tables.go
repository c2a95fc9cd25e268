package sema

import (
	"slices"

	"boundgate/internal/kql/schema"
	"boundgate/internal/kql/syntax"
)

// knownFunctions are tabular functions of Log Analytics that are not run here.
var knownFunctions = []string{"workspace", "cluster", "database", "app", "resource", "externaldata", "external_table", "cluster"}

// noWatchlist is what _GetWatchlist gives for a list that does not exist.
func noWatchlist(name string) schema.Table {
	column := func(name string, t schema.Type) schema.Column { return schema.Column{Name: name, Type: t} }
	return schema.Table{Name: name, TimeColumn: "", Columns: []schema.Column{
		column("_DTItemId", schema.String), column("LastUpdatedTimeUTC", schema.DateTime), column("SearchKey", schema.String),
		column("WatchlistItem", schema.Dynamic),
	}}
}

// watchlist binds _GetWatchlist("name").
func (b *binder) watchlist(e *env, x *syntax.Call) Rel {
	if len(x.Args) == 0 {
		b.errorf(syntax.CodeType, x.Span, "_GetWatchlist() needs the name of a watchlist")
		return broken{}
	}
	v := b.expr(&scope{env: e}, x.Args[0])
	c, ok := v.(*Const)
	name, isString := valueOf(c, ok).(string)
	if !isString {
		if !isFailed(v) {
			b.errorf(syntax.CodeType, x.Args[0].At(), "_GetWatchlist() needs a constant name")
		}
		return broken{}
	}
	if !b.countOperator(x.Span) {
		return broken{}
	}
	for i := range b.schema.Watchlists {
		if b.schema.Watchlists[i].Name == name {
			return scan(b.schema.Watchlists[i])
		}
	}
	b.warn("There is no watchlist '%s': it was taken as empty.", name)
	return scan(noWatchlist(name))
}

// dataTable binds a table whose rows stand in the query.
func (b *binder) dataTable(e *env, op *syntax.DataTable) Rel {
	v := &Values{}
	for _, c := range op.Columns {
		t, ok := typeNames[c.Type]
		if !ok {
			b.errs.add(unknown(c.Span, "type", c.Type, typeList))
			return broken{}
		}
		if findColumn(v.Cols, c.Name.Text) != nil {
			b.errorf(syntax.CodeName, c.Span, "the column '%s' is named twice", c.Name.Text)
			return broken{}
		}
		v.Cols = append(v.Cols, &Column{Name: c.Name.Text, Type: t})
	}
	n := len(v.Cols)
	if n == 0 || len(op.Values)%n != 0 {
		b.errorf(syntax.CodeType, op.Span, "the datatable has %d columns and %d values: each row needs a value for each column", n, len(op.Values))
		return broken{}
	}
	for i, x := range op.Values {
		if i%n == 0 {
			v.Rows = append(v.Rows, make([]Expr, 0, n))
		}
		row := &v.Rows[i/n]
		*row = append(*row, b.cell(&scope{env: e}, v.Cols[i%n], x))
	}
	return v
}

// cell binds one value of a datatable. A bare null is the null of the column's type.
func (b *binder) cell(sc *scope, c *Column, x syntax.Expr) Expr {
	if n, ok := syntax.Unparen(x).(*syntax.Name); ok && n.Text == "null" {
		return missing(c.Type)
	}
	v := b.expr(sc, x)
	switch from := v.Type(); {
	case isFailed(v) || from == c.Type:
		return v
	case from == schema.Dynamic && valueOf(v.(*Const), true) == nil:
		return missing(c.Type)
	case isNumber(from) && isNumber(c.Type):
		return convertNumber(v, c.Type)
	case c.Type == schema.String || c.Type == schema.Dynamic || from == schema.String:
		return convert(v, c.Type)
	default:
		b.errorf(syntax.CodeType, x.At(), "the column '%s' is a %s, this is a %s", c.Name, c.Type, from)
		return v
	}
}

func convertNumber(x Expr, t schema.Type) Expr {
	if x.Type() == t {
		return x
	}
	return call(map[schema.Type]string{schema.Long: "tolong", schema.Int: "toint", schema.Real: "toreal"}[t], t, x)
}

// rangeOf binds range.
func (b *binder) rangeOf(e *env, op *syntax.Range) Rel {
	sc := &scope{env: e}
	from, to, step := b.expr(sc, op.From), b.expr(sc, op.To), b.expr(sc, op.Step)
	if isFailed(from, to, step) {
		return broken{}
	}
	t := from.Type()
	switch {
	case t == schema.DateTime && to.Type() == t && step.Type() == schema.TimeSpan:
	case t == schema.TimeSpan && to.Type() == t && step.Type() == t:
	case isNumber(t) && isNumber(to.Type()) && isNumber(step.Type()):
		t = widest(widest(t, to.Type()), step.Type())
		if t == schema.Int {
			t = schema.Long
		}
		from, to, step = convertNumber(from, t), convertNumber(to, t), convertNumber(step, t)
	default:
		b.errorf(syntax.CodeType, op.Span, "range cannot count from a %s to a %s in steps of a %s", t, to.Type(), step.Type())
		return broken{}
	}
	return &Series{Col: &Column{Name: op.Name.Text, Type: t}, From: from, To: to, Step: step}
}

// getSchema binds getschema: a row for each column.
func (b *binder) getSchema(in Rel) Rel {
	v := &Values{Cols: []*Column{
		{Name: "ColumnName", Type: schema.String}, {Name: "ColumnOrdinal", Type: schema.Int},
		{Name: "DataType", Type: schema.String}, {Name: "ColumnType", Type: schema.String},
	}}
	for i, c := range in.Columns() {
		v.Rows = append(v.Rows, []Expr{
			&Const{Value: c.Name, T: schema.String}, &Const{Value: int64(i), T: schema.Int},
			&Const{Value: dotNet[c.Type], T: schema.String}, &Const{Value: string(c.Type), T: schema.String},
		})
	}
	return v
}

// dotNet are the names that getschema gives the types in DataType.
var dotNet = map[schema.Type]string{
	schema.String: "System.String", schema.Long: "System.Int64", schema.Int: "System.Int32", schema.Real: "System.Double",
	schema.Bool: "System.SByte", schema.DateTime: "System.DateTime", schema.TimeSpan: "System.TimeSpan",
	schema.GUID: "System.Guid", schema.Dynamic: "System.Object",
}

func (b *binder) sampleDistinct(sc *scope, in Rel, op *syntax.SampleDistinct) Rel {
	keys := b.items(sc, []syntax.Expr{op.X})
	if len(keys) == 0 || isFailed(keys[0].X) {
		return broken{}
	}
	b.refuseDynamic(op.X.At(), keys[0].X, "sample-distinct")
	return &Take{Input: &Aggregate{Input: in, Keys: freshKeys(keys)}, N: b.constantLong(sc, op.N)}
}

// sample takes rows at random.
func (b *binder) sample(sc *scope, in Rel, op *syntax.Sample) Rel {
	shuffled := &Sort{Input: in, Keys: []SortKey{{X: call("rand", schema.Real)}}}
	cols := slices.Clone(in.Columns())
	return &Project{Input: &Take{Input: shuffled, N: b.constantLong(sc, op.N)}, Items: pass(cols)}
}

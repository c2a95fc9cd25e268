package emit

import (
	"strconv"
	"strings"

	"boundgate/internal/kql/plan"
)

// node writes a node as something that may stand behind FROM.
func (e *emitter) node(n plan.Node, depth int) string {
	pad := "\n" + strings.Repeat("  ", depth)
	from := func(in plan.Node) string { return e.node(in, depth+1) }
	var s string
	switch n := n.(type) {
	case *plan.Scan:
		s = e.selectList(n.Columns(), func(i int) string { return Quote(n.Cols[i].Physical) }) + pad + "FROM " + Quote(n.Table.Physical)
	case *plan.Single:
		s = "SELECT 1"
	case *plan.Values:
		s = e.values(n, pad)
	case *plan.Filter:
		source := from(n.Input)
		s = e.passed(n.Input) + pad + "FROM " + source + pad + "WHERE " + e.expr(n.Cond)
	case *plan.Project:
		source := from(n.Input)
		s = e.items(n.Items) + pad + "FROM " + source
	case *plan.Aggregate:
		source := from(n.Input)
		s = e.aggregate(n, pad+"FROM "+source, pad)
	case *plan.Sort:
		source := from(n.Input)
		s = e.passed(n.Input) + pad + "FROM " + source
		if len(n.Keys) > 0 {
			s += pad + e.orderBy(n.Keys)
		}
		s += e.limit(n.N, pad)
	case *plan.Unnest:
		s = e.unnest(n, depth, pad)
	case *plan.Union:
		s = e.union(n, depth, pad)
	case *plan.FirstPerKey:
		source := from(n.Input)
		s = e.passed(n.Input) + pad + "FROM " + source + pad + strings.ReplaceAll(e.d.FirstRow, "{keys}", strings.Join(e.exprs(n.Keys), ", "))
	case *plan.Join:
		s = e.join(n, depth, pad)
	default:
		s = e.fail("no SQL for %T", n)
	}
	return "(" + s + ") AS t"
}

// values writes a row of casts that is filtered away, which gives the columns their types, and the rows beside it.
func (e *emitter) values(n *plan.Values, pad string) string {
	cols := n.Cols
	s := e.selectList(cols, func(i int) string { return e.param(nil, cols[i].Type) }) + " WHERE FALSE"
	for _, row := range n.Rows {
		s += pad + "UNION ALL" + pad + e.selectList(cols, func(i int) string { return e.expr(row[i]) })
	}
	return s
}

// selectList writes SELECT with one expression for each column.
func (e *emitter) selectList(cols []*plan.Column, x func(int) string) string {
	if len(cols) == 0 {
		return `SELECT 1 AS "nothing"` // a row is a row, even when nobody asks for its columns
	}
	parts := make([]string, len(cols))
	for i, c := range cols {
		value, name := x(i), e.col(c)
		if parts[i] = value + " AS " + name; value == name {
			parts[i] = name
		}
	}
	return "SELECT " + strings.Join(parts, ", ")
}

func (e *emitter) items(items []plan.Item) string {
	cols := make([]*plan.Column, len(items))
	for i, it := range items {
		cols[i] = it.Col
	}
	return e.selectList(cols, func(i int) string { return e.expr(items[i].X) })
}

func (e *emitter) passed(in plan.Node) string {
	cols := in.Columns()
	return e.selectList(cols, func(i int) string { return e.col(cols[i]) })
}

func (e *emitter) orderBy(keys []plan.SortKey) string {
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = e.expr(k.X) + map[bool]string{false: " ASC", true: " DESC"}[k.Desc] +
			map[bool]string{false: " NULLS LAST", true: " NULLS FIRST"}[k.NullsFirst]
	}
	return "ORDER BY " + strings.Join(parts, ", ")
}

func (e *emitter) limit(n int64, pad string) string {
	if n < 0 {
		return ""
	}
	return pad + "LIMIT " + strconv.FormatInt(n, 10)
}

func (e *emitter) aggregate(n *plan.Aggregate, from, pad string) string {
	values := make([]string, 0, len(n.Keys)+len(n.Aggs))
	var groups []string
	for i, k := range n.Keys {
		values = append(values, e.expr(k.X))
		groups = append(groups, strconv.Itoa(i+1))
	}
	for _, a := range n.Aggs {
		values = append(values, e.agg(a))
	}
	s := e.selectList(n.Columns(), func(i int) string { return values[i] }) + from
	if len(groups) > 0 {
		s += pad + "GROUP BY " + strings.Join(groups, ", ")
	}
	return s
}

func (e *emitter) agg(a plan.Agg) string {
	t, ok := e.d.Aggregates[a.Name+"/"+strconv.Itoa(len(a.Args))]
	if !ok {
		t, ok = e.d.Aggregates[a.Name]
	}
	if !ok {
		return e.fail("the aggregate %q has no SQL", a.Name)
	}
	order := ""
	if len(a.Order) > 0 {
		order = " " + e.orderBy(a.Order)
	}
	args := e.exprs(a.Args)
	var row []string
	for i, x := range args {
		row = append(row, "c"+strconv.Itoa(i)+" := "+x)
	}
	r := strings.NewReplacer("{order}", order, "{pick}", "c"+strconv.Itoa(a.Pick), "{row}", strings.Join(row, ", "))
	return fill(r.Replace(t), args)
}

// unnest writes the lists into columns first and takes them apart in the select around, where lists of one SELECT run
// in parallel.
func (e *emitter) unnest(n *plan.Unnest, depth int, pad string) string {
	source := e.node(n.Input, depth+2)
	var lists []plan.Item
	for _, it := range n.Items {
		lists = append(lists, plan.Item{Col: &plan.Column{Name: it.Col.Name + "_list"}, X: it.X})
	}
	input := n.Input.Columns()
	inner := e.passed(n.Input)
	for _, it := range lists {
		inner += ", " + e.expr(it.X) + " AS " + e.col(it.Col)
	}
	cols := n.Columns()
	lengths := make([]string, len(lists))
	for i, it := range lists {
		lengths[i] = "len(" + e.col(it.Col) + ")"
	}
	value := func(i int) string {
		switch j := i - len(input); {
		case j < 0:
			return e.col(input[i])
		case j < len(lists):
			list := e.col(lists[j].Col)
			if n.Limit > 0 {
				list = "list_slice(" + list + ", 1, " + strconv.FormatInt(n.Limit, 10) + ")"
			}
			return "unnest(" + list + ")"
		}
		longest := "greatest(" + strings.Join(lengths, ", ") + ", 0)"
		if n.Limit > 0 {
			longest = "least(" + longest + ", " + strconv.FormatInt(n.Limit, 10) + ")"
		}
		return "unnest(range(" + longest + "))"
	}
	return e.selectList(cols, value) + pad + "FROM (" + inner + pad + "  FROM " + source + ") AS t"
}

func (e *emitter) union(n *plan.Union, depth int, pad string) string {
	parts := make([]string, len(n.Inputs))
	for i, in := range n.Inputs {
		source := e.node(in, depth+1)
		cols := in.Columns()
		parts[i] = e.selectList(n.Cols, func(j int) string { return e.col(cols[j]) }) + pad + "FROM " + source
	}
	return strings.Join(parts, pad+"UNION ALL"+pad)
}

func (e *emitter) join(n *plan.Join, depth int, pad string) string {
	left := strings.TrimSuffix(e.node(n.Left, depth+1), " AS t") + " AS l"
	right := strings.TrimSuffix(e.node(n.Right, depth+1), " AS t") + " AS r"
	on := make([]string, len(n.LeftKeys))
	for i := range n.LeftKeys {
		on[i] = e.expr(n.LeftKeys[i]) + " = " + e.expr(n.RightKeys[i])
	}
	cond := strings.Join(on, " AND ")
	cols := n.Columns()
	s := e.selectList(cols, func(i int) string { return e.col(cols[i]) }) + pad + "FROM " + left + pad
	switch n.Kind {
	case "semi", "anti":
		return s + map[string]string{"semi": "WHERE EXISTS", "anti": "WHERE NOT EXISTS"}[n.Kind] + " (SELECT 1 FROM " + right + pad + "WHERE " + cond + ")"
	}
	return s + strings.ToUpper(n.Kind) + " JOIN " + right + pad + "ON " + cond
}

// Package plan holds the relational operators that a KQL query becomes.
//
// By the time a query is a plan, KQL's meaning is spelt out: nulls are compared as a database compares them, strings are
// never null, a dynamic value is JSON text, and what is left is a relational tree that any SQL database can run. A column
// is one pointer from the operator that makes it to the last that passes it on.
package plan

import "boundgate/internal/kql/schema"

// A Column is a column of some node's output. Identity is the pointer; Name is a hint for people who read the SQL.
type Column struct {
	Name   string
	Type   schema.Type
	Source *schema.Column // the table's column that this is, unchanged; nil for all others
}

// An Expr is a scalar expression.
type Expr interface{ expr() }

// Expressions.
type (
	// Ref is a column.
	Ref struct{ Col *Column }
	// Const is a constant, passed as a parameter: nil, string, int64, float64, bool or time.Time.
	Const struct {
		Value any
		Type  schema.Type
	}
	// Op is an operation that emit has SQL for.
	Op struct {
		Name string
		Args []Expr
	}
	// InQuery is true where X is in the first column of Query.
	InQuery struct {
		X     Expr
		Query Node
	}
	// Scalar is the first column of Query's only row.
	Scalar struct{ Query Node }
)

func (*Ref) expr()     {}
func (*Const) expr()   {}
func (*Op) expr()      {}
func (*InQuery) expr() {}
func (*Scalar) expr()  {}

// A Node is a relational operator.
type Node interface {
	Columns() []*Column
}

// An Item is an output column and what fills it. An X that is a Ref to Col passes the column on.
type Item struct {
	Col *Column
	X   Expr
}

// Passes reports whether the item passes its column on.
func (it Item) Passes() bool {
	r, ok := it.X.(*Ref)
	return ok && r.Col == it.Col
}

// An Agg is an aggregate. Order is the order of the rows, for those that keep it.
type Agg struct {
	Col   *Column
	Name  string
	Args  []Expr
	Pick  int
	Order []SortKey
}

// A SortKey is one key of a sort. Nulls are always placed explicitly.
type SortKey struct {
	X          Expr
	Desc       bool
	NullsFirst bool
}

// A ScanColumn is a column as the table stores it.
type ScanColumn struct {
	Col      *Column
	Physical string
}

// Nodes.
type (
	// Scan reads columns of a table.
	Scan struct {
		Table schema.Table
		Cols  []ScanColumn
	}
	// Single is one row without columns.
	Single struct{}
	// Values is rows of expressions over nothing.
	Values struct {
		Cols []*Column
		Rows [][]Expr
	}
	// Filter keeps the rows for which Cond is true.
	Filter struct {
		Input Node
		Cond  Expr
	}
	// Project computes the output columns.
	Project struct {
		Input Node
		Items []Item
	}
	// Aggregate groups by Keys.
	Aggregate struct {
		Input Node
		Keys  []Item
		Aggs  []Agg
	}
	// Sort orders the rows, and keeps the first N of them when N is not negative.
	Sort struct {
		Input Node
		Keys  []SortKey
		N     int64
	}
	// Unnest yields a row for each element of the lists in Items, the shorter padded with null, beside Input's columns.
	// Index, when set, counts the elements from 0.
	Unnest struct {
		Input Node
		Items []Item
		Index *Column
		Limit int64
	}
	// Union is the rows of all inputs, whose columns correspond by position.
	Union struct {
		Inputs []Node
		Cols   []*Column
	}
	// FirstPerKey keeps one row for each key.
	FirstPerKey struct {
		Input Node
		Keys  []Expr
	}
	// Join pairs rows with equal keys: inner, left, right, full, semi or anti.
	Join struct {
		Kind                string
		Left, Right         Node
		LeftKeys, RightKeys []Expr
	}
)

// Columns returns the stored columns that are read.
func (n *Scan) Columns() []*Column {
	list := make([]*Column, len(n.Cols))
	for i, c := range n.Cols {
		list[i] = c.Col
	}
	return list
}

// Columns returns none.
func (n *Single) Columns() []*Column { return nil }

// Columns returns the declared columns.
func (n *Values) Columns() []*Column { return n.Cols }

// Columns returns those of the input.
func (n *Filter) Columns() []*Column { return n.Input.Columns() }

// Columns returns the computed columns.
func (n *Project) Columns() []*Column { return itemColumns(n.Items) }

// Columns returns those of the input.
func (n *Sort) Columns() []*Column { return n.Input.Columns() }

// Columns returns those of the input.
func (n *FirstPerKey) Columns() []*Column { return n.Input.Columns() }

// Columns returns the united columns.
func (n *Union) Columns() []*Column { return n.Cols }

// Columns returns the keys, then the aggregates.
func (n *Aggregate) Columns() []*Column {
	list := itemColumns(n.Keys)
	for _, a := range n.Aggs {
		list = append(list, a.Col)
	}
	return list
}

// Columns returns the input's columns, then the elements, then the index.
func (n *Unnest) Columns() []*Column {
	list := append([]*Column{}, n.Input.Columns()...)
	list = append(list, itemColumns(n.Items)...)
	if n.Index != nil {
		list = append(list, n.Index)
	}
	return list
}

// Columns returns the columns of both sides, or of the left alone for semi and anti joins.
func (n *Join) Columns() []*Column {
	list := append([]*Column{}, n.Left.Columns()...)
	if n.Kind == "semi" || n.Kind == "anti" {
		return list
	}
	return append(list, n.Right.Columns()...)
}

func itemColumns(items []Item) []*Column {
	list := make([]*Column, len(items))
	for i, it := range items {
		list[i] = it.Col
	}
	return list
}

// Package sema resolves the names and types of a KQL query against a schema.
//
// What it returns is a tree of tabular operators over typed scalar expressions in which every name is a pointer to a
// column, every let is gone, and every operator is one this service can run: the rest is refused here, by name and with
// its place in the text. Each column is one pointer from the operator that makes it to the last that passes it on, so
// later passes can follow a column without thinking about names.
package sema

import (
	"boundgate/internal/kql/schema"
	"boundgate/internal/kql/syntax"
)

// A Column is a column of some operator's output. Identity is the pointer; names may repeat elsewhere in the query.
type Column struct {
	Name   string
	Type   schema.Type
	Source *schema.Column // the column of a table that this is, unchanged; nil for all others
}

// An Expr is a typed scalar expression.
type Expr interface {
	Type() schema.Type
}

// Expressions.
type (
	// Ref is the value of a column.
	Ref struct{ Col *Column }
	// Const is a constant: nil for null, else string, int64, float64, bool, time.Time, or compact JSON text for a
	// dynamic. A timespan is an int64 of microseconds.
	Const struct {
		Value any
		T     schema.Type
	}
	// Call is a function or an operator such as == applied to its arguments.
	Call struct {
		Fn   string
		Args []Expr
		T    schema.Type
	}
	// InQuery is `X in (Query)`: Query's first column holds the values.
	InQuery struct {
		Op    string // in, !in, in~, !in~
		X     Expr
		Query Rel
	}
	// ToScalar is the first column of the first row of Query, null when there is none.
	ToScalar struct{ Query Rel }
)

// Type returns the KQL type of the expression.
func (x *Ref) Type() schema.Type      { return x.Col.Type }
func (x *Const) Type() schema.Type    { return x.T }                       // Type returns the KQL type of the constant.
func (x *Call) Type() schema.Type     { return x.T }                       // Type returns the KQL type of the result.
func (x *InQuery) Type() schema.Type  { return schema.Bool }               // Type returns bool.
func (x *ToScalar) Type() schema.Type { return x.Query.Columns()[0].Type } // Type returns the first column's type.

// A Rel is a tabular operator.
type Rel interface {
	Columns() []*Column // of the output, in order
}

// An Item is an output column and the expression that fills it.
type Item struct {
	Col *Column
	X   Expr
}

// An Agg is an output column of an aggregation. Pick chooses among the results of arg_max and arg_min: 0 is the
// extreme itself, n the nth column behind it.
type Agg struct {
	Col  *Column
	Fn   string
	Args []Expr
	Pick int
}

// A SortKey is one key of a sort.
type SortKey struct {
	X          Expr
	Desc       bool
	NullsFirst bool
}

// An Expansion is one expression of mv-expand.
type Expansion struct {
	Col *Column
	X   Expr
	To  schema.Type // of `to typeof`; "" when there is none
}

// Tabular operators.
type (
	// Scan reads a table.
	Scan struct {
		Table schema.Table
		Cols  []*Column
	}
	// Single is one row without columns, which print starts from.
	Single struct{}
	// Values is a table whose rows stand in the query.
	Values struct {
		Cols []*Column
		Rows [][]Expr
	}
	// Series is the values from From to To, both included, in steps of Step.
	Series struct {
		Col            *Column
		From, To, Step Expr
	}
	// Filter keeps the rows for which Cond is true.
	Filter struct {
		Input Rel
		Cond  Expr
	}
	// Project computes all output columns; an Item whose X is a Ref to its own Col passes the column on.
	Project struct {
		Input Rel
		Items []Item
	}
	// Aggregate groups by Keys. Without aggregates it yields the distinct keys.
	Aggregate struct {
		Input Rel
		Keys  []Item
		Aggs  []Agg
	}
	// Sort orders the rows.
	Sort struct {
		Input Rel
		Keys  []SortKey
	}
	// Take keeps N rows.
	Take struct {
		Input Rel
		N     int64
	}
	// Expand is mv-expand. Cols is the whole output.
	Expand struct {
		Input   Rel
		Items   []Expansion
		Index   *Column // of with_itemindex; nil when absent
		BagPair bool    // kind=array: a bag's property is a [key, value]
		Limit   int64   // of elements for each input row; 0 is none
		Cols    []*Column
	}
	// Union is all rows of all inputs; Inputs all yield as many columns as Cols, in its order.
	Union struct {
		Inputs []Rel
		Cols   []*Column
	}
	// Join pairs rows whose keys are equal. Right's columns in the output are Items over them, since a missing string
	// comes out as "".
	Join struct {
		Kind        string
		Left, Right Rel
		LeftKeys    []Expr
		RightKeys   []Expr
		Items       []Item
	}
)

// Columns returns the output columns in order.
func (r *Scan) Columns() []*Column    { return r.Cols }
func (r *Single) Columns() []*Column  { return nil }                  // Columns returns none.
func (r *Values) Columns() []*Column  { return r.Cols }               // Columns returns the declared columns.
func (r *Series) Columns() []*Column  { return []*Column{r.Col} }     // Columns returns the one column.
func (r *Filter) Columns() []*Column  { return r.Input.Columns() }    // Columns returns those of the input.
func (r *Project) Columns() []*Column { return itemColumns(r.Items) } // Columns returns the computed columns.
func (r *Sort) Columns() []*Column    { return r.Input.Columns() }    // Columns returns those of the input.
func (r *Take) Columns() []*Column    { return r.Input.Columns() }    // Columns returns those of the input.
func (r *Expand) Columns() []*Column  { return r.Cols }               // Columns returns the whole output.
func (r *Union) Columns() []*Column   { return r.Cols }               // Columns returns the united columns.
func (r *Join) Columns() []*Column    { return itemColumns(r.Items) } // Columns returns both sides' columns.

// Columns returns the keys, then the aggregates.
func (r *Aggregate) Columns() []*Column {
	list := itemColumns(r.Keys)
	for _, a := range r.Aggs {
		list = append(list, a.Col)
	}
	return list
}

func itemColumns(items []Item) []*Column {
	list := make([]*Column, len(items))
	for i, it := range items {
		list[i] = it.Col
	}
	return list
}

// A Render is what a render operator asks for; it changes nothing in the data.
type Render struct {
	Visualization string
	Properties    map[string]string
}

// A Query is a resolved query.
type Query struct {
	Rel      Rel
	Render   *Render
	Warnings []string
}

// An errorList collects what is wrong, and gives up at a bound: a query of a thousand mistakes needs no list of them.
type errorList struct{ list []syntax.Error }

const maxErrors = 50

func (e *errorList) add(err syntax.Error) {
	if len(e.list) < maxErrors {
		e.list = append(e.list, err)
	}
}

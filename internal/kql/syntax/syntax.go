// Package syntax reads KQL text into a tree in which every node has a span.
//
// The tree is wider than what can be run: an operator nobody here has taught a meaning is kept with its name and its
// tokens, so that the next pass can refuse it by name instead of calling it a syntax error. Parentheses are kept as
// nodes; String on any tree therefore parses back to the same tree without knowing precedence twice.
package syntax

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits on the text that Parse reads.
const (
	MaxBytes  = 256 << 10 // of text
	MaxDepth  = 256       // of nesting, and of one chain of arithmetic
	maxErrors = 20
)

// A Span is a half-open range of byte offsets in the text.
type Span struct{ Start, End int }

// At returns s itself, so that a node may embed its span.
func (s Span) At() Span { return s }

// To returns the span from the start of s to the end of e.
func (s Span) To(e Span) Span { return Span{s.Start, max(s.End, e.End)} }

// A Position is a place in the text as an editor shows it.
type Position struct {
	Line   int // from 1
	Column int // in characters, from 1
	Offset int // in bytes, from 0
}

// Locate returns the position of a byte offset; one that lies outside the text is moved to its nearer end.
func Locate(src string, offset int) Position {
	offset = max(0, min(offset, len(src)))
	line := strings.LastIndexByte(src[:offset], '\n') + 1
	return Position{
		Line:   1 + strings.Count(src[:offset], "\n"),
		Column: 1 + utf8.RuneCountInString(src[line:offset]),
		Offset: offset,
	}
}

// An Error is one thing wrong with a query.
type Error struct {
	Code       string // such as SYN0002
	Message    string
	Span       Span
	Position   Position // of the start of Span; zero until someone who has the text sets it, as Parse does
	Suggestion string   // the name that was perhaps meant; "" when there is none
}

// The codes of errors, after those of Log Analytics.
const (
	CodeSyntax      = "SYN0002" // the text does not follow the grammar
	CodeLimit       = "SYN0001" // the text is too long or nested too deeply
	CodeName        = "SEM0100" // a name is unknown
	CodeType        = "SEM0024" // an operand or argument has a type that does not fit
	CodeUnsupported = "SEM0600" // KQL has it, this service does not
)

// Errorf makes an error at a span.
func Errorf(code string, at Span, format string, args ...any) Error {
	return Error{Code: code, Message: fmt.Sprintf(format, args...), Span: at}
}

// A Node is any part of the tree. String gives KQL text that parses back to the same node.
type Node interface {
	At() Span
	String() string
}

// An Expr is a scalar or tabular expression.
type Expr interface {
	Node
	expr()
}

// An Operator is one step of a pipe, such as `where x > 1`.
type Operator interface {
	Node
	operator()
}

// A Statement is one of the parts between semicolons.
type Statement interface {
	Node
	statement()
}

// A Query is a whole text.
type Query struct {
	Span
	Statements []Statement
}

// Statements.
type (
	// Let is `let Name = Value`.
	Let struct {
		Span
		Name  *Name
		Value Expr
	}
	// ExprStatement is an expression, most often a pipe.
	ExprStatement struct {
		Span
		X Expr
	}
	// OtherStatement is a statement that is only known by its first word, such as set.
	OtherStatement struct {
		Span
		Word   string
		Tokens []string
	}
)

// Expressions.
type (
	// Name is a name, bare or in brackets.
	Name struct {
		Span
		Text string
	}
	// Wildcard is a name pattern such as `Foo*`, or the star alone.
	Wildcard struct {
		Span
		Pattern string
	}
	// Literal is a constant as it was written; String literals hold their value in Text, without quotes.
	Literal struct {
		Span
		Kind LiteralKind
		Text string
	}
	// Call is `Func(Args...)`.
	Call struct {
		Span
		Func *Name
		Args []Expr
	}
	// MemberCall is `X.Func(Args...)`, such as workspace("w").SigninLogs(1).
	MemberCall struct {
		Span
		X    Expr
		Func *Name
		Args []Expr
	}
	// Member is `X.Name`.
	Member struct {
		Span
		X    Expr
		Name *Name
	}
	// Index is `X[Index]`.
	Index struct {
		Span
		X     Expr
		Index Expr
	}
	// Unary is `Op X`, where Op is + or -.
	Unary struct {
		Span
		Op string
		X  Expr
	}
	// Binary is `L Op R`.
	Binary struct {
		Span
		Op     string
		OpSpan Span
		L, R   Expr
	}
	// In is `X Op (List)`, for in, !in, in~, !in~, has_any and has_all.
	In struct {
		Span
		Op     string
		OpSpan Span
		X      Expr
		List   []Expr
	}
	// Between is `X between (Lo .. Hi)` or its negation.
	Between struct {
		Span
		Not    bool
		X      Expr
		Lo, Hi Expr
	}
	// Paren is `(X)`.
	Paren struct {
		Span
		X Expr
	}
	// Named is `a = X`, or `(a, b) = X` when there is more than one name.
	Named struct {
		Span
		Names []*Name
		X     Expr
	}
	// Lambda is the function of a let: `(a:string, n:int=5, T:(x:long)) { body }`.
	Lambda struct {
		Span
		View   bool // of `view () { ... }`
		Params []LambdaParam
		Body   []Statement
	}
	// Pipe is `Source | op | op`.
	Pipe struct {
		Span
		Source Expr
		Ops    []Operator
	}
	// Leading is an operator at the head of a pipe, such as union or print.
	Leading struct {
		Span
		Op Operator
	}
	// Bad stands where an expression could not be read; the error is in the list.
	Bad struct{ Span }
)

// A LiteralKind says how a literal was written.
type LiteralKind int

// Kinds of literals. The Text of a typed literal such as datetime(...) is what stands in the parentheses.
const (
	String LiteralKind = iota
	Long
	Real
	TimeSpan
	Bool
	Null
	DateTime
	Dynamic // Text is compact JSON
	TypedInt
	TypedLong
	TypedReal
	TypedDecimal
	TypedBool
	TypedTimeSpan
	TypedGUID
)

// Operators.
type (
	// Where is where, or filter.
	Where struct {
		Span
		Cond Expr
	}
	// List is an operator that takes a list of expressions: project and its kin, extend, distinct, print.
	List struct {
		Span
		Word  string
		Items []Expr
	}
	// Summarize is summarize.
	Summarize struct {
		Span
		Params []Param
		Aggs   []Expr
		By     []Expr
	}
	// Sort is sort or order, and top when N is set.
	Sort struct {
		Span
		N    Expr
		Keys []SortKey
	}
	// Take is take, or limit.
	Take struct {
		Span
		N Expr
	}
	// Count is count.
	Count struct{ Span }
	// MvExpand is mv-expand.
	MvExpand struct {
		Span
		Params []Param
		Items  []ExpandItem
		Limit  Expr
	}
	// Union is union, at the head of a pipe or within it.
	Union struct {
		Span
		Params []Param
		Tables []Expr
	}
	// Join is join or lookup.
	Join struct {
		Span
		Word   string
		Params []Param
		Right  Expr
		On     []Expr
	}
	// Render is render.
	Render struct {
		Span
		Kind  *Name
		Props []Param
	}
	// As gives what the pipe holds so far a name for later use.
	As struct {
		Span
		Params []Param
		Name   *Name
	}
	// Invoke calls a function with the pipe as its first argument.
	Invoke struct {
		Span
		Call *Call
	}
	// Evaluate calls a plugin with the pipe as its input; Columns is the schema that the query states for the result.
	Evaluate struct {
		Span
		Params  []Param
		Call    *Call
		Columns []ColumnDecl
		Star    bool // the stated schema begins with *, the input's columns
	}
	// ParseText is parse and parse-where.
	ParseText struct {
		Span
		Word   string
		Params []Param
		X      Expr
		Parts  []ParsePart
	}
	// MvApply is mv-apply: Body runs over the elements of each row.
	MvApply struct {
		Span
		Params []Param
		Items  []ExpandItem
		Limit  Expr
		Body   []Operator
	}
	// MakeSeries is make-series.
	MakeSeries struct {
		Span
		Params         []Param
		Aggs           []SeriesAgg
		On             Expr
		From, To, Step Expr // From and To may be nil
		By             []Expr
	}
	// Range is `range x from a to b step c`.
	Range struct {
		Span
		Name           *Name
		From, To, Step Expr
	}
	// DataTable is `datatable (a:string, ...) [values]`.
	DataTable struct {
		Span
		Columns []ColumnDecl
		Values  []Expr
	}
	// Sample is sample.
	Sample struct {
		Span
		N Expr
	}
	// SampleDistinct is `sample-distinct N of X`.
	SampleDistinct struct {
		Span
		N, X Expr
	}
	// GetSchema is getschema.
	GetSchema struct{ Span }
	// Other is an operator known by its name only.
	Other struct {
		Span
		Word   string
		Tokens []string
	}
)

// A LambdaParam is a parameter of a function: a scalar of the type Type, or a table with at least the columns Columns.
type LambdaParam struct {
	Span
	Name    *Name
	Type    string // "" for a table
	Default Expr   // nil when it must be given
	Columns []ColumnDecl
	Any     bool // of `T:(*)`: whatever columns the table has
}

// A ColumnDecl is `Name:type`.
type ColumnDecl struct {
	Span
	Name *Name
	Type string
}

// A Param is `name=value` behind an operator's word.
type Param struct {
	Span
	Name  string
	Value Expr
}

// A SortKey is one key of sort or top.
type SortKey struct {
	Span
	X     Expr
	Dir   string // asc, desc or ""
	Nulls string // first, last or ""
}

// An ExpandItem is one expression of mv-expand.
type ExpandItem struct {
	Span
	X    Expr
	Type string // of `to typeof(...)`; "" when there is none
}

// A SeriesAgg is one aggregate of make-series, with what stands for a bin without rows.
type SeriesAgg struct {
	Span
	X       Expr
	Default Expr // nil when not given
}

// A ParsePart is one piece of a parse pattern: Text to find, Star for what is skipped, or a column.
type ParsePart struct {
	Span
	Star bool
	Text *Literal
	Name *Name
	Type string // of the column; "" is string
}

func (*Let) statement()            {}
func (*ExprStatement) statement()  {}
func (*OtherStatement) statement() {}

func (*Name) expr()       {}
func (*Wildcard) expr()   {}
func (*Literal) expr()    {}
func (*Call) expr()       {}
func (*MemberCall) expr() {}
func (*Member) expr()     {}
func (*Index) expr()      {}
func (*Unary) expr()      {}
func (*Binary) expr()     {}
func (*In) expr()         {}
func (*Between) expr()    {}
func (*Paren) expr()      {}
func (*Named) expr()      {}
func (*Lambda) expr()     {}
func (*Pipe) expr()       {}
func (*Leading) expr()    {}
func (*Bad) expr()        {}

func (*Where) operator()          {}
func (*List) operator()           {}
func (*Summarize) operator()      {}
func (*Sort) operator()           {}
func (*Take) operator()           {}
func (*Count) operator()          {}
func (*MvExpand) operator()       {}
func (*Union) operator()          {}
func (*Join) operator()           {}
func (*Render) operator()         {}
func (*Other) operator()          {}
func (*As) operator()             {}
func (*Invoke) operator()         {}
func (*Evaluate) operator()       {}
func (*ParseText) operator()      {}
func (*MvApply) operator()        {}
func (*MakeSeries) operator()     {}
func (*Range) operator()          {}
func (*DataTable) operator()      {}
func (*Sample) operator()         {}
func (*SampleDistinct) operator() {}
func (*GetSchema) operator()      {}

// Unparen returns x without the parentheses around it.
func Unparen(x Expr) Expr {
	for {
		p, ok := x.(*Paren)
		if !ok {
			return x
		}
		x = p.X
	}
}

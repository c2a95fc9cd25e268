package syntax

import (
	"fmt"
	"slices"
	"strings"
)

// words are names that would be read as something else when they stand bare.
var words = map[string]bool{"true": true, "false": true, "let": true, "dynamic": true, "by": true, "asc": true, "desc": true}

func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case 0:
			b.WriteString(`\0`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func plainName(s string) bool {
	if s == "" || !isNameStart(s[0]) || words[s] || isBinaryWord(s) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isNamePart(s[i]) {
			return false
		}
	}
	return true
}

// printToken writes a token so that it is read again as itself.
func printToken(t token) string {
	switch t.kind {
	case tokenString:
		return quote(t.text)
	case tokenTyped:
		return t.text + "(" + t.arg + ")"
	}
	return t.text
}

func join[N Node](list []N) string {
	parts := make([]string, len(list))
	for i, n := range list {
		parts[i] = n.String()
	}
	return strings.Join(parts, ", ")
}

func (q *Query) String() string {
	parts := make([]string, len(q.Statements))
	for i, s := range q.Statements {
		parts[i] = s.String()
	}
	return strings.Join(parts, ";\n")
}

func (s *Let) String() string           { return "let " + s.Name.String() + " = " + s.Value.String() }
func (s *ExprStatement) String() string { return s.X.String() }
func (s *OtherStatement) String() string {
	return strings.Join(append([]string{s.Word}, s.Tokens...), " ")
}

func (x *Name) String() string {
	if plainName(x.Text) {
		return x.Text
	}
	return "[" + quote(x.Text) + "]"
}

func (x *Wildcard) String() string { return x.Pattern }

func (x *Literal) String() string {
	switch x.Kind {
	case String:
		return quote(x.Text)
	case Dynamic:
		return "dynamic(" + x.Text + ")"
	}
	for word, kind := range typedPrint {
		if kind == x.Kind {
			return word + "(" + x.Text + ")"
		}
	}
	return x.Text
}

var typedPrint = map[string]LiteralKind{
	"datetime": DateTime, "timespan": TypedTimeSpan, "guid": TypedGUID, "int": TypedInt, "long": TypedLong,
	"real": TypedReal, "decimal": TypedDecimal, "bool": TypedBool,
}

// String writes the function's name bare: in brackets it would be a column's.
func (x *Call) String() string { return x.Func.Text + "(" + join(x.Args) + ")" }

func (x *MemberCall) String() string {
	return member(x.X) + "." + x.Func.Text + "(" + join(x.Args) + ")"
}

func (x *Member) String() string { return member(x.X) + "." + x.Name.String() }

// member writes what stands before a point. Behind a number there is a space: the point would be read as the number's.
func member(x Expr) string {
	if lit, ok := x.(*Literal); ok && (lit.Kind == Long || lit.Kind == Real) {
		return lit.Text + " "
	}
	return x.String()
}

func (x *Index) String() string { return x.X.String() + "[" + x.Index.String() + "]" }
func (x *Unary) String() string { return x.Op + x.X.String() }
func (x *Paren) String() string { return "(" + x.X.String() + ")" }
func (x *Bad) String() string   { return "" }

// String writes a chain of any length without copying its left side once for each operator.
func (x *Binary) String() string {
	chain := []*Binary{x}
	for {
		l, ok := chain[len(chain)-1].L.(*Binary)
		if !ok {
			break
		}
		chain = append(chain, l)
	}
	var b strings.Builder
	b.WriteString(chain[len(chain)-1].L.String())
	for _, x := range slices.Backward(chain) {
		if x.Op != "," {
			b.WriteByte(' ')
		}
		b.WriteString(x.Op + " " + x.R.String())
	}
	return b.String()
}

func (x *In) String() string { return x.X.String() + " " + x.Op + " (" + join(x.List) + ")" }

func (x *Between) String() string {
	op := "between"
	if x.Not {
		op = "!between"
	}
	return fmt.Sprintf("%s %s (%s .. %s)", x.X, op, x.Lo, x.Hi)
}

func (x *Named) String() string {
	if len(x.Names) == 1 {
		return x.Names[0].String() + " = " + x.X.String()
	}
	return "(" + join(x.Names) + ") = " + x.X.String()
}

func (x *Lambda) String() string {
	parts := make([]string, len(x.Body))
	for i, s := range x.Body {
		parts[i] = s.String()
	}
	view := ""
	if x.View {
		view = "view "
	}
	return view + "(" + stringers(x.Params) + ") { " + strings.Join(parts, "; ") + " }"
}

func stringers[S fmt.Stringer](list []S) string {
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = s.String()
	}
	return strings.Join(parts, ", ")
}

// String writes the parameter with its type and its default.
func (p LambdaParam) String() string {
	switch {
	case p.Any:
		return p.Name.String() + ":(*)"
	case p.Type == "":
		return p.Name.String() + ":(" + stringers(p.Columns) + ")"
	case p.Default != nil:
		return p.Name.String() + ":" + p.Type + "=" + p.Default.String()
	}
	return p.Name.String() + ":" + p.Type
}

// String writes Name:type.
func (c ColumnDecl) String() string { return c.Name.String() + ":" + c.Type }

func (x *Pipe) String() string {
	var b strings.Builder
	b.WriteString(x.Source.String())
	for _, op := range x.Ops {
		b.WriteString("\n| ")
		b.WriteString(op.String())
	}
	return b.String()
}

func (x *Leading) String() string { return x.Op.String() }

func (o *Where) String() string { return "where " + o.Cond.String() }
func (o *List) String() string  { return strings.TrimSpace(o.Word + " " + join(o.Items)) }
func (o *Take) String() string  { return "take " + o.N.String() }
func (o *Count) String() string { return "count" }

func (o *Summarize) String() string {
	s := "summarize " + printParams(o.Params) + join(o.Aggs)
	if len(o.By) > 0 {
		s += " by " + join(o.By)
	}
	return s
}

func printParams(list []Param) string {
	var b strings.Builder
	for _, p := range list {
		b.WriteString(p.String() + " ")
	}
	return b.String()
}

// String writes name=value.
func (p Param) String() string { return p.Name + "=" + p.Value.String() }

func (o *Sort) String() string {
	parts := make([]string, len(o.Keys))
	for i, k := range o.Keys {
		parts[i] = k.String()
	}
	keys := strings.Join(parts, ", ")
	if o.N != nil {
		return "top " + o.N.String() + " by " + keys
	}
	return "sort by " + keys
}

// String writes the key with its direction.
func (k SortKey) String() string {
	s := k.X.String()
	if k.Dir != "" {
		s += " " + k.Dir
	}
	if k.Nulls != "" {
		s += " nulls " + k.Nulls
	}
	return s
}

func (o *MvExpand) String() string {
	parts := make([]string, len(o.Items))
	for i, it := range o.Items {
		parts[i] = it.String()
	}
	s := "mv-expand " + printParams(o.Params) + strings.Join(parts, ", ")
	if o.Limit != nil {
		s += " limit " + o.Limit.String()
	}
	return s
}

// String writes the expression with its type.
func (it ExpandItem) String() string {
	if it.Type != "" {
		return it.X.String() + " to typeof(" + it.Type + ")"
	}
	return it.X.String()
}

func (o *Union) String() string { return "union " + printParams(o.Params) + join(o.Tables) }

func (o *Join) String() string {
	return o.Word + " " + printParams(o.Params) + o.Right.String() + " on " + join(o.On)
}

func (o *Render) String() string {
	s := "render " + o.Kind.String()
	if len(o.Props) > 0 {
		parts := make([]string, len(o.Props))
		for i, p := range o.Props {
			parts[i] = p.String()
		}
		s += " with (" + strings.Join(parts, ", ") + ")"
	}
	return s
}

func (o *As) String() string     { return "as " + printParams(o.Params) + o.Name.String() }
func (o *Invoke) String() string { return "invoke " + o.Call.String() }

func (o *Evaluate) String() string {
	s := "evaluate " + printParams(o.Params) + o.Call.String()
	switch columns := stringers(o.Columns); {
	case o.Star && columns != "":
		return s + " : (*, " + columns + ")"
	case o.Star:
		return s + " : (*)"
	case columns != "":
		return s + " : (" + columns + ")"
	}
	return s
}

func (o *ParseText) String() string {
	parts := make([]string, len(o.Parts))
	for i, p := range o.Parts {
		parts[i] = p.String()
	}
	return o.Word + " " + printParams(o.Params) + o.X.String() + " with " + strings.Join(parts, " ")
}

// String writes the piece as it stands in a pattern.
func (p ParsePart) String() string {
	switch {
	case p.Star:
		return "*"
	case p.Text != nil:
		return p.Text.String()
	case p.Type != "":
		return p.Name.String() + ":" + p.Type
	}
	return p.Name.String()
}

func (o *MvApply) String() string {
	s := "mv-apply " + printParams(o.Params) + stringers(o.Items)
	if o.Limit != nil {
		s += " limit " + o.Limit.String()
	}
	parts := make([]string, len(o.Body))
	for i, op := range o.Body {
		parts[i] = op.String()
	}
	return s + " on (" + strings.Join(parts, " | ") + ")"
}

func (o *MakeSeries) String() string {
	s := "make-series " + printParams(o.Params) + stringers(o.Aggs) + " on " + o.On.String()
	if o.From != nil {
		s += " from " + o.From.String()
	}
	if o.To != nil {
		s += " to " + o.To.String()
	}
	s += " step " + o.Step.String()
	if len(o.By) > 0 {
		s += " by " + join(o.By)
	}
	return s
}

// String writes the aggregate with its default.
func (a SeriesAgg) String() string {
	if a.Default != nil {
		return a.X.String() + " default=" + a.Default.String()
	}
	return a.X.String()
}

func (o *Range) String() string {
	return fmt.Sprintf("range %s from %s to %s step %s", o.Name, o.From, o.To, o.Step)
}

func (o *DataTable) String() string {
	return "datatable (" + stringers(o.Columns) + ") [" + join(o.Values) + "]"
}

func (o *Sample) String() string { return "sample " + o.N.String() }
func (o *SampleDistinct) String() string {
	return "sample-distinct " + o.N.String() + " of " + o.X.String()
}
func (o *GetSchema) String() string { return "getschema" }

func (o *Other) String() string { return strings.Join(append([]string{o.Word}, o.Tokens...), " ") }

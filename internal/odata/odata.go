// Package odata evaluates the query options of OData (OData 4.01 part 2, section 5.1) that Graph's clients send, over lists
// that are in memory. A library reads the text; what it makes of it is checked and brought into a tree of our own at once, so
// that what is not known here is refused by its name and never ignored.
package odata

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/CiscoM31/godata"
)

// Bounds of a filter.
const (
	MaxText  = 8 << 10 // bytes
	maxNodes = 400
	maxDepth = 40
)

// An Error says what is wrong with an option.
type Error struct{ Message, Remedy string }

// Error implements error.
func (e *Error) Error() string { return e.Message }

func errorf(format string, args ...any) *Error { return &Error{Message: fmt.Sprintf(format, args...)} }

// A Filter is a $filter.
type Filter struct {
	root  node
	Paths []string // the first segments of the properties that it names
}

// A node computes a value of an object: nil, bool, float64, string, time.Time, []any or map[string]any.
type node func(scope) any

// A scope is an object, and the variables of the lambdas around.
type scope struct {
	object    map[string]any
	variables map[string]any
}

// ParseFilter reads a $filter.
func ParseFilter(text string) (f *Filter, err error) {
	if len(text) > MaxText {
		return nil, errorf("The $filter is longer than %d bytes.", MaxText)
	}
	if strings.Count(text, "(") > maxDepth || len(strings.Fields(text)) > maxNodes {
		return nil, errorf("The $filter is nested too deeply or has too many parts.")
	}
	defer func() { // the library indexes into token lists, and has panicked on broken ones
		if p := recover(); p != nil {
			f, err = nil, errorf("The $filter cannot be read.")
		}
	}()
	q, err := godata.ParseFilterString(context.Background(), text)
	if err != nil {
		return nil, &Error{Message: "The $filter cannot be read: " + clip(err.Error()), Remedy: "Write comparisons such as displayName eq 'x', joined by and, or, not."}
	}
	b := &builder{}
	root := b.node(q.Tree, 0)
	if b.err != nil {
		return nil, b.err
	}
	return &Filter{root: root, Paths: b.paths}, nil
}

// Match reports whether an object, as Object has made it, satisfies the filter.
func (f *Filter) Match(object map[string]any) bool {
	v, _ := f.root(scope{object: object}).(bool)
	return v
}

// Object returns a value as JSON sees it, which filters work on.
func Object(v any) (map[string]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	err = json.Unmarshal(text, &m)
	return m, err
}

type builder struct {
	err       *Error
	paths     []string
	variables []string
	nodes     int
}

func (b *builder) fail(format string, args ...any) node {
	if b.err == nil {
		b.err = errorf(format, args...)
	}
	return func(scope) any { return nil }
}

func (b *builder) node(n *godata.ParseNode, depth int) node {
	if b.nodes++; b.nodes > maxNodes || depth > maxDepth {
		return b.fail("The $filter has too many parts.")
	}
	if n == nil || n.Token == nil {
		return b.fail("The $filter cannot be read.")
	}
	value := n.Token.Value
	if len(n.Children) > 0 && !takesChildren(n.Token.Type) {
		return b.fail("%q is not supported in a $filter here.", clip(value))
	}
	switch n.Token.Type {
	case godata.ExpressionTokenLogical:
		return b.logical(n, depth)
	case godata.ExpressionTokenFunc:
		return b.function(n, depth)
	case godata.ExpressionTokenNav:
		return b.property(path(n))
	case godata.ExpressionTokenLambdaNav:
		return b.lambda(n, depth)
	case godata.ExpressionTokenLiteral:
		return b.property([]string{value})
	case godata.ExpressionTokenString:
		text := strings.TrimSuffix(strings.TrimPrefix(value, "'"), "'")
		return func(scope) any { return text }
	case godata.ExpressionTokenInteger, godata.ExpressionTokenFloat:
		f, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return b.fail("%q is not a number.", clip(value))
		}
		return func(scope) any { return f }
	case godata.ExpressionTokenBoolean:
		return func(scope) any { return strings.EqualFold(value, "true") }
	case godata.ExpressionTokenNull:
		return func(scope) any { return nil }
	case godata.ExpressionTokenGuid, godata.ExpressionTokenDate, godata.ExpressionTokenDateTime:
		return func(scope) any { return value }
	}
	return b.fail("%q is not supported in a $filter here.", clip(value))
}

func takesChildren(t godata.TokenType) bool {
	return t == godata.ExpressionTokenLogical || t == godata.ExpressionTokenFunc || t == godata.ExpressionTokenNav || t == godata.ExpressionTokenLambdaNav
}

// path are the segments of status/errorCode; nil where it is no path.
func path(n *godata.ParseNode) []string {
	if n.Token.Type == godata.ExpressionTokenLiteral && len(n.Children) == 0 {
		return []string{n.Token.Value}
	}
	if n.Token.Type != godata.ExpressionTokenNav || len(n.Children) != 2 {
		return nil
	}
	left, right := path(n.Children[0]), path(n.Children[1])
	if left == nil || right == nil {
		return nil
	}
	return append(left, right...)
}

func (b *builder) property(segments []string) node {
	if len(segments) == 0 {
		return b.fail("The $filter has a path that cannot be read.")
	}
	head := segments[0]
	if slices.Contains(b.variables, head) {
		return func(s scope) any { return walk(s.variables[head], segments[1:]) }
	}
	if !slices.Contains(b.paths, head) {
		b.paths = append(b.paths, head)
	}
	return func(s scope) any { return walk(s.object, segments) }
}

func walk(v any, segments []string) any {
	for _, name := range segments {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func (b *builder) logical(n *godata.ParseNode, depth int) node {
	op := strings.ToLower(n.Token.Value)
	args := make([]node, 0, len(n.Children))
	if op == "in" && len(n.Children) == 2 {
		return b.in(n, depth)
	}
	for _, c := range n.Children {
		args = append(args, b.node(c, depth+1))
	}
	truth := func(x node, s scope) bool { v, _ := x(s).(bool); return v }
	switch {
	case op == "not" && len(args) == 1:
		return func(s scope) any { return !truth(args[0], s) }
	case len(args) != 2:
	case op == "and":
		return func(s scope) any { return truth(args[0], s) && truth(args[1], s) }
	case op == "or":
		return func(s scope) any { return truth(args[0], s) || truth(args[1], s) }
	case op == "eq":
		return func(s scope) any { return equal(args[0](s), args[1](s)) }
	case op == "ne":
		return func(s scope) any { return !equal(args[0](s), args[1](s)) }
	case op == "gt" || op == "ge" || op == "lt" || op == "le":
		return func(s scope) any { return ordered(op, args[0](s), args[1](s)) }
	}
	return b.fail("The operator %q is not supported in a $filter here.", clip(op))
}

func (b *builder) in(n *godata.ParseNode, depth int) node {
	x := b.node(n.Children[0], depth+1)
	var values []node
	for _, c := range n.Children[1].Children {
		values = append(values, b.node(c, depth+1))
	}
	return func(s scope) any {
		v := x(s)
		return slices.ContainsFunc(values, func(each node) bool { return equal(v, each(s)) })
	}
}

func (b *builder) function(n *godata.ParseNode, depth int) node {
	name := strings.ToLower(n.Token.Value)
	var args []node
	for _, c := range n.Children {
		args = append(args, b.node(c, depth+1))
	}
	text := func(x node, s scope) (string, bool) { v, ok := x(s).(string); return strings.ToLower(v), ok }
	match := func(f func(a, b string) bool) node {
		return func(s scope) any {
			x, ok := text(args[0], s)
			y, also := text(args[1], s)
			return ok && also && f(x, y)
		}
	}
	switch {
	case len(args) == 2 && name == "startswith":
		return match(strings.HasPrefix)
	case len(args) == 2 && name == "endswith":
		return match(strings.HasSuffix)
	case len(args) == 2 && name == "contains":
		return match(strings.Contains)
	case len(args) == 1 && (name == "tolower" || name == "toupper"): // texts compare without case
		return args[0]
	case len(args) == 1 && name == "isof":
		return b.isOf(n.Children[0])
	}
	return b.fail("The function %q is not supported in a $filter here; there are startswith, endswith, contains, tolower, toupper and isof.", clip(name))
}

// isOf is isof('microsoft.graph.ipNamedLocation').
func (b *builder) isOf(n *godata.ParseNode) node {
	want := strings.Trim(n.Token.Value, "'#")
	return func(s scope) any {
		kind, _ := s.object["@odata.type"].(string)
		return strings.EqualFold(strings.TrimPrefix(kind, "#"), want)
	}
}

// lambda is path/any(x: condition) and path/all(x: condition).
func (b *builder) lambda(n *godata.ParseNode, depth int) node {
	if len(n.Children) != 2 {
		return b.fail("The $filter has a lambda that cannot be read.")
	}
	segments, call := path(n.Children[0]), n.Children[1]
	quantifier := strings.ToLower(call.Token.Value)
	if segments == nil || quantifier != "any" && quantifier != "all" || len(call.Children) != 0 && len(call.Children) != 2 {
		return b.fail("The $filter has a lambda that cannot be read.")
	}
	list := b.property(segments)
	elements := func(s scope) []any { l, _ := list(s).([]any); return l }
	if len(call.Children) == 0 {
		return func(s scope) any { return len(elements(s)) > 0 }
	}
	name := call.Children[0].Token.Value
	b.variables = append(b.variables, name)
	condition := b.node(call.Children[1], depth+1)
	b.variables = b.variables[:len(b.variables)-1]
	return func(s scope) any {
		for _, e := range elements(s) {
			inner := scope{object: s.object, variables: map[string]any{name: e}}
			for k, v := range s.variables {
				if k != name {
					inner.variables[k] = v
				}
			}
			if truth, _ := condition(inner).(bool); truth == (quantifier == "any") {
				return truth
			}
		}
		return quantifier == "all"
	}
}

// equal compares as Graph does: texts without case, and a time by the moment.
func equal(a, b any) bool {
	x, isText := a.(string)
	y, also := b.(string)
	if isText && also {
		if t, u, times := moments(x, y); times {
			return t.Equal(u)
		}
		return strings.EqualFold(x, y)
	}
	switch a.(type) {
	case nil, bool, float64:
		switch b.(type) {
		case nil, bool, float64:
			return a == b
		}
	}
	return false
}

func ordered(op string, a, b any) bool {
	c := 0
	switch x := a.(type) {
	case float64:
		y, ok := b.(float64)
		if !ok {
			return false
		}
		c = compare(x, y)
	case string:
		y, ok := b.(string)
		if !ok {
			return false
		}
		if t, u, times := moments(x, y); times {
			c = t.Compare(u)
			break
		}
		c = strings.Compare(strings.ToLower(x), strings.ToLower(y))
	default:
		return false
	}
	return map[string]bool{"gt": c > 0, "ge": c >= 0, "lt": c < 0, "le": c <= 0}[op]
}

func compare(x, y float64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// moments reads two texts as times; ok is false where one of them is none.
func moments(x, y string) (t, u time.Time, ok bool) {
	if len(x) < 10 || len(y) < 10 || x[4] != '-' || y[4] != '-' {
		return t, u, false
	}
	t, okT := moment(x)
	u, okU := moment(y)
	return t, u, okT && okU
}

func moment(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func clip(s string) string {
	const most = 120
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// At returns the value at a path of an object; nil where there is none.
func At(object map[string]any, path []string) any { return walk(object, path) }

// Compare orders two values as $orderby does: null first, then texts without case, times by the moment.
func Compare(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	case ordered("lt", a, b):
		return -1
	case ordered("gt", a, b):
		return 1
	}
	x, isBool := a.(bool)
	y, also := b.(bool)
	if isBool && also && x != y {
		return map[bool]int{false: -1, true: 1}[x]
	}
	return 0
}

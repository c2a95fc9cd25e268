package syntax

import (
	"encoding/json"
	"slices"
	"strings"
)

// levels are the binary operators, loosest first. In expects a list, between a range: they are read apart.
var levels = [][]string{
	{"or"},
	{"and"},
	{
		"==", "=~", "!=", "!~", "<>", "<", ">", "<=", ">=",
		"has", "!has", "has_cs", "!has_cs", "hasprefix", "!hasprefix", "hasprefix_cs", "!hasprefix_cs",
		"hassuffix", "!hassuffix", "hassuffix_cs", "!hassuffix_cs", "contains", "!contains", "contains_cs", "!contains_cs",
		"startswith", "!startswith", "startswith_cs", "!startswith_cs",
		"endswith", "!endswith", "endswith_cs", "!endswith_cs", "matches", ":",
	},
	{"+", "-"},
	{"*", "/", "%"},
}

const compareLevel = 2

var listOperators = []string{"in", "!in", "in~", "!in~", "has_any", "has_all", "!has_any", "!has_all"}

func isBinaryWord(word string) bool {
	for _, ops := range levels {
		if slices.Contains(ops, word) {
			return true
		}
	}
	return slices.Contains(listOperators, word) || word == "between" || word == "matches"
}

// named reads `a = x`, `(a, b) = x` or an expression.
func (p *parser) named() Expr {
	start := p.tok().Start
	if p.at("(") && p.parenthesisBefore("=") {
		n := &Named{}
		p.advance()
		for {
			n.Names = append(n.Names, p.name())
			if !p.accept(",") {
				break
			}
		}
		p.expectClosing(start, ")")
		p.expect("=")
		n.X = p.binary(0)
		n.Span = p.since(start)
		return n
	}
	if p.namedHere() {
		n := &Named{Names: []*Name{p.name()}}
		p.expect("=")
		n.X = p.binary(0)
		n.Span = p.since(start)
		return n
	}
	return p.binary(0) // pipeOrExpr has counted this level
}

func (p *parser) namedHere() bool {
	if p.tok().kind == tokenName {
		return p.peek(1).isPunct("=")
	}
	return p.at("[") && p.peek(1).kind == tokenString && p.peek(2).isPunct("]") && p.peek(3).isPunct("=")
}

func (p *parser) expr() Expr {
	if !p.nest() {
		return &Bad{p.tok().Span}
	}
	defer p.unnest()
	return p.binary(0)
}

func (p *parser) binary(level int) Expr {
	if level == len(levels) {
		return p.unary()
	}
	start := p.tok().Start
	x := p.binary(level + 1)
	for n := 0; ; n++ {
		t := p.tok()
		if t.kind != tokenPunct && t.kind != tokenName || p.bad {
			return x
		}
		if level > 1 && n >= MaxDepth {
			p.errorf("a chain of more than %d operators is too deep", MaxDepth)
			return x
		}
		if level == compareLevel {
			if y := p.listOrRange(start, x); y != nil {
				x = y
				continue
			}
		}
		if !slices.Contains(levels[level], t.text) {
			return x
		}
		p.advance()
		op := t.text
		if op == "matches" {
			if !p.acceptWord("regex") {
				p.errorf("expected 'regex' behind matches, found %s", p.found())
			}
			op = "matches regex"
		}
		opSpan := p.since(t.Start)
		r := p.binary(level + 1)
		x = &Binary{Op: op, OpSpan: opSpan, L: x, R: r, Span: p.since(start)}
	}
}

// listOrRange reads the rest of `x in (...)` or `x between (...)`, or returns nil when neither is here.
func (p *parser) listOrRange(start int, x Expr) Expr {
	t := p.tok()
	switch {
	case slices.Contains(listOperators, t.text):
		p.advance()
		in := &In{Op: t.text, OpSpan: t.Span, X: x}
		if open := p.tok().Start; p.accept("(") {
			in.List = p.args()
			p.expectClosing(open, ")")
		} else {
			in.List = []Expr{p.postfix()}
		}
		in.Span = p.since(start)
		return in
	case t.text == "between" || t.text == "!between":
		p.advance()
		b := &Between{Not: t.text == "!between", X: x}
		open := p.tok().Start
		if !p.expect("(") {
			b.Lo, b.Hi = &Bad{p.tok().Span}, &Bad{p.tok().Span}
			b.Span = p.since(start)
			return b
		}
		b.Lo = p.expr()
		p.expect("..")
		b.Hi = p.expr()
		p.expectClosing(open, ")")
		b.Span = p.since(start)
		return b
	}
	return nil
}

func (p *parser) unary() Expr {
	t := p.tok()
	if t.isPunct("-") || t.isPunct("+") {
		if !p.nest() {
			return &Bad{t.Span}
		}
		defer p.unnest()
		p.advance()
		x := p.unary()
		return &Unary{Op: t.text, X: x, Span: p.since(t.Start)}
	}
	return p.postfix()
}

// postfix reads a primary and the member accesses and indexes behind it.
func (p *parser) postfix() Expr {
	start := p.tok().Start
	x := p.primary()
	for n := 0; !p.bad; n++ {
		if n >= MaxDepth {
			p.errorf("a path of more than %d steps is too deep", MaxDepth)
			return x
		}
		switch {
		case p.at(".") && (p.peek(1).kind == tokenName || p.peek(1).isPunct("[")):
			p.advance()
			if p.at("[") && !(p.peek(1).kind == tokenString && p.peek(2).isPunct("]")) {
				continue // a.[0] is a[0]
			}
			if p.callHere() { // workspace("x").SigninLogs(...) and other calls on an object
				c := &MemberCall{X: x, Func: p.name()}
				open := p.advance().Start
				c.Args = p.args()
				p.expectClosing(open, ")")
				c.Span = p.since(start)
				x = c
				continue
			}
			name := p.name()
			x = &Member{X: x, Name: name, Span: p.since(start)}
		case p.at("["):
			open := p.advance().Start
			i := p.expr()
			p.expectClosing(open, "]")
			x = &Index{X: x, Index: i, Span: p.since(start)}
		default:
			return x
		}
	}
	return x
}

func (p *parser) primary() Expr {
	t := p.tok()
	switch t.kind {
	case tokenString:
		return p.stringLiteral()
	case tokenLong, tokenReal, tokenTimeSpan:
		p.advance()
		kind := map[tokenKind]LiteralKind{tokenLong: Long, tokenReal: Real, tokenTimeSpan: TimeSpan}[t.kind]
		return &Literal{Span: t.Span, Kind: kind, Text: t.text}
	case tokenTyped:
		p.advance()
		return &Literal{Span: t.Span, Kind: typedWords[t.text], Text: t.arg}
	case tokenName:
		return p.nameOrCall()
	case tokenPunct:
		switch {
		case t.text == "(":
			return p.paren()
		case t.text == "[" && p.peek(1).kind == tokenString && p.peek(2).isPunct("]"):
			return p.name()
		case t.text == "*":
			p.advance()
			return &Wildcard{Span: t.Span, Pattern: "*"}
		}
	}
	return p.errorf("expected an expression before %s", p.found())
}

func (p *parser) paren() Expr {
	start := p.advance().Start
	x := p.pipeOrExpr()
	p.expectClosing(start, ")")
	return &Paren{X: x, Span: p.since(start)}
}

// stringLiteral reads a string and the strings right behind it: adjacent literals are one.
func (p *parser) stringLiteral() Expr {
	t := p.advance()
	lit := &Literal{Span: t.Span, Kind: String, Text: t.text}
	var b strings.Builder
	b.WriteString(t.text)
	for p.tok().kind == tokenString {
		t := p.advance()
		b.WriteString(t.text)
		lit.Span = lit.Span.To(t.Span)
	}
	lit.Text = b.String()
	return lit
}

func (p *parser) nameOrCall() Expr {
	t := p.tok()
	next := p.peek(1)
	switch {
	case t.text == "dynamic" && next.isPunct("("):
		return p.dynamic()
	case t.text == "true" || t.text == "false":
		p.advance()
		return &Literal{Span: t.Span, Kind: Bool, Text: t.text}
	case p.callHere():
		c := &Call{Func: p.name()}
		open := p.advance().Start
		c.Args = p.args()
		p.expectClosing(open, ")")
		c.Span = p.since(t.Start)
		return c
	}
	if isBinaryWord(t.text) && !next.isPunct("=") {
		return p.errorf("expected an expression before %s", p.found())
	}
	return p.name()
}

// callHere reports whether a function's name and its parenthesis are here. Columns may begin with a digit, functions not.
func (p *parser) callHere() bool {
	t := p.tok()
	return t.kind == tokenName && isNameStart(t.text[0]) && p.peek(1).isPunct("(")
}

// args reads expressions up to a closing parenthesis, which it leaves.
func (p *parser) args() []Expr {
	var list []Expr
	for !p.at(")") && !p.bad {
		list = append(list, p.pipeOrExpr())
		if !p.accept(",") {
			break
		}
	}
	return list
}

// dynamic reads dynamic(...), whose inside is JSON that also admits single quotes and typed literals.
func (p *parser) dynamic() Expr {
	start := p.advance().Start
	open := p.tok().Start
	p.expect("(")
	v := p.jsonValue()
	p.expectClosing(open, ")")
	return &Literal{Kind: Dynamic, Text: v, Span: p.since(start)}
}

// jsonValue reads one value and returns it as compact JSON.
func (p *parser) jsonValue() string {
	if !p.nest() {
		return "null"
	}
	defer p.unnest()
	t := p.tok()
	switch {
	case t.kind == tokenString:
		p.advance()
		return quoteJSON(t.text)
	case t.kind == tokenTyped:
		p.advance()
		return quoteJSON(t.arg)
	case t.isWord("null"), t.isWord("true"), t.isWord("false"):
		return p.advance().text
	case t.isPunct("["):
		return "[" + strings.Join(p.jsonItems("]", p.jsonValue), ",") + "]"
	case t.isPunct("{"):
		return "{" + strings.Join(p.jsonItems("}", p.jsonMember), ",") + "}"
	}
	sign := ""
	if p.accept("-") {
		sign = "-"
	}
	if t := p.tok(); t.kind == tokenLong || t.kind == tokenReal {
		if text := sign + t.text; json.Valid([]byte(text)) {
			p.advance()
			return text
		}
	}
	p.errorf("expected a JSON value before %s", p.found())
	return "null"
}

func (p *parser) jsonItems(closing string, item func() string) []string {
	open := p.advance().Start
	var list []string
	for !p.at(closing) && !p.bad {
		list = append(list, item())
		if !p.accept(",") {
			break
		}
	}
	p.expectClosing(open, closing)
	return list
}

func (p *parser) jsonMember() string {
	t := p.tok()
	if t.kind != tokenString {
		p.errorf("expected a member's name in quotes before %s", p.found())
		return `"":null`
	}
	p.advance()
	p.expect(":")
	return quoteJSON(t.text) + ":" + p.jsonValue()
}

// quoteJSON writes s as a JSON string with only the necessary escapes.
func quoteJSON(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // a string always encodes
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

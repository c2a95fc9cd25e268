package syntax

import (
	"slices"
	"unicode/utf8"
)

// Parse reads a whole text in time that grows with its length and no faster. The tree is never nil; where the text is
// wrong it holds Bad nodes, and the errors, in the order of the text, say why. Every error has its position and a code
// that begins with SYN.
func Parse(src string) (*Query, []Error) {
	q, errs := parse(src)
	for i := range errs {
		errs[i].Position = Locate(src, errs[i].Span.Start)
	}
	return q, errs
}

func parse(src string) (*Query, []Error) {
	if len(src) > MaxBytes {
		at := Span{MaxBytes, len(src)}
		return &Query{}, []Error{Errorf(CodeLimit, at, "the query is %d bytes long; %d are allowed", len(src), MaxBytes)}
	}
	if at := invalidUTF8(src); at >= 0 {
		return &Query{}, []Error{Errorf(CodeSyntax, Span{at, at + 1},
			"the byte 0x%02x is not UTF-8: send the query as UTF-8 text", src[at])}
	}
	tokens, errs := lex(src)
	p := &parser{src: src, tokens: tokens, closes: matchParentheses(tokens), errs: errs}
	q := &Query{Span: Span{0, len(src)}, Statements: p.statements("")}
	if len(q.Statements) == 0 && len(p.errs) == 0 {
		p.errs = append(p.errs, Errorf(CodeSyntax, q.Span, "the query is empty: begin with a table, such as SigninLogs"))
	}
	slices.SortStableFunc(p.errs, func(a, b Error) int { return a.Span.Start - b.Span.Start })
	return q, p.errs
}

// invalidUTF8 returns the offset of the first byte that is not part of UTF-8 text, or -1.
func invalidUTF8(src string) int {
	for i, r := range src {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(src[i:]); n == 1 {
				return i
			}
		}
	}
	return -1
}

type parser struct {
	src    string
	tokens []token
	closes []int // by the index of a '(', see matchParentheses
	pos    int
	depth  int
	bad    bool // an error was reported since the last place to go on from
	errs   []Error
}

func (p *parser) tok() token { return p.tokens[p.pos] }

func (p *parser) peek(n int) token { return p.tokens[min(p.pos+n, len(p.tokens)-1)] }

func (p *parser) prevEnd() int {
	if p.pos == 0 {
		return 0
	}
	return p.tokens[p.pos-1].End
}

// since is the span from start to the end of what was read; it is empty when nothing was.
func (p *parser) since(start int) Span { return Span{start, max(start, p.prevEnd())} }

func (p *parser) advance() token {
	t := p.tok()
	if t.kind != tokenEOF {
		p.pos++
	}
	return t
}

func (t token) isPunct(text string) bool { return t.kind == tokenPunct && t.text == text }
func (t token) isWord(text string) bool  { return t.kind == tokenName && t.text == text }

func (p *parser) at(text string) bool     { return p.tok().isPunct(text) }
func (p *parser) atWord(text string) bool { return p.tok().isWord(text) }

func (p *parser) accept(text string) bool {
	if p.at(text) {
		p.advance()
		return true
	}
	return false
}

func (p *parser) acceptWord(text string) bool {
	if p.atWord(text) {
		p.advance()
		return true
	}
	return false
}

// errorf reports an error at the current token, once until the parser is in step again.
func (p *parser) errorf(format string, args ...any) *Bad {
	t := p.tok()
	if !p.bad {
		p.report(Errorf(CodeSyntax, t.Span, format, args...))
	}
	p.bad = true
	return &Bad{t.Span}
}

func (p *parser) report(e Error) {
	if len(p.errs) < maxErrors {
		p.errs = append(p.errs, e)
	}
}

// misplaced reports that the current token does not belong where it is, and the word that it may be a misspelling of.
func (p *parser) misplaced(expected string) {
	if !p.bad {
		t := p.tok()
		e := Errorf(CodeSyntax, t.Span, "%s does not belong here: expected %s", p.found(), expected)
		switch {
		case t.isPunct("="):
			e = e.suggest("==")
		case t.kind == tokenName || t.kind == tokenPunct:
			e = e.suggest(nearest(t.text, continuations))
		}
		p.report(e)
	}
	p.bad = true
}

// found names the current token in a message.
func (p *parser) found() string {
	t := p.tok()
	if t.kind == tokenEOF {
		return "the end of the query"
	}
	return quoted(p.src[t.Start:t.End])
}

func (p *parser) expect(text string) bool {
	if p.accept(text) {
		return true
	}
	p.errorf("'%s' is missing before %s", text, p.found())
	return false
}

// expectClosing reads the bracket that closes the one that opened at open.
func (p *parser) expectClosing(open int, closing string) {
	if p.accept(closing) || p.bad {
		return
	}
	at := Locate(p.src, open)
	p.errorf("'%s' is missing before %s: the '%s' at line %d, column %d is not closed",
		closing, p.found(), p.src[open:open+1], at.Line, at.Column)
}

// nest counts one level of nesting; the caller defers p.unnest when it returns true.
func (p *parser) nest() bool {
	if p.depth >= MaxDepth {
		p.tooDeep()
		return false
	}
	p.depth++
	return true
}

func (p *parser) tooDeep() {
	if !p.bad {
		p.report(Errorf(CodeLimit, p.tok().Span, "the query is nested more than %d levels deep", MaxDepth))
	}
	p.bad = true
	p.pos = len(p.tokens) - 1 // nothing that follows can be told apart
}

func (p *parser) unnest() { p.depth-- }

// statements reads statements up to the closing token, or to the end of the text when it is "".
func (p *parser) statements(closing string) []Statement {
	var list []Statement
	for {
		for p.accept(";") {
		}
		if p.tok().kind == tokenEOF || closing != "" && p.at(closing) {
			return list
		}
		list = append(list, p.statement())
		if p.at(";") || p.tok().kind == tokenEOF || closing != "" && p.at(closing) {
			p.bad = false
			continue
		}
		p.misplaced("'|' or ';'")
		p.skipTo(false)
		if p.tok().kind == tokenPunct && !p.at(";") && !(closing != "" && p.at(closing)) {
			p.advance()
		}
		p.bad = false
	}
}

func (p *parser) statement() Statement {
	start := p.tok().Start
	switch {
	case p.atWord("let"):
		return p.let()
	case p.atWord("set") && p.peek(1).kind == tokenName,
		p.atWord("declare"), p.atWord("alias") && p.peek(1).kind == tokenName, p.atWord("restrict"):
		word := p.advance().text
		return &OtherStatement{Word: word, Tokens: p.raw(false), Span: p.since(start)}
	}
	x := p.pipeOrExpr()
	return &ExprStatement{X: x, Span: p.since(start)}
}

func (p *parser) let() Statement {
	start := p.advance().Start
	s := &Let{Name: p.name()}
	if p.expect("=") {
		s.Value = p.letValue()
	} else {
		s.Value = &Bad{p.tok().Span}
	}
	s.Span = p.since(start)
	return s
}

func (p *parser) letValue() Expr {
	view := p.atWord("view") && p.peek(1).isPunct("(")
	if view {
		p.advance()
	}
	if view || p.at("(") && p.parenthesisBefore("{") {
		f, ok := p.lambda().(*Lambda)
		if !ok {
			return &Bad{p.tok().Span}
		}
		f.View = view
		return f
	}
	return p.pipeOrExpr()
}

// parenthesisBefore reports whether the parenthesis that opens here closes right before the given token.
func (p *parser) parenthesisBefore(next string) bool {
	i := p.closes[p.pos]
	return i > 0 && p.tokens[i+1].isPunct(next) // the last token is never a parenthesis
}

// matchParentheses finds, for each opening parenthesis, the index of the one that closes it, or 0 when none does before
// a bar or a semicolon. It is done once for the whole text: looking ahead from every parenthesis takes quadratic time.
func matchParentheses(tokens []token) []int {
	closes := make([]int, len(tokens))
	var open []int
	for i, t := range tokens {
		switch {
		case t.isPunct("("):
			open = append(open, i)
		case t.isPunct(")"):
			if n := len(open); n > 0 {
				closes[open[n-1]] = i
				open = open[:n-1]
			}
		case t.isPunct("|"), t.isPunct(";"):
			open = open[:0]
		}
	}
	return closes
}

func (p *parser) lambda() Expr {
	start := p.tok().Start
	if !p.nest() {
		return &Bad{p.tok().Span}
	}
	defer p.unnest()
	f := &Lambda{}
	p.expect("(")
	for !p.at(")") && !p.bad {
		f.Params = append(f.Params, p.lambdaParam())
		if !p.accept(",") {
			break
		}
	}
	p.expectClosing(start, ")")
	if open := p.tok().Start; p.expect("{") {
		f.Body = p.statements("}")
		p.expectClosing(open, "}")
	}
	f.Span = p.since(start)
	return f
}

// lambdaParam reads `a:string`, `n:int=5` or `T:(x:string, y:long)`.
func (p *parser) lambdaParam() LambdaParam {
	start := p.tok().Start
	param := LambdaParam{Name: p.name()}
	p.expect(":")
	if open := p.tok().Start; p.accept("(") {
		if p.accept("*") {
			param.Any = true
		} else {
			param.Columns = p.columnDecls(")")
		}
		p.expectClosing(open, ")")
	} else {
		param.Type = p.typeName()
		if p.accept("=") {
			param.Default = p.expr()
		}
	}
	param.Span = p.since(start)
	return param
}

// columnDecls reads `a:string, b:long` up to the closing bracket, which it leaves.
func (p *parser) columnDecls(closing string) []ColumnDecl {
	var list []ColumnDecl
	for !p.at(closing) && !p.bad {
		start := p.tok().Start
		c := ColumnDecl{Name: p.name()}
		p.expect(":")
		c.Type = p.typeName()
		c.Span = p.since(start)
		list = append(list, c)
		if !p.accept(",") {
			break
		}
	}
	return list
}

// typeName reads the name of a type, which the lexer leaves a name where no parenthesis follows.
func (p *parser) typeName() string {
	t := p.tok()
	if t.kind == tokenName {
		return p.advance().text
	}
	p.errorf("expected a type such as string before %s", p.found())
	return "string"
}

// raw collects tokens up to a token that ends an operator. What they mean is left open, but not how they nest: brackets
// that do not match are errors, and so is nesting below MaxDepth.
func (p *parser) raw(pipesToo bool) []string {
	start := p.pos
	p.skipTo(pipesToo)
	p.checkBrackets(start, p.pos)
	var list []string
	for _, t := range p.tokens[start:p.pos] {
		list = append(list, printToken(t))
	}
	return list
}

var closers = map[string]string{"(": ")", "[": "]", "{": "}"}

// checkBrackets reports the first thing wrong with the brackets among the tokens from start up to end.
func (p *parser) checkBrackets(start, end int) {
	var open []token
	for i, t := range p.tokens[start:end] {
		if t.kind != tokenPunct {
			continue
		}
		switch t.text {
		case "(", "[", "{":
			if open = append(open, t); p.depth+len(open) > MaxDepth {
				p.pos = start + i
				p.tooDeep()
				return
			}
		case ")", "]", "}":
			last := open[len(open)-1] // skipTo stops at a closing bracket too many
			if t.text != closers[last.text] {
				at := Locate(p.src, last.Start)
				p.unbalanced(t, "'%s' is missing before '%s': the '%s' at line %d, column %d is not closed",
					closers[last.text], t.text, last.text, at.Line, at.Column)
				return
			}
			open = open[:len(open)-1]
		}
	}
	if n := len(open); n > 0 {
		p.unbalanced(open[n-1], "the '%s' is not closed: '%s' is missing", open[n-1].text, closers[open[n-1].text])
	}
}

func (p *parser) unbalanced(t token, format string, args ...any) {
	if !p.bad {
		p.report(Errorf(CodeSyntax, t.Span, format, args...))
	}
	p.bad = true
}

// skipTo moves to the next token that ends an operator: a bar, a semicolon or a closing bracket that was not opened
// here. With pipesToo, bars are passed over.
func (p *parser) skipTo(pipesToo bool) {
	depth := 0
	for p.tok().kind != tokenEOF {
		if t := p.tok(); t.kind == tokenPunct {
			switch t.text {
			case "(", "[", "{":
				depth++
			case ")", "]", "}":
				if depth == 0 {
					return
				}
				depth--
			case "|":
				if depth == 0 && !pipesToo {
					return
				}
			case ";":
				if depth == 0 {
					return
				}
			}
		}
		p.advance()
	}
}

// name reads a name, bare or in brackets.
func (p *parser) name() *Name {
	t := p.tok()
	if t.kind == tokenName {
		p.advance()
		return &Name{Span: t.Span, Text: t.text}
	}
	if t.isPunct("[") && p.peek(1).kind == tokenString && p.peek(2).isPunct("]") {
		text := p.peek(1).text
		p.advance()
		p.advance()
		return &Name{Span: t.Span.To(p.advance().Span), Text: text}
	}
	p.errorf("expected a name before %s", p.found())
	return &Name{Span: t.Span}
}

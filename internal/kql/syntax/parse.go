package syntax

import (
	"slices"
	"unicode/utf8"
)

// Parse reads a whole text. The tree is never nil; where the text is wrong it holds Bad nodes, and the errors say why.
func Parse(src string) (*Query, []Error) {
	if len(src) > MaxBytes {
		at := Span{MaxBytes, len(src)}
		return &Query{}, []Error{Errorf(CodeLimit, at, "the query is %d bytes long; %d are allowed", len(src), MaxBytes)}
	}
	if i := invalidUTF8(src); i >= 0 {
		return &Query{}, []Error{Errorf(CodeSyntax, Span{i, i + 1}, "the query is not UTF-8: the byte %#x has no meaning here", src[i])}
	}
	tokens, errs := lex(src)
	p := &parser{src: src, tokens: tokens, errs: errs}
	q := &Query{Span: Span{0, len(src)}, Statements: p.statements("")}
	if len(q.Statements) == 0 && len(p.errs) == 0 {
		p.errs = append(p.errs, Errorf(CodeSyntax, q.Span, "the query is empty: begin with a table, such as SigninLogs"))
	}
	slices.SortStableFunc(p.errs, func(a, b Error) int { return a.Span.Start - b.Span.Start })
	return q, p.errs
}

// invalidUTF8 is the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return -1
}

type parser struct {
	src    string
	tokens []token
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
	if !p.bad && len(p.errs) < maxErrors {
		p.errs = append(p.errs, Errorf(CodeSyntax, t.Span, format, args...))
	}
	p.bad = true
	return &Bad{t.Span}
}

// found names the current token in a message.
func (p *parser) found() string {
	t := p.tok()
	if t.kind == tokenEOF {
		return "the end of the query"
	}
	return "'" + p.src[t.Start:t.End] + "'"
}

func (p *parser) expect(text string) bool {
	if p.accept(text) {
		return true
	}
	p.errorf("'%s' is missing before %s", text, p.found())
	return false
}

// nest counts one level of nesting; the caller defers p.unnest when it returns true.
func (p *parser) nest() bool {
	if p.depth >= MaxDepth {
		if !p.bad && len(p.errs) < maxErrors {
			p.errs = append(p.errs, Errorf(CodeLimit, p.tok().Span, "the query is nested more than %d levels deep", MaxDepth))
		}
		p.bad = true
		p.pos = len(p.tokens) - 1 // nothing that follows can be told apart
		return false
	}
	p.depth++
	return true
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
		p.errorf("%s does not belong here: expected '|' or ';'", p.found())
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
		return &OtherStatement{Word: word, Tokens: p.raw(false), Span: Span{start, p.prevEnd()}}
	}
	x := p.pipeOrExpr()
	return &ExprStatement{X: x, Span: Span{start, p.prevEnd()}}
}

func (p *parser) let() Statement {
	start := p.advance().Start
	s := &Let{Name: p.name()}
	if p.expect("=") {
		s.Value = p.letValue()
	} else {
		s.Value = &Bad{p.tok().Span}
	}
	s.Span = Span{start, p.prevEnd()}
	return s
}

func (p *parser) letValue() Expr {
	if p.atWord("view") && p.peek(1).isPunct("(") {
		p.advance()
		return p.lambda()
	}
	if p.at("(") && p.parenthesisBefore("{") {
		return p.lambda()
	}
	return p.pipeOrExpr()
}

// parenthesisBefore reports whether the parenthesis that opens here closes right before the given token.
func (p *parser) parenthesisBefore(next string) bool {
	depth := 0
	for i := p.pos; i < len(p.tokens); i++ {
		switch t := p.tokens[i]; {
		case t.isPunct("("):
			depth++
		case t.isPunct(")"):
			if depth--; depth == 0 {
				return p.tokens[min(i+1, len(p.tokens)-1)].isPunct(next)
			}
		case t.isPunct(";"), t.isPunct("|"):
			return false
		}
	}
	return false
}

func (p *parser) lambda() Expr {
	start := p.tok().Start
	if !p.nest() {
		return &Bad{p.tok().Span}
	}
	defer p.unnest()
	f := &Lambda{}
	p.expect("(")
	f.Params = p.raw(true)
	p.expect(")")
	if p.expect("{") {
		f.Body = p.statements("}")
		p.expect("}")
	}
	f.Span = Span{start, p.prevEnd()}
	return f
}

// raw collects tokens, balanced, up to a token that ends an operator.
func (p *parser) raw(pipesToo bool) []string {
	start := p.pos
	p.skipTo(pipesToo)
	var list []string
	for _, t := range p.tokens[start:p.pos] {
		list = append(list, printToken(t))
	}
	return list
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

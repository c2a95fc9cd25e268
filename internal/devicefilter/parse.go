package devicefilter

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// The grammar, in which words are read without regard to case and every hyphen before one may be left out:
//
//	rule       = or
//	or         = and { "-or" and }
//	and        = not { "-and" not }
//	not        = "-not" not | "(" or ")" | comparison
//	comparison = [ "device." ] property operator value
//	value      = string | bare | "[" [ string { "," string } ] "]"
//	bare       = "true" | "false" | "null" | number | guid

// A parser reads a rule by recursive descent. Its depth is bounded by MaxLength.
type parser struct {
	lexer lexer
	token token // the next one
}

// parse reads a rule; its error has no suggestion yet.
func parse(src string) (expr, *SyntaxError) {
	if err := checkText(src); err != nil {
		return nil, err.locate(src)
	}
	p := &parser{lexer: lexer{src: src}}
	tree, err := p.rule()
	if err != nil {
		return nil, err.locate(src)
	}
	return tree, nil
}

// checkText refuses what is no text, or too much of it, before anything else looks at it.
func checkText(src string) *SyntaxError {
	characters := 0
	for i, r := range src {
		if _, size := utf8.DecodeRuneInString(src[i:]); r == utf8.RuneError && size == 1 {
			return errorAt(span{i, i + 1}, "The rule is not valid UTF-8 text.")
		}
		if characters == MaxLength {
			return errorAt(span{i, len(src)}, "The rule is longer than %d characters. Split it over several policies, or name the devices by an extension attribute.", MaxLength)
		}
		characters++
	}
	return nil
}

func (p *parser) rule() (expr, *SyntaxError) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.token.kind == endToken {
		return nil, errorAt(p.token.span, "The rule is empty. Write a comparison, such as device.trustType -eq \"AzureAD\".")
	}
	tree, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.token.kind != endToken {
		return nil, p.unexpectedAfterTerm()
	}
	return tree, nil
}

func (p *parser) unexpectedAfterTerm() *SyntaxError {
	switch p.token.kind {
	case rightParen:
		return errorAt(p.token.span, "This closing parenthesis has no opening one.").fixedBy("")
	case wordToken, leftParen:
		if _, isOperator := operatorNamed(p.token.text); !isOperator {
			return errorAt(p.token.span, "Expected -and, -or or the end of the rule before %q.", p.token.text)
		}
	}
	return errorAt(p.token.span, "Expected -and, -or or the end of the rule here.")
}

func (p *parser) advance() (err *SyntaxError) {
	p.token, err = p.lexer.next()
	return err
}

// atKeyword reports whether the next token is this logical word, with or without its hyphen.
func (p *parser) atKeyword(word string) bool {
	return p.token.kind == wordToken && strings.EqualFold(strings.TrimPrefix(p.token.text, "-"), word)
}

func (p *parser) or() (expr, *SyntaxError) {
	terms, err := p.chain("or", p.and)
	if err != nil || len(terms) == 1 {
		return first(terms), err
	}
	return &orExpr{terms}, nil
}

func (p *parser) and() (expr, *SyntaxError) {
	terms, err := p.chain("and", p.not)
	if err != nil || len(terms) == 1 {
		return first(terms), err
	}
	return &andExpr{terms}, nil
}

func first(terms []expr) expr {
	if len(terms) == 0 {
		return nil
	}
	return terms[0]
}

// chain reads terms that are joined by a keyword.
func (p *parser) chain(keyword string, term func() (expr, *SyntaxError)) ([]expr, *SyntaxError) {
	var terms []expr
	for {
		t, err := term()
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
		if !p.atKeyword(keyword) {
			return terms, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

func (p *parser) not() (expr, *SyntaxError) {
	switch {
	case p.atKeyword("not"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		term, err := p.not()
		if err != nil {
			return nil, err
		}
		return &notExpr{term}, nil
	case p.token.kind == leftParen:
		return p.parenthesised()
	}
	return p.comparison()
}

func (p *parser) parenthesised() (expr, *SyntaxError) {
	open := p.token.span
	if err := p.advance(); err != nil {
		return nil, err
	}
	tree, err := p.or()
	if err != nil {
		return nil, err
	}
	switch p.token.kind {
	case rightParen:
		return tree, p.advance()
	case endToken:
		return nil, errorAt(open, "This opening parenthesis is never closed.")
	}
	return nil, errorAt(p.token.span, "Expected -and, -or or a closing parenthesis here.")
}

func (p *parser) comparison() (expr, *SyntaxError) {
	prop, err := p.property()
	if err != nil {
		return nil, err
	}
	op, err := p.operator(prop)
	if err != nil {
		return nil, err
	}
	c := &comparison{property: prop, op: op}
	if err := p.value(c); err != nil {
		return nil, err
	}
	return c, nil
}

func (p *parser) property() (*property, *SyntaxError) {
	at := p.token.span
	switch p.token.kind {
	case wordToken:
	case endToken:
		return nil, errorAt(at, "The rule ends where a property was expected, such as device.trustType.")
	default:
		return nil, errorAt(at, "Expected a property here, such as device.trustType.")
	}
	prop, ok := propertiesByName[trimPrefix(strings.ToLower(p.token.text))]
	if !ok {
		return nil, unknownProperty(p.token)
	}
	return prop, p.advance()
}

func (p *parser) operator(prop *property) (operator, *SyntaxError) {
	at := p.token.span
	if p.token.kind != wordToken {
		return 0, errorAt(at, "Expected an operator after %s, such as -eq.", prop.name)
	}
	op, ok := operatorNamed(p.token.text)
	if !ok {
		return 0, unknownOperator(p.token, prop)
	}
	if !prop.ops.has(op) {
		return 0, operatorNotAllowed(at, op, prop)
	}
	return op, p.advance()
}

// value reads the right side of a comparison into c.
func (p *parser) value(c *comparison) *SyntaxError {
	if p.token.kind == leftBracket {
		return p.list(c)
	}
	at, tok := p.token.span, p.token
	quoted := tok.kind == stringToken
	switch {
	case tok.kind == endToken:
		return errorAt(at, "The rule ends where a value was expected.")
	case !quoted && tok.kind != wordToken:
		return errorAt(at, "Expected a value here.")
	case !quoted && strings.EqualFold(tok.text, "null"):
		return p.null(c)
	case c.op.positive() == opIn:
		return p.singleInsteadOfList(c)
	case c.property.kind == boolKind:
		return p.bool(c)
	case !quoted && !isBareValue(tok.text):
		return bareWord(tok)
	}
	c.values = []string{tok.text}
	return p.advance()
}

func (p *parser) null(c *comparison) *SyntaxError {
	if c.op.positive() != opEq {
		return errorAt(p.token.span, "null goes with -eq and -ne only.")
	}
	c.null = true
	return p.advance()
}

func (p *parser) bool(c *comparison) *SyntaxError {
	switch strings.ToLower(p.token.text) {
	case "true":
		c.truth = true
	case "false":
	default:
		return errorAt(p.token.span, "%s is True or False.", c.property.name)
	}
	return p.advance()
}

func (p *parser) singleInsteadOfList(c *comparison) *SyntaxError {
	text := p.lexer.src[p.token.span.start:p.token.span.end]
	if p.token.kind == wordToken {
		text = quote(p.token.text)
	}
	return errorAt(p.token.span, "%s needs a list, such as [\"a\", \"b\"].", c.op).fixedBy("[" + text + "]")
}

// list reads the items of -in and -notIn.
func (p *parser) list(c *comparison) *SyntaxError {
	open := p.token.span
	if c.op.positive() != opIn {
		return errorAt(open, "A list goes with -in and -notIn only; %s takes one value.", c.op)
	}
	c.values = []string{}
	if err := p.advance(); err != nil {
		return err
	}
	for p.token.kind != rightBracket {
		if err := p.listItem(c, open); err != nil {
			return err
		}
	}
	return p.advance()
}

// listItem reads an item and the comma that announces another.
func (p *parser) listItem(c *comparison, open span) *SyntaxError {
	switch tok := p.token; {
	case tok.kind == endToken:
		return errorAt(open, "This list is never closed.")
	case tok.kind == wordToken && !isBareValue(tok.text):
		return bareWord(tok)
	case tok.kind != stringToken && tok.kind != wordToken:
		return errorAt(tok.span, "Expected a string in the list here.")
	}
	c.values = append(c.values, p.token.text)
	if err := p.advance(); err != nil {
		return err
	}
	switch p.token.kind {
	case rightBracket:
		return nil
	case comma:
		comma := p.token.span
		if err := p.advance(); err != nil {
			return err
		}
		if p.token.kind == rightBracket {
			return errorAt(comma, "The list ends with a comma.").fixedBy("")
		}
		return nil
	case endToken:
		return errorAt(open, "This list is never closed.")
	}
	return errorAt(p.token.span, "Expected a comma or the end of the list here.")
}

// barePattern is what may stand without quotes where a string is expected: a truth value, a number, a GUID.
var barePattern = regexp.MustCompile(`^(?i:true|false|-?[0-9]+(\.[0-9]+)*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

func isBareValue(word string) bool { return barePattern.MatchString(word) }

func bareWord(tok token) *SyntaxError {
	return errorAt(tok.span, "%q needs quotation marks: only True, False, null, numbers and GUIDs may stand without.", tok.text).
		fixedBy(quote(tok.text))
}

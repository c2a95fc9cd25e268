package syntax

import (
	"slices"
	"strings"
)

// leadingWords begin a pipe without a table before them.
var leadingWords = []string{"union", "print", "range", "datatable", "externaldata", "search", "find", "evaluate"}

// pipeOrExpr reads an expression, and the pipe behind it when there is one.
func (p *parser) pipeOrExpr() Expr {
	if !p.nest() {
		return &Bad{p.tok().Span}
	}
	defer p.unnest()
	start := p.tok().Start
	var source Expr
	if p.atLeading() {
		source = &Leading{Op: p.operator(), Span: p.since(start)}
	} else {
		source = p.named()
	}
	if !p.at("|") {
		return source
	}
	pipe := &Pipe{Source: source}
	for p.at("|") || p.bad {
		if p.bad { // go on behind the error
			p.skipTo(false)
			if !p.at("|") {
				break
			}
			p.bad = false
		}
		p.advance()
		pipe.Ops = append(pipe.Ops, p.operator())
		if !p.bad && !p.atEnd() {
			p.misplaced("'|' or the end of the operator")
		}
	}
	pipe.Span = p.since(start)
	return pipe
}

// atEnd reports whether an operator may end before the current token.
func (p *parser) atEnd() bool {
	t := p.tok()
	return t.kind == tokenEOF || t.kind == tokenPunct && slices.Contains([]string{"|", ";", ")", "]", "}", ","}, t.text)
}

func (p *parser) atLeading() bool {
	t := p.tok()
	if t.kind != tokenName || !slices.Contains(leadingWords, t.text) {
		return false
	}
	n := p.peek(1)
	switch t.text {
	case "datatable", "externaldata":
		return n.isPunct("(")
	case "range", "find", "evaluate":
		return n.kind == tokenName || t.text == "find" && n.isPunct("(")
	case "print":
		return !n.isPunct("=") && n.kind != tokenEOF
	case "union":
		return n.kind == tokenName || n.isPunct("(") || n.isPunct("*") || n.isPunct("[")
	}
	return n.kind == tokenString || n.kind == tokenName && !isBinaryWord(n.text) || n.isPunct("*")
}

// operatorWord reads a word such as project-away, whose dashes touch their letters.
func (p *parser) operatorWord() string {
	word := p.advance()
	end := word.End
	for p.at("-") && p.tok().Start == end && p.peek(1).kind == tokenName && p.peek(1).Start == end+1 {
		p.advance()
		end = p.advance().End
	}
	return p.src[word.Start:end]
}

func (p *parser) operator() Operator {
	t := p.tok()
	if t.kind != tokenName {
		p.errorf("expected an operator such as where or summarize before %s", p.found())
		return &Other{Span: t.Span}
	}
	word := p.operatorWord()
	end := func() Span { return p.since(t.Start) }
	switch word {
	case "where", "filter":
		cond := p.expr()
		return &Where{Cond: cond, Span: end()}
	case "project", "extend", "distinct", "print", "project-away", "project-keep", "project-reorder", "project-rename":
		items := p.list(word)
		return &List{Word: word, Items: items, Span: end()}
	case "summarize":
		return p.summarize(t.Start)
	case "sort", "order":
		p.params("hint.")
		if !p.acceptWord("by") {
			p.errorf("'by' is missing before %s", p.found())
		}
		keys := p.sortKeys()
		return &Sort{Keys: keys, Span: end()}
	case "top":
		n := p.expr()
		if !p.acceptWord("by") {
			p.errorf("'by' is missing before %s", p.found())
		}
		keys := p.sortKeys()
		return &Sort{N: n, Keys: keys, Span: end()}
	case "take", "limit":
		n := p.expr()
		return &Take{N: n, Span: end()}
	case "count":
		return &Count{Span: end()}
	case "mv-expand", "mvexpand":
		return p.mvExpand(t.Start, word)
	case "union":
		return p.union(t.Start)
	case "join", "lookup":
		return p.join(t.Start, word)
	case "render":
		return p.render(t.Start)
	case "as":
		params := p.params("hint.")
		name := p.name()
		return &As{Params: params, Name: name, Span: end()}
	case "invoke":
		return p.invoke(t.Start)
	case "evaluate":
		return p.evaluate(t.Start)
	case "parse", "parse-where":
		return p.parseOperator(t.Start, word)
	case "mv-apply", "mvapply":
		return p.mvApply(t.Start)
	case "make-series":
		return p.makeSeries(t.Start)
	case "range":
		return p.rangeOperator(t.Start)
	case "datatable":
		return p.dataTable(t.Start)
	case "serialize":
		o := &List{Word: word}
		if !p.atEnd() {
			o.Items = p.list(word)
		}
		o.Span = end()
		return o
	case "sample":
		n := p.expr()
		return &Sample{N: n, Span: end()}
	case "sample-distinct":
		n := p.expr()
		if !p.acceptWord("of") {
			p.errorf("'of' is missing before %s", p.found())
		}
		x := p.expr()
		return &SampleDistinct{N: n, X: x, Span: end()}
	case "getschema":
		return &GetSchema{Span: end()}
	}
	tokens := p.raw(false)
	return &Other{Word: word, Tokens: tokens, Span: end()}
}

// list reads the expressions of project, extend and their kin. distinct and the project-… forms take patterns.
func (p *parser) list(word string) []Expr {
	var items []Expr
	if p.atEnd() {
		p.errorf("%s needs at least one column before %s", word, p.found())
		return nil
	}
	for {
		items = append(items, p.listItem(word))
		if !p.accept(",") {
			return items
		}
	}
}

func (p *parser) listItem(word string) Expr {
	if word != "extend" && word != "print" && word != "project-rename" {
		if w := p.wildcard(); w != nil {
			return w
		}
	}
	x := p.named()
	if word == "project-reorder" && (p.atWord("asc") || p.atWord("desc")) {
		p.advance()
	}
	return x
}

// wildcard reads a star or a pattern such as Foo*, and returns nil when there is none here.
func (p *parser) wildcard() *Wildcard {
	start, end, star := p.pos, p.pos, false
	for i := p.pos; i < len(p.tokens); i++ {
		t := p.tokens[i]
		if i > start && t.Start != p.tokens[i-1].End || t.kind != tokenName && !t.isPunct("*") {
			break
		}
		star = star || t.isPunct("*")
		end = i + 1
	}
	if !star {
		return nil
	}
	if next := p.tokens[end]; next.kind != tokenEOF && !(next.kind == tokenPunct && strings.Contains("|;),}", next.text)) {
		if !(next.kind == tokenName && (next.text == "asc" || next.text == "desc")) {
			return nil
		}
	}
	var b strings.Builder
	for _, t := range p.tokens[start:end] {
		b.WriteString(t.text)
	}
	p.pos = end
	return &Wildcard{Span: p.tokens[start].Span.To(p.tokens[end-1].Span), Pattern: b.String()}
}

// params reads `name=value` pairs. With a prefix, only those whose name begins with it.
func (p *parser) params(prefix string) []Param {
	var list []Param
	for p.tok().kind == tokenName {
		n := 1
		for p.peek(n).isPunct(".") && p.peek(n+1).kind == tokenName {
			n += 2
		}
		if !p.peek(n).isPunct("=") || !strings.HasPrefix(p.src[p.tok().Start:], prefix) {
			return list
		}
		start := p.tok().Start
		var name strings.Builder
		for range n {
			name.WriteString(p.advance().text)
		}
		p.advance()
		value := p.paramValue()
		list = append(list, Param{Name: name.String(), Value: value, Span: p.since(start)})
	}
	return list
}

// paramValue reads a name or literal. A parenthesis behind a name is not a call: in `kind=inner (T)` the table begins.
func (p *parser) paramValue() Expr {
	if t := p.tok(); t.kind == tokenName && t.text != "true" && t.text != "false" {
		return p.name()
	}
	return p.primary()
}

func (p *parser) summarize(start int) Operator {
	s := &Summarize{Params: p.params("hint.")}
	if !p.atWord("by") {
		s.Aggs = p.list("summarize")
	}
	if p.acceptWord("by") {
		s.By = p.list("summarize by")
	}
	s.Span = p.since(start)
	return s
}

func (p *parser) sortKeys() []SortKey {
	var keys []SortKey
	for {
		start := p.tok().Start
		k := SortKey{X: p.expr()}
		if p.atWord("asc") || p.atWord("desc") {
			k.Dir = p.advance().text
		}
		if p.acceptWord("nulls") {
			if p.atWord("first") || p.atWord("last") {
				k.Nulls = p.advance().text
			} else {
				p.errorf("expected first or last behind nulls, found %s", p.found())
			}
		}
		k.Span = p.since(start)
		keys = append(keys, k)
		if !p.accept(",") {
			return keys
		}
	}
}

func (p *parser) mvExpand(start int, word string) Operator {
	m := &MvExpand{Params: p.expandParams()}
	m.Items, m.Limit = p.expandItems()
	if m.Limit == nil && word == "mvexpand" { // the old spelling has a limit of its own
		m.Limit = &Literal{Span: p.since(start), Kind: Long, Text: "128"}
	}
	m.Span = p.since(start)
	return m
}

// expandItems reads what mv-expand and mv-apply take apart, and their limit.
func (p *parser) expandItems() (items []ExpandItem, limit Expr) {
	for {
		from := p.tok().Start
		item := ExpandItem{X: p.named()}
		if p.atWord("to") && p.peek(1).isWord("typeof") {
			p.advance()
			p.advance()
			open := p.tok().Start
			p.expect("(")
			item.Type = p.name().Text
			p.expectClosing(open, ")")
		}
		item.Span = p.since(from)
		items = append(items, item)
		if !p.accept(",") {
			break
		}
	}
	if p.acceptWord("limit") {
		limit = p.expr()
	}
	return items, limit
}

// expandParams reads the parameters of mv-expand, which look like the named columns that follow them.
func (p *parser) expandParams() []Param {
	var list []Param
	for p.atWord("bagexpansion") || p.atWord("kind") || p.atWord("with_itemindex") {
		got := p.params(p.tok().text)
		if got == nil {
			break
		}
		list = append(list, got...)
	}
	return list
}

func (p *parser) union(start int) Operator {
	u := &Union{Params: p.params("")}
	for {
		if w := p.wildcard(); w != nil {
			u.Tables = append(u.Tables, w)
		} else {
			u.Tables = append(u.Tables, p.postfix())
		}
		if !p.accept(",") {
			break
		}
	}
	u.Span = p.since(start)
	return u
}

func (p *parser) join(start int, word string) Operator {
	j := &Join{Word: word, Params: p.params("")}
	j.Right = p.postfix()
	if p.acceptWord("on") {
		for {
			j.On = append(j.On, p.expr())
			if !p.accept(",") {
				break
			}
		}
	} else {
		p.errorf("'on' is missing before %s", p.found())
	}
	j.Span = p.since(start)
	return j
}

func (p *parser) render(start int) Operator {
	r := &Render{Kind: p.name()}
	if p.acceptWord("with") {
		r.Props = p.renderProps()
	}
	r.Span = p.since(start)
	return r
}

func (p *parser) renderProps() []Param {
	open := p.tok().Start
	if !p.expect("(") {
		return nil
	}
	var props []Param
	for !p.at(")") && !p.bad {
		from := p.tok().Start
		prop := Param{Name: p.name().Text}
		p.expect("=")
		prop.Value = p.expr()
		for p.at(",") && p.peek(2).kind != tokenEOF && !p.peek(2).isPunct("=") && p.peek(1).kind == tokenName {
			p.advance() // ycolumns=a, b
			prop.Value = &Binary{Op: ",", L: prop.Value, R: p.expr(), Span: p.since(from)}
		}
		prop.Span = p.since(from)
		props = append(props, prop)
		if !p.accept(",") {
			break
		}
	}
	p.expectClosing(open, ")")
	return props
}

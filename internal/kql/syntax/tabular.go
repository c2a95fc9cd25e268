package syntax

// call reads `name(args)`.
func (p *parser) call() *Call {
	start := p.tok().Start
	c := &Call{Func: p.name()}
	if open := p.tok().Start; p.expect("(") {
		c.Args = p.args()
		p.expectClosing(open, ")")
	}
	c.Span = p.since(start)
	return c
}

func (p *parser) invoke(start int) Operator {
	c := p.call()
	return &Invoke{Call: c, Span: p.since(start)}
}

// evaluate reads `evaluate plugin(args) [: (schema)]`.
func (p *parser) evaluate(start int) Operator {
	e := &Evaluate{Params: p.params("hint."), Call: p.call()}
	if p.accept(":") {
		open := p.tok().Start
		p.expect("(")
		if e.Star = p.accept("*"); !e.Star || p.accept(",") {
			e.Columns = p.columnDecls(")")
		}
		p.expectClosing(open, ")")
	}
	e.Span = p.since(start)
	return e
}

// parseOperator reads `parse [kind=k [flags=f]] x with "text" name:type * ...`.
func (p *parser) parseOperator(start int, word string) Operator {
	o := &ParseText{Word: word}
	for p.atWord("kind") || p.atWord("flags") {
		got := p.params(p.tok().text)
		if got == nil {
			break
		}
		o.Params = append(o.Params, got...)
	}
	o.X = p.expr()
	if !p.acceptWord("with") {
		p.errorf("'with' is missing before %s", p.found())
	}
	for !p.bad && !p.atEnd() {
		o.Parts = append(o.Parts, p.parsePart())
	}
	if len(o.Parts) == 0 {
		p.errorf("%s needs a pattern such as \"user=\" name:string before %s", word, p.found())
	}
	o.Span = p.since(start)
	return o
}

func (p *parser) parsePart() ParsePart {
	t := p.tok()
	part := ParsePart{}
	switch {
	case p.accept("*"):
		part.Star = true
	case t.kind == tokenString:
		p.advance()
		part.Text = &Literal{Span: t.Span, Kind: String, Text: t.text}
	default:
		part.Name = p.name()
		if p.accept(":") {
			part.Type = p.typeName()
		}
	}
	part.Span = p.since(t.Start)
	return part
}

// mvApply reads `mv-apply x = d to typeof(t) limit n on (operators)`.
func (p *parser) mvApply(start int) Operator {
	if !p.nest() {
		return &Other{Word: "mv-apply", Span: p.since(start)}
	}
	defer p.unnest()
	m := &MvApply{Params: p.expandParams()}
	m.Items, m.Limit = p.expandItems()
	if p.acceptWord("on") {
		if open := p.tok().Start; p.expect("(") {
			m.Body = p.operators()
			p.expectClosing(open, ")")
		}
	} else {
		p.errorf("'on' is missing before %s", p.found())
	}
	m.Span = p.since(start)
	return m
}

// operators reads operators split by bars, of a pipe whose source is said elsewhere.
func (p *parser) operators() []Operator {
	var list []Operator
	for {
		list = append(list, p.operator())
		if !p.bad && !p.atEnd() {
			p.misplaced("'|' or the end of the operator")
		}
		if p.bad {
			p.skipTo(false)
			if p.at("|") {
				p.bad = false
			}
		}
		if !p.accept("|") {
			return list
		}
	}
}

// makeSeries reads `make-series a=agg() default=0, ... on t from x to y step z by k`; `on t in range(x, y, z)` is the old
// way to say the same.
func (p *parser) makeSeries(start int) Operator {
	m := &MakeSeries{Params: p.params("kind")}
	for {
		from := p.tok().Start
		a := SeriesAgg{X: p.named()}
		if p.atWord("default") && p.peek(1).isPunct("=") {
			p.advance()
			p.advance()
			a.Default = p.expr()
		}
		a.Span = p.since(from)
		m.Aggs = append(m.Aggs, a)
		if !p.accept(",") {
			break
		}
	}
	if !p.acceptWord("on") {
		p.errorf("'on' is missing before %s", p.found())
	}
	m.On = p.binary(compareLevel + 1)
	if p.acceptWord("in") {
		p.seriesRange(m)
	} else {
		m.From, m.To, m.Step = p.fromToStep()
	}
	if p.acceptWord("by") {
		m.By = p.list("make-series by")
	}
	m.Span = p.since(start)
	return m
}

func (p *parser) seriesRange(m *MakeSeries) {
	if !p.atWord("range") {
		p.errorf("expected range(from, to, step) before %s", p.found())
		return
	}
	c := p.call()
	if len(c.Args) != 3 {
		p.errorf("range takes from, to and step before %s", p.found())
		return
	}
	m.From, m.To, m.Step = c.Args[0], c.Args[1], c.Args[2]
}

func (p *parser) fromToStep() (from, to, step Expr) {
	if p.acceptWord("from") {
		from = p.expr()
	}
	if p.acceptWord("to") {
		to = p.expr()
	}
	if p.acceptWord("step") {
		step = p.expr()
	} else {
		step = p.errorf("'step' is missing before %s", p.found())
	}
	return from, to, step
}

// rangeOperator reads `range x from a to b step c`.
func (p *parser) rangeOperator(start int) Operator {
	r := &Range{Name: p.name()}
	r.From, r.To, r.Step = p.fromToStep()
	if r.From == nil || r.To == nil {
		p.errorf("range needs from and to before %s", p.found())
		r.From, r.To = &Bad{p.tok().Span}, &Bad{p.tok().Span}
	}
	r.Span = p.since(start)
	return r
}

// dataTable reads `datatable (a:string, b:long) ["x", 1, "y", 2]`.
func (p *parser) dataTable(start int) Operator {
	d := &DataTable{}
	if open := p.tok().Start; p.expect("(") {
		d.Columns = p.columnDecls(")")
		p.expectClosing(open, ")")
	}
	if open := p.tok().Start; p.expect("[") {
		for !p.at("]") && !p.bad {
			d.Values = append(d.Values, p.expr())
			if !p.accept(",") {
				break
			}
		}
		p.expectClosing(open, "]")
	}
	d.Span = p.since(start)
	return d
}

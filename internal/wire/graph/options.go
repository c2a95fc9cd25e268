package graph

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Bounds of query options.
const (
	maxQueryText = 8 << 10 // bytes
	maxTerms     = 20
	maxTop       = 1000
)

// parseOptions returns the query options of a request, by lower-case name with the leading $, which callers may leave out.
// An option that the route does not take is refused by its name.
func parseOptions(raw string, takes []string) (map[string]string, error) {
	if len(raw) > maxQueryText {
		return nil, badRequest("The query string is longer than %d bytes.", maxQueryText)
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badRequest("The query string is not well formed.")
	}
	options := map[string]string{}
	for name, list := range values {
		key := strings.ToLower(name)
		if !strings.HasPrefix(key, "$") {
			key = "$" + key
		}
		if !contains(takes, key) {
			e := badRequest("The query option %q is not supported here.", name)
			e.remedy = "Leave it out."
			if len(takes) > 0 {
				e.remedy = "Leave it out; this path takes " + strings.Join(takes, ", ") + "."
			}
			return nil, e
		}
		if _, twice := options[key]; twice || len(list) != 1 {
			return nil, badRequest("The query option %q is given more than once.", name)
		}
		options[key] = list[0]
	}
	return options, nil
}

// top returns the $top option, or otherwise where there is none.
func (q *request) top(otherwise int) (int, error) {
	text, ok := q.options["$top"]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxTop {
		return 0, badRequest("The option $top is not a number between 1 and %d.", maxTop)
	}
	return n, nil
}

// A term is one comparison of a $filter.
type term struct {
	text   string // as written
	path   string // such as status/errorCode; in lambdas, the collection
	op     string // eq, ge, le, or any
	value  string // of a literal, without its quotes
	quoted bool
	values []string // of a lambda: what the element may equal
}

// unsupported refuses a comparison by its text.
func (t term) unsupported(fields []string) error {
	e := badRequest("The filter %q is not supported here.", t.text)
	e.remedy = "Compare " + strings.Join(fields, ", ") + " with eq, joined by and."
	return e
}

// parseFilter reads a filter of this grammar, a part of OData's (OData 4.01 part 2, section 5.1.1.1):
//
//	filter     = "(" filter ")" | term { "and" term }
//	term       = path ( "eq" | "ge" | "le" ) literal
//	           | path "/any(" name ":" name "eq" string { "or" name "eq" string } ")"
//	literal    = string | number | date and time | true | false
func parseFilter(src string) ([]term, error) {
	p := &filterParser{src: src}
	terms, err := p.filter()
	if err != nil {
		return nil, err
	}
	return terms, nil
}

type filterParser struct {
	src string
	pos int
}

func (p *filterParser) fail(what string) error {
	e := badRequest("The $filter cannot be read at character %d: %s.", p.pos+1, what)
	e.remedy = "Write comparisons with eq, ge or le, joined by and."
	return e
}

func (p *filterParser) filter() ([]term, error) {
	depth := 0
	for p.punctuation('(') {
		depth++
	}
	var terms []term
	for {
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		if terms = append(terms, t); len(terms) > maxTerms {
			return nil, p.fail(fmt.Sprintf("more than %d comparisons", maxTerms))
		}
		if !p.word("and") {
			break
		}
	}
	for ; depth > 0; depth-- {
		if !p.punctuation(')') {
			return nil, p.fail("a closing parenthesis is missing")
		}
	}
	p.space()
	if p.pos < len(p.src) {
		return nil, p.fail(fmt.Sprintf("%q is not supported", firstWord(p.src[p.pos:])))
	}
	return terms, nil
}

func (p *filterParser) term() (term, error) {
	p.space()
	start := p.pos
	path := p.path()
	if path == "" {
		return term{}, p.fail("the name of a property is missing")
	}
	var t term
	var err error
	if inner, ok := strings.CutSuffix(path, "/any"); ok {
		t, err = p.lambda(inner)
	} else {
		t, err = p.comparison(path)
	}
	t.text = strings.TrimSpace(p.src[start:p.pos])
	return t, err
}

func (p *filterParser) comparison(path string) (term, error) {
	for _, op := range []string{"eq", "ge", "le"} {
		if p.word(op) {
			value, quoted, err := p.literal()
			return term{path: path, op: op, value: value, quoted: quoted}, err
		}
	}
	p.space()
	return term{}, p.fail(fmt.Sprintf("%q is not supported after %q", firstWord(p.src[p.pos:]), path))
}

func (p *filterParser) lambda(path string) (term, error) {
	if !p.punctuation('(') {
		return term{}, p.fail("( is missing")
	}
	p.space()
	name := p.path()
	if name == "" || !p.punctuation(':') {
		return term{}, p.fail("a name and : are missing")
	}
	t := term{path: path, op: "any"}
	for {
		p.space()
		if p.path() != name || !p.word("eq") {
			return term{}, p.fail(fmt.Sprintf("%q eq is missing", name))
		}
		value, quoted, err := p.literal()
		if err != nil {
			return term{}, err
		}
		if !quoted {
			return term{}, p.fail("a text in quotes is missing")
		}
		t.values = append(t.values, value)
		if !p.word("or") {
			break
		}
	}
	if !p.punctuation(')') {
		return term{}, p.fail(") is missing")
	}
	return t, nil
}

func (p *filterParser) literal() (value string, quoted bool, err error) {
	p.space()
	if p.pos < len(p.src) && p.src[p.pos] == '\'' {
		value, err = p.quotedText()
		return value, true, err
	}
	start := p.pos
	for p.pos < len(p.src) && strings.IndexByte(" )(,'", p.src[p.pos]) < 0 {
		p.pos++
	}
	if p.pos == start {
		return "", false, p.fail("a value is missing")
	}
	return p.src[start:p.pos], false, nil
}

// quotedText reads a text in single quotes; two of them stand for one.
func (p *filterParser) quotedText() (string, error) {
	var b strings.Builder
	for p.pos++; p.pos < len(p.src); p.pos++ {
		if p.src[p.pos] != '\'' {
			b.WriteByte(p.src[p.pos])
			continue
		}
		if p.pos+1 < len(p.src) && p.src[p.pos+1] == '\'' {
			b.WriteByte('\'')
			p.pos++
			continue
		}
		p.pos++
		return b.String(), nil
	}
	return "", p.fail("a closing quote is missing")
}

func (p *filterParser) path() string {
	start := p.pos
	for p.pos < len(p.src) && (letter(p.src[p.pos]) || p.pos > start && (digit(p.src[p.pos]) || p.src[p.pos] == '/')) {
		p.pos++
	}
	return p.src[start:p.pos]
}

// word consumes an operator that stands by itself.
func (p *filterParser) word(w string) bool {
	p.space()
	rest := p.src[p.pos:]
	if !strings.HasPrefix(rest, w) {
		return false
	}
	if len(rest) > len(w) && (letter(rest[len(w)]) || digit(rest[len(w)])) {
		return false
	}
	p.pos += len(w)
	return true
}

func (p *filterParser) punctuation(c byte) bool {
	p.space()
	if p.pos < len(p.src) && p.src[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *filterParser) space() {
	for p.pos < len(p.src) && p.src[p.pos] == ' ' {
		p.pos++
	}
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

func firstWord(s string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	return word[:min(len(word), 40)]
}

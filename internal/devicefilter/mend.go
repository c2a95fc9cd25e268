package devicefilter

import (
	"fmt"
	"regexp"
	"strings"
)

// unknownProperty refuses a name that no device property has. Names of dynamic-group rules are answered with the filter's.
func unknownProperty(tok token) *SyntaxError {
	name := trimPrefix(strings.ToLower(tok.text))
	own, foreign := groupRuleNames[name]
	switch {
	case foreign && own == "":
		return errorAt(tok.span, "%q belongs to dynamic group rules; a device filter has no such property.", tok.text)
	case foreign:
		return errorAt(tok.span, "%q is not a property of device filters: use device.%s.", tok.text, own).fixedBy("device." + own)
	case strings.HasPrefix(name, "user."):
		return errorAt(tok.span, "%q is a property of users; a device filter sees devices only.", tok.text)
	}
	if near := nearest(name, propertyNames()); near != "" {
		return errorAt(tok.span, "%q is not a device property: did you mean device.%s?", tok.text, near).fixedBy("device." + near)
	}
	return errorAt(tok.span, "%q is not a device property. The properties are %s.", tok.text, strings.Join(propertyNames(), ", "))
}

// unknownOperator refuses an operator that filters do not have.
func unknownOperator(tok token, prop *property) *SyntaxError {
	name := strings.TrimPrefix(strings.ToLower(tok.text), "-")
	own, foreign := foreignOperators[name]
	switch {
	case foreign && own == "":
		return errorAt(tok.span, "%q belongs to other rule languages, such as dynamic group rules. In a device filter %s has %s.", tok.text, prop.name, prop.ops)
	case foreign:
		return errorAt(tok.span, "%q is not an operator of device filters: use %s.", tok.text, own).fixedBy(own)
	}
	if near := nearest(name, operatorNames[:]); near != "" {
		return errorAt(tok.span, "%q is not an operator: did you mean -%s?", tok.text, near).fixedBy("-" + near)
	}
	return errorAt(tok.span, "%q is not an operator. %s has %s.", tok.text, prop.name, prop.ops)
}

func operatorNotAllowed(at span, op operator, prop *property) *SyntaxError {
	err := errorAt(at, "%s is not allowed for %s, which has %s.", op, prop.name, prop.ops)
	if prop.kind == listKind && op.positive() == opStartsWith {
		err.Message += " A label is compared whole; its beginning cannot be asked for."
	}
	return err
}

func propertyNames() []string {
	names := make([]string, 0, ExtensionAttribute1+1)
	for _, p := range properties[:ExtensionAttribute1] {
		names = append(names, p.name)
	}
	return append(names, properties[ExtensionAttribute1].name)
}

// nearest returns the name that is at most two edits away from what was written, or "".
func nearest(written string, names []string) string {
	best, bestDistance := "", 3
	for _, name := range names {
		if d := editDistance(written, strings.ToLower(name), bestDistance); d < bestDistance && d < len(name)/2 {
			best, bestDistance = name, d
		}
	}
	return best
}

// editDistance is Levenshtein's, or limit where the lengths alone exceed it.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// maxMends bounds how many changed rules mend tries: a refused rule costs a few parses, whatever it looks like.
const maxMends = 24

// mend completes the error of a refused rule: it looks for a small change after which the rule parses, and where the
// trouble is a quotation mark without a partner, points at that instead of at its consequences.
func mend(src string, err *SyntaxError) *SyntaxError {
	if countRunes(src) > MaxLength {
		return err
	}
	if quotes := unescapedQuotes(src); len(quotes)%2 == 1 {
		if better := mendQuotes(src, quotes); better != nil {
			return better
		}
	}
	err.Suggestion = applyFixes(src, err)
	return err
}

// applyFixes makes the change that each error in turn proposes, until the rule parses or an error has none.
func applyFixes(src string, err *SyntaxError) string {
	for range maxMends {
		if !err.fixable {
			return ""
		}
		src = src[:err.Offset] + err.fix + src[err.Offset+err.Length:]
		if _, err = parse(src); err == nil {
			return strings.TrimSpace(src)
		}
	}
	return ""
}

// unescapedQuotes returns the offsets of the double quotation marks that no backtick escapes.
func unescapedQuotes(src string) []int {
	var at []int
	escaped := false
	for i, r := range src {
		if isDoubleQuote(r) && !escaped {
			at = append(at, i)
		}
		escaped = r == '`' && !escaped
	}
	return at
}

// An edit takes n bytes out of a rule and puts text in their place.
type edit struct {
	at, n   int
	text    string
	message string
}

func (e edit) apply(src string) string { return src[:e.at] + e.text + src[e.at+e.n:] }

// mendQuotes tries to give an odd quotation mark its partner, or to take it away; nil where nothing helps.
func mendQuotes(src string, quotes []int) *SyntaxError {
	for _, e := range quoteEdits(src, quotes) {
		mended := e.apply(src)
		if _, err := parse(mended); err != nil {
			continue
		}
		found := errorAt(span{e.at, e.at + e.n}, "The rule has an odd number of quotation marks. %s", e.message).locate(src)
		found.Suggestion = strings.TrimSpace(mended)
		return found
	}
	return nil
}

// valueEnd matches where a value may end: before a logical word, a closing mark or the end of the rule.
var valueEnd = regexp.MustCompile(`(?i)\s+-?(?:and|or)\s|[)\],]|\s*$`)

// valueStart matches an operator and the spaces after it: what follows is a value.
var valueStart = regexp.MustCompile(`(?i)\s-?(?:eq|ne|(?:not)?(?:startsWith|endsWith|contains))\s+`)

// quoteEdits proposes edits, the likeliest first: take a mark away at either end, then put one where a value ends or
// begins.
func quoteEdits(src string, quotes []int) []edit {
	var edits []edit
	take := func(at int) {
		edits = append(edits, edit{at: at, n: quoteLen(src[at:]), message: "This one has no partner: leave it out."})
	}
	put := func(at int, side string) {
		edits = append(edits, edit{at: at, text: `"`, message: fmt.Sprintf("One is missing here, %s.", side)})
	}
	take(quotes[0])
	take(quotes[len(quotes)-1])
	for _, m := range valueEnd.FindAllStringIndex(src, maxMends) {
		put(m[0], "after the value")
	}
	for _, m := range valueStart.FindAllStringIndex(src, maxMends) {
		put(m[1], "before the value")
	}
	return edits
}

func quoteLen(s string) int {
	for _, r := range s {
		return len(string(r))
	}
	return 0
}

package signinlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// maxShredded bounds how many policies of one row get list twins; rows with more are read from their JSON.
const maxShredded = 4096

// A Shredder reads the members of rows' JSON columns that have twins. Rows that lie together say much the same of
// policies, devices and places: it remembers what it has read. The zero Shredder is ready; it is for one goroutine.
type Shredder struct {
	known map[shredKey][]any
}

type shredKey struct{ column, text string }

// How much a Shredder remembers.
const (
	maxKnown     = 4096     // texts
	maxKnownText = 16 << 10 // bytes of each
)

// Append appends the values of a row's twins in the order of Twins, and then of PoliciesShredded: nil or a string, for lists
// a []any of these, and a bool. JSON that is malformed or has no one meaning has no twins, and is no error.
func (s *Shredder) Append(out []any, r *Row) []any {
	policies := s.read("ConditionalAccessPolicies", r.ConditionalAccessPolicies)
	out = append(out, policies[:len(policies)-1]...)
	out = append(out, s.read("Status", r.Status)...)
	out = append(out, s.read("DeviceDetail", r.DeviceDetail)...)
	out = append(out, s.read("LocationDetails", r.LocationDetails)...)
	out = append(out, s.read("TokenProtectionStatusDetails", r.TokenProtectionStatusDetails)...)
	return append(out, policies[len(policies)-1])
}

func (s *Shredder) read(column, text string) []any {
	key := shredKey{column, text}
	if values, ok := s.known[key]; ok {
		return values
	}
	values := shred(column, text)
	if len(text) <= maxKnownText {
		if s.known == nil || len(s.known) >= maxKnown {
			s.known = map[shredKey][]any{}
		}
		s.known[key] = values
	}
	return values
}

// shred reads the twins of one column; for the column of policies with PoliciesShredded at the end.
func shred(column, text string) []any {
	var values []any
	if column == "ConditionalAccessPolicies" {
		elements, ok := array(text)
		for _, t := range twinsOf[column] {
			list := make([]any, len(elements))
			for n, e := range elements {
				list[n] = member(e, t.Member)
			}
			values = append(values, list)
		}
		return append(values, ok)
	}
	o := object(text)
	for _, t := range twinsOf[column] {
		values = append(values, member(o, t.Member))
	}
	return values
}

// object reads a JSON object; nil where the text is anything else, or has a member twice: the text's readers would not
// agree on which of them counts.
func object(text string) members {
	if text == "" {
		return nil
	}
	var o members
	if json.Unmarshal([]byte(text), &o) != nil {
		return nil
	}
	return o
}

// array reads a JSON array of objects; false where the text is anything else.
func array(text string) ([]members, bool) {
	var list []members
	if text == "" || json.Unmarshal([]byte(text), &list) != nil || list == nil || len(list) > maxShredded {
		return nil, false
	}
	for _, o := range list {
		if o == nil { // a null among the policies
			return nil, false
		}
	}
	return list, true
}

// members are those of a JSON object.
type members map[string]json.RawMessage

// UnmarshalJSON reads an object and refuses one that has a member twice.
func (m *members) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(errNoObject, err)
	}
	*m = members{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if _, twice := (*m)[name]; twice {
			return errTwice
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		(*m)[name] = raw
	}
	_, err := d.Token()
	return err
}

var (
	errNoObject = errors.New("signinlog: not a JSON object")
	errTwice    = errors.New("signinlog: a member occurs twice")
)

// member returns a member's bare text, or compact JSON where it is a list or an object; nil where it is missing or null.
func member(o members, path string) any {
	name, rest, nested := strings.Cut(path, ".")
	raw, ok := o[name]
	if !ok || string(raw) == "null" {
		return nil
	}
	if nested {
		return member(object(string(raw)), rest)
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	if text, ok = compact(raw); !ok {
		return nil
	}
	return text
}

// compact returns JSON without blanks, with no more escapes in its strings than they need and no idle digits in its
// numbers: what a query reads in a twin is what the log store makes of the same member of the text.
func compact(raw json.RawMessage) (string, bool) {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return "", false
	}
	return literal.ReplaceAllStringFunc(b.String(), func(l string) string {
		var text string
		switch {
		case l[0] != '"':
			return number(l)
		case !strings.Contains(l, `\`) || json.Unmarshal([]byte(l), &text) != nil:
			return l
		}
		return quoted(text)
	}), true
}

var literal = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|-?\d[-+.\deE]*`)

// number writes a number with a fraction or an exponent in its shortest form; others stay as they are.
func number(text string) string {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !strings.ContainsAny(text, ".eE") {
		return text
	}
	if size := math.Abs(v); size != 0 && (size < 1e-5 || size >= 1e21) {
		return strings.NewReplacer("e+0", "e", "e+", "e", "e-0", "e-").Replace(strconv.FormatFloat(v, 'e', -1, 64))
	}
	short := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(short, ".") {
		short += ".0"
	}
	return short
}

// quoted writes a JSON string with only the escapes that JSON demands.
func quoted(text string) string {
	const hex = "0123456789ABCDEF"
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch escape, ok := short[r]; {
		case ok:
			b.WriteString(escape)
		case r < ' ':
			b.WriteString(`\u00` + string(hex[r>>4]) + string(hex[r&15]))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxNesting bounds how deep the objects and arrays of a body lie in each other.
const maxNesting = 32

// An optional is a member that may be missing, null or a value. It tells the three apart, which a pointer cannot.
type optional[T any] struct {
	given bool
	value *T // nil for null
}

// UnmarshalJSON implements json.Unmarshaler. It is not called for a missing member.
func (o *optional[T]) UnmarshalJSON(data []byte) error {
	o.given = true
	if string(data) == "null" {
		return nil
	}
	return json.Unmarshal(data, &o.value)
}

// nullable marks optional for the check of nulls.
func (o *optional[T]) nullable() {}

// read decodes the body into an object of this package's own. Members that the object does not have are refused with their
// JSON pointer, as are repeated ones; "@odata." annotations are skipped.
func (q *request) read(into any) error {
	data, err := q.body()
	if err != nil {
		return err
	}
	return decode(data, into)
}

// decode is read for bytes that are there already.
func decode(data []byte, into any) error {
	tree, repeated, err := parseJSON(data)
	if err != nil {
		return err
	}
	if len(repeated) > 0 {
		return badRequest("The member %s is given twice.", repeated[0])
	}
	if _, ok := tree.(map[string]any); !ok {
		return badRequest("The body is not a JSON object.")
	}
	if err := checkMembers(tree, reflect.TypeOf(into).Elem(), ""); err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return wrongType(err)
	}
	return nil
}

// wrongType words the error of a member whose value has the wrong type.
func wrongType(err error) error {
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) {
		return badRequest("/%s: a %s is not what belongs here.", strings.ReplaceAll(typed.Field, ".", "/"), typed.Value)
	}
	return badRequest("The body cannot be read.")
}

// body returns the bytes of the body, within their bound.
func (q *request) body() ([]byte, error) {
	if ct := q.Header.Get("Content-Type"); ct != "" && !strings.HasPrefix(strings.ToLower(strings.TrimSpace(ct)), "application/json") {
		return nil, &apiError{status: http.StatusUnsupportedMediaType, code: "UnsupportedMediaType",
			message: "The body is not JSON.", remedy: "Send it as application/json."}
	}
	data, err := io.ReadAll(http.MaxBytesReader(q.w, q.Body, maxBody))
	if err != nil {
		return nil, err
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, badRequest("The body is missing.")
	}
	if !utf8.Valid(data) {
		return nil, badRequest("The body is not UTF-8.")
	}
	return data, nil
}

// parseJSON parses one JSON value and lists the pointers of members that an object repeats; of those the last one counts.
func parseJSON(data []byte) (tree any, repeated []string, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	p := &treeParser{dec: dec}
	tree, err = p.value("", 0)
	if err == nil {
		if _, trailing := dec.Token(); !errors.Is(trailing, io.EOF) {
			err = badRequest("Something follows the JSON value of the body.")
		}
	}
	return tree, p.repeated, err
}

type treeParser struct {
	dec      *json.Decoder
	repeated []string
}

func (p *treeParser) value(at string, depth int) (any, error) {
	if depth > maxNesting {
		return nil, badRequest("The body is nested deeper than %d levels.", maxNesting)
	}
	token, err := p.dec.Token()
	if err != nil {
		return nil, p.syntax(err)
	}
	switch token {
	case json.Delim('{'):
		return p.object(at, depth)
	case json.Delim('['):
		return p.array(at, depth)
	}
	return token, nil
}

func (p *treeParser) object(at string, depth int) (any, error) {
	m := map[string]any{}
	folded := map[string]string{}
	for p.dec.More() {
		token, err := p.dec.Token()
		if err != nil {
			return nil, p.syntax(err)
		}
		name, ok := token.(string)
		if !ok {
			return nil, badRequest("The body is not JSON.")
		}
		inner := at + "/" + pointerToken(name)
		switch earlier, twice := folded[strings.ToLower(name)]; {
		case twice && earlier != name: // which of them counts would be anybody's guess
			return nil, badRequest("The members %q and %q differ by case only.", earlier, name)
		case twice:
			p.repeated = append(p.repeated, inner)
		}
		folded[strings.ToLower(name)] = name
		if m[name], err = p.value(inner, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := p.dec.Token()
	return m, p.syntax(err)
}

func (p *treeParser) array(at string, depth int) (any, error) {
	list := []any{}
	for i := 0; p.dec.More(); i++ {
		v, err := p.value(at+"/"+strconv.Itoa(i), depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := p.dec.Token()
	return list, p.syntax(err)
}

func (p *treeParser) syntax(err error) error {
	if err == nil {
		return nil
	}
	return badRequest("The body is not JSON: see byte %d.", p.dec.InputOffset())
}

// pointerToken escapes a member's name for a JSON pointer, RFC 6901 section 3.
func pointerToken(name string) string {
	if len(name) > 100 {
		name = name[:100]
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(strings.ToValidUTF8(name, "?"))
}

// checkMembers compares a JSON value with the type that it is for: unknown members, members whose name differs by case
// (encoding/json would take them) and nulls where no null belongs are refused.
func checkMembers(v any, t reflect.Type, at string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if _, ok := reflect.New(t).Interface().(interface{ nullable() }); ok {
		if v == nil {
			return nil
		}
		t = t.Field(1).Type.Elem() // the value's type
	}
	if v == nil {
		return badRequest("%s: null does not belong here.", at)
	}
	switch v := v.(type) {
	case map[string]any:
		return checkObject(v, t, at)
	case []any:
		if t.Kind() != reflect.Slice {
			return badRequest("%s: an array does not belong here.", at)
		}
		for i, element := range v {
			if err := checkMembers(element, t.Elem(), fmt.Sprintf("%s/%d", at, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkObject(m map[string]any, t reflect.Type, at string) error {
	if t.Kind() == reflect.Map {
		for name, v := range m {
			if err := checkMembers(v, t.Elem(), at+"/"+pointerToken(name)); err != nil {
				return err
			}
		}
		return nil
	}
	if t.Kind() != reflect.Struct {
		return badRequest("%s: an object does not belong here.", at)
	}
	known := fieldTypes(t)
	for name, v := range m {
		if member, ok := known[name]; ok {
			if err := checkMembers(v, member, at+"/"+pointerToken(name)); err != nil {
				return err
			}
			continue
		}
		if !strings.HasPrefix(name, "@odata.") {
			e := badRequest("%s/%s: there is no such member, or it cannot be set.", at, pointerToken(name))
			e.remedy = "Leave it out, or correct its name; names are case-sensitive."
			return e
		}
	}
	return nil
}

// fieldTypes returns the types of a struct's members by name, those of embedded structs included.
func fieldTypes(t reflect.Type) map[string]reflect.Type {
	known := map[string]reflect.Type{}
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Anonymous {
			maps.Copy(known, fieldTypes(field.Type))
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known[name] = field.Type
	}
	return known
}

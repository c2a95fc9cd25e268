package policyfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of a file.
const (
	// MaxSize is the size of a file, in bytes.
	MaxSize      = 8 << 20
	maxNesting   = 32
	maxDocuments = 2000
	maxPointers  = 128 << 20 // bytes of the pointers of all values
	maxNotes     = 20        // on repeated members of one document
)

// A Document is one policy or named location of a file.
type Document struct {
	Kind Kind // of the object that it describes: Policy or Location
	// Notes say what was read otherwise than it is written, without a change of meaning.
	Notes []Problem

	tree    map[string]any
	lines   *lines
	offsets map[string]int // of the values of the file, by pointers in lower case
	root    string         // pointer of the document in its file
}

// Kind is a kind of object.
type Kind string

// The kinds of objects that documents are, or refer to.
const (
	Policy           Kind = "policy"
	Location         Kind = "location"
	Group            Kind = "group"
	User             Kind = "user"
	Role             Kind = "role"
	Application      Kind = "application"      // a resource, by its application id
	ServicePrincipal Kind = "servicePrincipal" // a workload identity, by its object id
)

// Read reads the documents of a file: a policy, a named location, an array of them, or a list as Microsoft Graph returns it.
// A file that cannot be read gives one problem and no document.
func Read(file string, data []byte) ([]Document, []Problem) {
	refuse := func(at Place, remedy, format string, args ...any) ([]Document, []Problem) {
		return nil, []Problem{{Place: at, Message: fmt.Sprintf(format, args...), Remedy: remedy}}
	}
	if len(data) > MaxSize {
		return refuse(Place{File: file}, "Split it.", "The file is larger than %d MiB.", MaxSize>>20)
	}
	text, err := decodeText(data)
	if err != nil {
		return refuse(Place{File: file}, "Save it as UTF-8.", "The file is not text: %v.", err)
	}
	l := newLines(file, text)
	if at := invalidUTF8(text); at >= 0 {
		return refuse(l.at(at), "Save the file as UTF-8.", "Here is a byte that is not UTF-8.")
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return refuse(Place{File: file}, "", "The file is empty.")
	}
	if err := syntax(text); err != nil {
		return refuse(l.at(err.offset), "Mend the JSON. It has no comments and no commas before a closing bracket.", "This is not JSON: %s.", err.text)
	}
	r := &reader{lines: l, dec: json.NewDecoder(bytes.NewReader(text)), offsets: map[string]int{}}
	r.dec.UseNumber()
	tree, problem := r.value("", 0)
	if problem != nil {
		return nil, []Problem{*problem}
	}
	return r.documents(tree)
}

type syntaxError struct {
	text   string
	offset int
}

// syntax returns what is wrong with the JSON of a text, nil for nothing.
func syntax(text []byte) *syntaxError {
	var raw json.RawMessage
	err := json.Unmarshal(text, &raw)
	var s *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &s) && s.Offset > 0 && !strings.HasPrefix(s.Error(), "unexpected end"):
		return &syntaxError{s.Error(), int(s.Offset) - 1} // it counts the offending byte
	}
	return &syntaxError{err.Error(), len(text)}
}

// A reader makes a tree of a text that is JSON, and keeps where its values are and which members were repeated.
type reader struct {
	lines    *lines
	dec      *json.Decoder
	offsets  map[string]int // of the values, by their pointers in lower case
	pointers int            // bytes of all pointers
	repeated []repetition
}

type repetition struct {
	pointer, name string
	offset        int
}

// here is the offset of the next value: the decoder stands before white space, colons and commas.
func (r *reader) here() int {
	offset := int(r.dec.InputOffset())
	for offset < len(r.lines.text) && strings.IndexByte(" \t\r\n:,", r.lines.text[offset]) >= 0 {
		offset++
	}
	return offset
}

// refuse says what is wrong at an offset.
func (r *reader) refuse(offset int, pointer, remedy, format string, args ...any) *Problem {
	return &Problem{Place: r.lines.at(offset), Pointer: pointer, Message: fmt.Sprintf(format, args...), Remedy: remedy}
}

func (r *reader) value(pointer string, depth int) (any, *Problem) {
	at := r.here()
	r.offsets[strings.ToLower(pointer)] = at
	if r.pointers += len(pointer); depth > maxNesting || r.pointers > maxPointers {
		return nil, r.refuse(at, "", "", "The JSON is larger than policies are.")
	}
	token, err := r.dec.Token()
	if err != nil {
		return nil, r.refuse(at, "", "", "This is not JSON: %v.", err)
	}
	switch token {
	case json.Delim('{'):
		return r.object(pointer, depth)
	case json.Delim('['):
		return r.array(pointer, depth)
	}
	return token, nil
}

func (r *reader) object(pointer string, depth int) (any, *Problem) {
	object, spelled := map[string]any{}, map[string]string{}
	for r.dec.More() {
		at := r.here()
		token, err := r.dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, r.refuse(at, "", "", "This is not the name of a member.")
		}
		inner := pointer + "/" + escape(name)
		earlier, again := spelled[strings.ToLower(name)]
		if again && earlier != name { // which of them counts would be anybody's guess
			return nil, r.refuse(at, inner, "Remove one of the two.", "The members %q and %q differ by case only.", earlier, name)
		}
		if again {
			r.repeated = append(r.repeated, repetition{inner, name, at})
		}
		spelled[strings.ToLower(name)] = name
		value, problem := r.value(inner, depth+1)
		if problem != nil {
			return nil, problem
		}
		object[name] = value
	}
	return object, r.end()
}

func (r *reader) array(pointer string, depth int) (any, *Problem) {
	list := []any{}
	for r.dec.More() {
		value, problem := r.value(pointer+"/"+strconv.Itoa(len(list)), depth+1)
		if problem != nil {
			return nil, problem
		}
		list = append(list, value)
	}
	return list, r.end()
}

// end reads a closing bracket.
func (r *reader) end() *Problem {
	if _, err := r.dec.Token(); err != nil {
		return r.refuse(r.here(), "", "", "This is not JSON: %v.", err)
	}
	return nil
}

// documents finds the policies and named locations in a tree.
func (r *reader) documents(tree any) ([]Document, []Problem) {
	prefix, list := "", []any(nil)
	switch value := tree.(type) {
	case []any:
		list = value
	case map[string]any:
		inner, isList := value["value"].([]any)
		if !isList || kindOf(value) != "" {
			document, problem := r.document("", tree)
			return some(document), some(problem)
		}
		prefix, list = "/value", inner
	default:
		_, problem := r.document("", tree)
		return nil, some(problem)
	}
	if len(list) > maxDocuments {
		return nil, some(r.refuse(0, "", "Split it.", "The file has more than %d documents.", maxDocuments))
	}
	var documents []Document
	var problems []Problem
	for i, each := range list {
		document, problem := r.document(prefix+"/"+strconv.Itoa(i), each)
		documents = append(documents, some(document)...)
		problems = append(problems, some(problem)...)
	}
	return documents, problems
}

func some[T any](v *T) []T {
	if v == nil {
		return nil
	}
	return []T{*v}
}

// document makes a document of the value at a pointer of the file.
func (r *reader) document(pointer string, value any) (*Document, *Problem) {
	at := r.offsets[pointer]
	tree, ok := value.(map[string]any)
	if !ok {
		return nil, r.refuse(at, pointer, "A file holds a policy, a named location, an array of them, or a list as Graph returns it.", "This is no object.")
	}
	d := &Document{Kind: kindOf(tree), tree: tree, lines: r.lines, offsets: r.offsets, root: pointer}
	if d.Kind == "" {
		return nil, r.refuse(at, pointer, "Name the files of policies only, or mend this one.",
			"This is neither a Conditional Access policy (it has no conditions) nor a named location (it has no @odata.type, ranges or countries).")
	}
	for _, again := range r.repeated {
		if inside, ok := strings.CutPrefix(again.pointer, pointer+"/"); ok && len(d.Notes) < maxNotes {
			d.Notes = append(d.Notes, *r.refuse(again.offset, "/"+inside, "", "%q is here a second time; the last one counts.", again.name))
		}
	}
	return d, nil
}

// kindOf tells what a tree describes: "" for neither a policy nor a named location.
func kindOf(tree map[string]any) Kind {
	is := Kind("")
	for name, value := range tree {
		switch strings.ToLower(name) {
		case "conditions", "grantcontrols", "sessioncontrols":
			return Policy
		case "ipranges", "countriesandregions":
			is = Location
		case "@odata.type":
			if text, _ := value.(string); strings.HasSuffix(strings.ToLower(text), "namedlocation") {
				is = Location
			}
		}
	}
	return is
}

// Place returns where the value at a pointer is, or the nearest value around it.
func (d *Document) Place(pointer string) Place {
	for at := strings.ToLower(pointer); ; at = at[:max(0, strings.LastIndexByte(at, '/'))] {
		if offset, ok := d.offsets[d.root+at]; ok || at == "" {
			return d.lines.at(offset)
		}
	}
}

// File is the name of the file that the document is in.
func (d *Document) File() string { return d.lines.file }

// Name returns the display name as the file has it.
func (d *Document) Name() string {
	name, _ := member(d.tree, "displayName").(string)
	return name
}

func (d *Document) problem(pointer, remedy, format string, args ...any) Problem {
	return Problem{Place: d.Place(pointer), Pointer: pointer, Message: fmt.Sprintf(format, args...), Remedy: remedy}
}

// member returns a member of an object, whatever the case of its name.
func member(object map[string]any, name string) any {
	for each, value := range object {
		if strings.EqualFold(each, name) {
			return value
		}
	}
	return nil
}

func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

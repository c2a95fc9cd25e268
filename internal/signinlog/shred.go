package signinlog

import (
	"bytes"
	"encoding/json"
	"strings"
)

// maxShredded bounds how many policies of one row get list twins; rows with more are read from their JSON.
const maxShredded = 4096

// Shredded are the twins of one row: for each of Twins its text, or its list.
type Shredded struct {
	Scalars map[string]*string   // by hidden column
	Lists   map[string][]*string // by hidden column
	OK      bool                 // the lists describe ConditionalAccessPolicies completely
}

// Shred reads the members of a row's JSON columns that have twins. JSON that is malformed has none, and is no error.
func Shred(r *Row) Shredded {
	s := Shredded{Scalars: map[string]*string{}, Lists: map[string][]*string{}}
	objects := map[string]map[string]json.RawMessage{
		"Status": object(r.Status), "DeviceDetail": object(r.DeviceDetail), "LocationDetails": object(r.LocationDetails),
		"TokenProtectionStatusDetails": object(r.TokenProtectionStatusDetails),
	}
	elements, ok := array(r.ConditionalAccessPolicies)
	s.OK = ok
	for _, t := range Twins {
		if !t.List {
			s.Scalars[t.Name] = member(objects[t.Column], t.Member)
			continue
		}
		list := make([]*string, len(elements))
		for n, e := range elements {
			list[n] = member(e, t.Member)
		}
		s.Lists[t.Name] = list
	}
	return s
}

func object(text string) map[string]json.RawMessage {
	var o map[string]json.RawMessage
	if text == "" || json.Unmarshal([]byte(text), &o) != nil {
		return nil
	}
	return o
}

// array reads a JSON array of objects; false where the text is anything else.
func array(text string) ([]map[string]json.RawMessage, bool) {
	var list []map[string]json.RawMessage
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

// member returns a member's bare text, or compact JSON where it is a list or an object; nil where it is missing or null.
func member(o map[string]json.RawMessage, path string) *string {
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
		return &text
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return nil
	}
	text = b.String()
	return &text
}

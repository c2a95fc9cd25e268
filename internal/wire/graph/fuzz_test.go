package graph

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzParseFilter holds the filter reader to two promises: it never reads past its text, and what it accepts, it has
// understood completely: each comparison's text is a part of the filter.
func FuzzParseFilter(f *testing.F) {
	f.Add("userId eq 'a' and createdDateTime ge 2026-05-04T00:00:00Z")
	f.Add("(signInEventTypes/any(t: t eq 'nonInteractiveUser') and status/errorCode eq 0)")
	f.Add("a eq 'it''s'")
	f.Add("((a eq 1)")
	f.Fuzz(func(t *testing.T, src string) {
		terms, err := parseFilter(src)
		if err != nil {
			return
		}
		if len(terms) == 0 {
			t.Fatalf("parseFilter(%q) accepts and finds nothing", src)
		}
		rest := src
		for _, term := range terms {
			if !strings.Contains(rest, term.text) || term.path == "" {
				t.Fatalf("parseFilter(%q): %q is not in it", src, term.text)
			}
			rest = strings.Replace(rest, term.text, "", 1)
		}
		if left := strings.NewReplacer("and", "", "(", "", ")", "", " ", "").Replace(rest); left != "" {
			t.Fatalf("parseFilter(%q) leaves %q unread", src, left)
		}
	})
}

// FuzzParseJSON holds the reader of bodies to the standard library's judgement: it accepts nothing else, and reads the
// same value.
func FuzzParseJSON(f *testing.F) {
	f.Add(`{"a":{"b":[1,2,{"c":null}]},"a":true}`)
	f.Add(`{"A":1,"a":2}`)
	f.Add(`[[[[]]]]`)
	f.Add(`{"a":1} x`)
	f.Fuzz(func(t *testing.T, src string) {
		tree, repeated, err := parseJSON([]byte(src))
		if err != nil {
			return
		}
		if !json.Valid([]byte(src)) {
			t.Fatalf("parseJSON(%q) accepts what is not JSON", src)
		}
		again, err := json.Marshal(tree)
		if err != nil {
			t.Fatalf("parseJSON(%q) cannot be written: %v", src, err)
		}
		var want any
		if err := json.Unmarshal([]byte(src), &want); err != nil {
			return // a number that float64 does not hold
		}
		plain, err := json.Marshal(want)
		var got any
		if err != nil || json.Unmarshal(again, &got) != nil {
			return
		}
		second, _ := json.Marshal(got)
		if string(second) != string(plain) {
			t.Fatalf("parseJSON(%q) = %s, want %s (repeated: %v)", src, second, plain, repeated)
		}
	})
}

package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"boundgate/internal/policy"
)

func TestReadPolicies(t *testing.T) {
	for _, tt := range []struct {
		name, document string
		policies       int
		wrong          string // "" for nothing
	}{
		{"one policy", `{"displayName":"A","conditions":{}}`, 1, ""},
		{"with a byte order mark", "\ufeff" + `{"displayName":"A","conditions":{}}`, 1, ""},
		{"an array", `[{"displayName":"A"},{"displayName":"B"}]`, 2, ""},
		{"Graph's list", `{"@odata.context":"x","value":[{"displayName":"A"},{"displayName":"B"}]}`, 2, ""},
		{"an empty array", `[]`, 0, ""},
		{"a list of something else", `{"value":7}`, 0, "/value is no list"},
		{"no object", `"A"`, 0, "line 1, column 1: neither a policy nor"},
		{"null", `null`, 0, "line 1, column 1: neither a policy nor"},
		{"a word that is none", "{\n  \"方針\": on}", 0, "line 2, column 9: not JSON"},
		{"cut off", "{\n  \"displayName\":", 0, "line 2, column 17: not JSON"},
		{"two documents", "{}\n{}", 0, "line 2, column 1: not JSON"},
		{"nothing", "", 0, "line 1, column 1: not JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file, err := readPolicies("f", []byte(tt.document))
			if len(file.policies) != tt.policies || (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("readPolicies(%q) = %d policies, %v, want %d, %q", tt.document, len(file.policies), err, tt.policies, tt.wrong)
			}
		})
	}
}

// FuzzReadPolicies holds the reader of policy files to its promises: whatever is no JSON has a place in the file, and what is
// read and written again holds as many policies.
func FuzzReadPolicies(f *testing.F) {
	f.Add([]byte(`{"displayName":"A","conditions":{}}`))
	f.Add([]byte(`{"@odata.context":"x","value":[{"displayName":"A"}]}`))
	f.Add([]byte("[{},\n{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := readPolicies("f", data)
		if err != nil {
			if !json.Valid(data) && !strings.HasPrefix(err.Error(), "line ") && !strings.HasPrefix(err.Error(), "/value") {
				t.Fatalf("%q: %v has no place", data, err)
			}
			return
		}
		for _, raw := range file.policies {
			head("f", raw)
			if p, err := policy.Decode(raw); err == nil {
				if _, err := lintHere(p); err != nil && !strings.Contains(err.Error(), "Time.MarshalJSON") {
					t.Fatalf("%q: %v", raw, err)
				}
			}
		}
		document, err := file.document()
		if err != nil {
			t.Fatal(err)
		}
		written, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		again, err := readPolicies("f", written)
		if err != nil || len(again.policies) != len(file.policies) {
			t.Fatalf("%q is written as %q with %d policies (%v), want %d", data, written, len(again.policies), err, len(file.policies))
		}
	})
}

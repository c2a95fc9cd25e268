package policyfile_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boundgate/internal/policy"
	"boundgate/internal/policyfile"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestWhatCannotBeReadSaysWhere(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "  \n", "f: The file is empty."},
		{"a comma too many", "{\n  \"conditions\": {},\n}", "f:3:1: This is not JSON: invalid character '}'"},
		{"an end too early", `{"conditions": {`, "f:1:17: This is not JSON: unexpected end of JSON input"},
		{"two values", `{"conditions":{}} {}`, "f:1:19: This is not JSON"},
		{"a number", `7`, "f:1:1: This is no object."},
		{"an array of texts", `["a"]`, "f:1:2: /0 This is no object."},
		{"another object", `{"displayName":"x"}`, "f:1:1: This is neither a Conditional Access policy"},
		{"columns count characters", `{"displayName":"試験", "conditions" 1}`, "f:1:35: This is not JSON"},
		{"members that differ by case", `{"conditions":{}, "Conditions":{}}`, `f:1:19: /Conditions The members "conditions" and "Conditions" differ by case only.`},
		{"a byte that is no UTF-8", "{\"displayName\":\"\xff\"}", "f:1:17: Here is a byte that is not UTF-8."},
		{"half of UTF-16", "\xff\xfe{", "f: The file is not text: the text is UTF-16 by its byte order mark and ends inside a character."},
		{"a half surrogate", "\xff\xfe\x00\xd8{\x00", "f: The file is not text"},
		{"too deep", `{"conditions":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "The JSON is larger than policies are."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			documents, problems := policyfile.Read("f", []byte(tt.text))
			if len(documents) != 0 || len(problems) != 1 || !strings.Contains(problems[0].String(), tt.want) {
				t.Errorf("Read(%q) = %v, %v; want %q", tt.text, documents, problems, tt.want)
			}
		})
	}
}

// Of a list, the document that is wrong is refused, and the others are read.
func TestOneOfAListIsWrong(t *testing.T) {
	documents, problems := policyfile.Read("f", []byte(`{"value":[{"displayName":"A","conditions":{}},{"displayName":"B"}]}`))
	if len(documents) != 1 || documents[0].Name() != "A" || len(problems) != 1 || problems[0].Pointer != "/value/1" {
		t.Errorf("Read = %v, %v", documents, problems)
	}
}

func TestRepeatedMembersAreNoted(t *testing.T) {
	documents, problems := policyfile.Read("f", []byte("[{\"conditions\":{},\n\"state\":\"enabled\",\n\"state\":\"disabled\"}]"))
	if len(problems) != 0 || len(documents) != 1 || len(documents[0].Notes) != 1 || !strings.HasPrefix(documents[0].Notes[0].String(), `f:3:1: /state "state" is here a second time`) {
		t.Errorf("Read = %+v, %v", documents, problems)
	}
}

func TestParseMapping(t *testing.T) {
	for _, tt := range []struct{ text, from, to string }{
		{"<ExclusionTempGroup>=Break glass", "<ExclusionTempGroup>", "Break glass"},
		{"<group:a=b>=<group:c>", "<group:a=b>", "<group:c>"},
		{"6c96716b-b32b-40b8-9009-49748bb6fcd5=Pilot", "6c96716b-b32b-40b8-9009-49748bb6fcd5", "Pilot"},
	} {
		if from, to, err := policyfile.ParseMapping(tt.text); err != nil || from != tt.from || to != tt.to {
			t.Errorf("ParseMapping(%q) = %q, %q, %v", tt.text, from, to, err)
		}
	}
	for _, text := range []string{"", "x", "=x", "<A>="} {
		if _, _, err := policyfile.ParseMapping(text); err == nil {
			t.Errorf("ParseMapping(%q) passes", text)
		}
	}
}

func TestFileNames(t *testing.T) {
	got := policyfile.FileNames([]policyfile.Object{{Name: "TP01 - Token/protection: \"x\""}, {Name: "試験の方針"}, {Name: "../.."}, {Name: "con"},
		{ID: "A1", Name: "Twin!"}, {ID: "b2", Name: "twin"}, {Name: strings.Repeat("長", 300)}})
	want := []string{"TP01-Token-protection-x.json", "試験の方針.json", "unnamed.json", "con_.json", "Twin-a1.json", "twin-b2.json", strings.Repeat("長", 60) + ".json"}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("name %d is %q, want %q", i, got[i], want[i])
		}
	}
}

// sameLocation holds a named location to being read as it is written.
func sameLocation(t *testing.T, l policy.NamedLocation) {
	t.Helper()
	l.ID = ""
	written, err := policyfile.FormatLocation(l, false)
	if err != nil {
		t.Fatal(err)
	}
	again, err := policyfile.ParseLocation(written)
	if diff := cmp.Diff(l, again, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); err != nil || diff != "" {
		t.Fatalf("%s reads as another location: %v\n%s", written, err, diff)
	}
}

// FuzzRead holds the reader to its promises: it never panics, what it refuses has a place in the text, and what it reads can
// be planned, and written and read again as the same policy.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "repository", "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(blockAbroad))
	f.Add([]byte(headquarters))
	f.Fuzz(func(t *testing.T, data []byte) {
		documents, problems := policyfile.Read("f", data)
		if len(documents)+len(problems) == 0 && !strings.Contains(string(data), "[") && len(data) < 4 {
			t.Fatalf("Read(%q) says nothing", data)
		}
		for _, p := range problems {
			if p.Line > strings.Count(string(data), "\n")+1 && !strings.HasPrefix(string(data), "\xff") && !strings.HasPrefix(string(data), "\xfe") {
				t.Fatalf("Read(%q): %v is outside of the text", data, p)
			}
		}
		steps, err := policyfile.Plan(documents, policyfile.Tenant{Directory: objects()}, policyfile.Options{Mapping: publicMapping, State: policyfile.NeverOn})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range steps {
			if s.Action != policyfile.Create {
				continue
			}
			if s.Kind == policyfile.Location {
				sameLocation(t, s.Location)
				continue
			}
			written, _, err := policyfile.Format(s.After, nil)
			if err != nil {
				t.Fatal(err)
			}
			again, err := policyfile.ParsePolicy(written)
			if err != nil {
				t.Fatalf("%s cannot be read again: %v", written, err)
			}
			if changes, err := policyfile.Compare(s.After, again, nil); err != nil || len(changes) > 0 {
				t.Fatalf("%s reads as another policy: %v, %v", written, changes, err)
			}
		}
	})
}

// FuzzParseMapping holds mappings to their promise: what passes has both sides, and reads the same when it is written again.
func FuzzParseMapping(f *testing.F) {
	f.Add("<ExclusionTempGroup>=Break glass")
	f.Add("<group:a=b>=<group:c>")
	f.Add("6c96716b-b32b-40b8-9009-49748bb6fcd5=営業部")
	f.Fuzz(func(t *testing.T, text string) {
		from, to, err := policyfile.ParseMapping(text)
		if err != nil {
			return
		}
		againFrom, againTo, err := policyfile.ParseMapping(from + "=" + to)
		if from == "" || to == "" || err != nil || againFrom != from || againTo != to {
			t.Fatalf("ParseMapping(%q) = %q, %q; again %q, %q, %v", text, from, to, againFrom, againTo, err)
		}
	})
}

// Package internal holds the test that keeps the arrows between packages.
package internal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// arrows says which packages must not reach which, directly or through others, and why. The patterns are those of
// path.Match on the path below this module, or on the import path of what is not ours.
var arrows = []struct {
	from    []string
	reach   []string
	because string
}{
	{
		from:    []string{"internal/directory", "internal/device", "internal/prt", "internal/aadsts", "internal/session"},
		reach:   []string{"internal/store", "internal/logstore", "internal/wire/*", "internal/signin", "internal/policy", "internal/server", "database/sql"},
		because: "the vocabulary is spoken by everyone and does not know who stores or serves it",
	},
	{
		from:    []string{"internal/directory", "internal/prt", "internal/aadsts", "internal/session"},
		reach:   []string{"net/http"},
		because: "the vocabulary does not know how it is served",
	},
	{
		from:    []string{"internal/policy", "internal/devicefilter", "internal/policylint"},
		reach:   []string{"database/sql", "net/http", "internal/store", "internal/logstore", "internal/wire/*", "internal/signin", "internal/token", "internal/prt", "internal/server", "internal/config"},
		because: "a decision is a pure function: it knows no disk and no network",
	},
	{
		from:    []string{"internal/policyfile", "internal/policytemplate"},
		reach:   []string{"database/sql", "net/http", "internal/store", "internal/logstore", "internal/wire/*", "internal/signin", "internal/admin", "internal/cli", "internal/server", "internal/config"},
		because: "what a file or a template says is a matter of values; the command line and admin do the rest",
	},
	{
		from:    []string{"internal/devicefilter"},
		reach:   []string{"internal/policy"},
		because: "the policy uses the rule language, not the other way round",
	},
	{
		from:    []string{"internal/kql", "internal/kql/*", "internal/kql/*/*"},
		reach:   []string{"internal/[!k]*", "internal/wire/*", "database/sql", "net/http", "github.com/duckdb/duckdb-go/v2"},
		because: "KQL is a language: text in, SQL out, and nothing of ours",
	},
	{
		from:    []string{"internal/signin"},
		reach:   []string{"internal/store", "internal/logstore", "internal/wire/*", "internal/server", "internal/config", "internal/kql", "database/sql", "github.com/duckdb/duckdb-go/v2", "github.com/mattn/go-sqlite3"},
		because: "a sign-in declares the small interfaces it needs; who implements them is the server's business",
	},
	{
		from:    []string{"internal/store"},
		reach:   []string{"internal/signin", "internal/wire/*", "internal/logstore", "internal/server", "internal/kql", "github.com/duckdb/duckdb-go/v2"},
		because: "the state store returns domain values and decides nothing",
	},
	{
		from:    []string{"internal/logstore"},
		reach:   []string{"internal/signin", "internal/wire/*", "internal/store", "internal/policy", "internal/server"},
		because: "the log store moves rows and runs what kql emits",
	},
	{
		from:    []string{"internal/wire/oauth"},
		reach:   []string{"internal/wire/drs", "internal/wire/graph", "internal/wire/loganalytics"},
		because: "a protocol knows no other protocol",
	},
	{
		from:    []string{"internal/wire/drs"},
		reach:   []string{"internal/wire/oauth", "internal/wire/graph", "internal/wire/loganalytics"},
		because: "a protocol knows no other protocol",
	},
	{
		from:    []string{"internal/wire/graph"},
		reach:   []string{"internal/wire/oauth", "internal/wire/drs", "internal/wire/loganalytics"},
		because: "a protocol knows no other protocol",
	},
	{
		from:    []string{"internal/wire/loganalytics"},
		reach:   []string{"internal/wire/oauth", "internal/wire/drs", "internal/wire/graph"},
		because: "a protocol knows no other protocol",
	},
	{
		from:    []string{"internal/pages"},
		reach:   []string{"internal/signin", "internal/store", "internal/wire/*", "internal/policy", "database/sql"},
		because: "a page shows what it is given and decides nothing",
	},
	{
		from:    []string{"internal/clientauth", "internal/factor", "internal/lockout"},
		reach:   []string{"internal/signin", "internal/store", "internal/wire/*", "internal/server", "database/sql"},
		because: "whether a proof holds, and who has failed how often, is a matter of values",
	},
	{
		from:    []string{"internal/wire/portal"},
		reach:   []string{"internal/wire/oauth", "internal/wire/drs", "internal/wire/graph", "internal/wire/loganalytics"},
		because: "a protocol knows no other protocol",
	},
	{
		from:    []string{"internal/selfservice"},
		reach:   []string{"internal/admin", "internal/store", "internal/wire/*", "internal/signin"},
		because: "what people may do with their own account takes no role, and so must not reach what does",
	},
	{
		from:    []string{"internal/wire/*"},
		reach:   []string{"internal/store", "internal/server", "github.com/mattn/go-sqlite3"},
		because: "a protocol decodes, calls once and encodes; it writes no SQL",
	},
	{
		from:    []string{"internal/broker", "internal/brokercli", "cmd/boundgate-broker"},
		reach:   []string{"internal/store", "internal/logstore", "internal/wire/*", "internal/signin", "internal/server", "internal/seal", "internal/config", "internal/kql", "github.com/mattn/go-sqlite3", "github.com/duckdb/duckdb-go/v2"},
		because: "the broker runs on devices, without cgo and without the service",
	},
	{
		from:    []string{"internal/seal", "internal/config", "internal/servertls", "internal/telemetry"},
		reach:   []string{"internal/store", "internal/logstore", "internal/wire/*", "internal/signin", "internal/policy", "internal/server", "internal/token", "internal/device", "internal/directory"},
		because: "the platform carries the service and knows nothing of sign-ins",
	},
	{
		from:    []string{"internal/[!s]*", "internal/s[!e]*", "internal/wire/*", "internal/kql/*"},
		reach:   []string{"internal/server"},
		because: "the server is imported by the commands alone: whoever else needs it wants something smaller",
	},
}

// A listed package is what go list says of one.
type listed struct {
	ImportPath string
	Deps       []string
	Error      *struct{ Err string }
}

const module = "boundgate/"

// TestArrows fails when a package reaches what it must not know. Change the table in review, with its reason.
func TestArrows(t *testing.T) {
	packages := list(t)
	for _, arrow := range arrows {
		for _, p := range packages {
			if !matches(arrow.from, p.ImportPath) {
				continue
			}
			for _, dep := range p.Deps {
				if matches(arrow.reach, dep) {
					t.Errorf("%s reaches %s, and should not: %s", strings.TrimPrefix(p.ImportPath, module), dep, arrow.because)
				}
			}
		}
	}
}

// TestPatternsOfArrows shows that the table can fail: what it forbids, matches sees.
func TestPatternsOfArrows(t *testing.T) {
	for _, c := range []struct {
		pattern, importPath string
		want                bool
	}{
		{"internal/store", "boundgate/internal/store", true},
		{"internal/store", "boundgate/internal/storetest", false},
		{"internal/wire/*", "boundgate/internal/wire/oauth", true},
		{"internal/wire/*", "boundgate/internal/wire", false},
		{"internal/[!k]*", "boundgate/internal/signin", true},
		{"internal/[!k]*", "boundgate/internal/kql", false},
		{"internal/[!k]*", "internal/abi", false},
		{"database/sql", "database/sql", true},
		{"net/http", "net/http/internal", false},
	} {
		if got := matches([]string{c.pattern}, c.importPath); got != c.want {
			t.Errorf("%q matches %q: %t", c.pattern, c.importPath, got)
		}
	}
}

func matches(patterns []string, importPath string) bool {
	name, ours := strings.CutPrefix(importPath, module)
	if !ours && strings.HasPrefix(name, "internal/") {
		return false // of the standard library
	}
	for _, pattern := range patterns {
		// path.Match writes "none of" as [^…]; this table writes it as shells do.
		if ok, err := path.Match(strings.ReplaceAll(pattern, "[!", "[^"), name); err != nil {
			panic("a malformed pattern in the table of arrows: " + pattern)
		} else if ok {
			return true
		}
	}
	return false
}

// noticeChanges looks at every source file. The go command reruns a test when a file changes that the test itself has
// looked at; what go list reads on its behalf does not count.
func noticeChanges(t *testing.T) {
	t.Helper()
	for _, root := range []string{".", "../cmd"} {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(name, ".go") {
				_, err = os.Stat(name)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// list returns every package of the module with all it reaches. Packages that do not build yet are listed all the same.
func list(t *testing.T) []listed {
	t.Helper()
	noticeChanges(t)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Deps,Error", "boundgate/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 5 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	return packages
}

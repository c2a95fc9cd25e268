package kql_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"boundgate/internal/kql"
)

var update = flag.Bool("update", false, "write the SQL of the golden files anew")

// Each golden file holds a query, and the SQL, the arguments and the columns it compiles to.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{}
			for _, f := range ar.Files {
				want[f.Name] = string(f.Data)
			}
			p, err := kql.Compile(want["query"], kql.Options{Schema: signIns(true), Now: now})
			if err != nil {
				t.Fatal(err)
			}
			var args strings.Builder
			for i, a := range p.Args {
				fmt.Fprintf(&args, "$%d %T %v\n", i+1, a, a)
			}
			got := map[string]string{"query": want["query"], "sql": p.SQL + "\n", "args": args.String(), "columns": columns(p) + "\n"}
			if *update {
				ar.Files = nil
				for _, name := range []string{"query", "columns", "args", "sql"} {
					ar.Files = append(ar.Files, txtar.File{Name: name, Data: []byte(got[name])})
				}
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("run the test with -update when this is meant:\n%s", diff)
			}
		})
	}
}

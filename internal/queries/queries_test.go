package queries

import (
	"os"
	"strings"
	"testing"
)

// The three queries are those of the documentation, to the letter. // S53
func TestSourceIsVerbatim(t *testing.T) {
	printed, err := os.ReadFile("../../../shared/seed/token-protection.ja.txt")
	if err != nil {
		t.Skipf("the documentation is not beside this checkout: %v", err)
	}
	for _, q := range Source() {
		if !strings.Contains(string(printed), strings.TrimSuffix(q.Text, "\n")) {
			t.Errorf("%s is not as printed", q.Name)
		}
	}
}

// On the other table a query differs in the one line that names it.
func TestOnInteractive(t *testing.T) {
	for _, q := range Source() {
		before, after := strings.Split(q.Text, "\n"), strings.Split(q.OnInteractive().Text, "\n")
		changed := 0
		for n := range before {
			if before[n] != after[n] {
				changed++
				if before[n] != "AADNonInteractiveUserSignInLogs" || after[n] != "SigninLogs" {
					t.Errorf("%s: line %d became %q", q.Name, n+1, after[n])
				}
			}
		}
		if changed != 1 {
			t.Errorf("%s: %d lines changed, want 1", q.Name, changed)
		}
	}
}

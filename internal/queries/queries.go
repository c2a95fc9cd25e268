// Package queries holds the queries that come with the program: those of the token protection documentation, exactly as
// printed there.
package queries

import (
	"embed"
	"strings"

	"boundgate/internal/signinlog"
)

//go:embed source/*.kql
var files embed.FS

// A Query is a query that comes with the program.
type Query struct {
	Name  string // of its file
	Title string
	Text  string
}

// Source returns the three queries of the documentation: per application, per user, and devices with code 1003. They read
// the non-interactive table.
func Source() []Query {
	titles := []struct{ name, title string }{
		{"per-app", "Requests blocked and allowed, by application"},
		{"per-user", "Requests blocked and allowed, by user"},
		{"code-1003", "Users of devices whose registration is not supported (code 1003)"},
	}
	out := make([]Query, 0, len(titles))
	for _, q := range titles {
		text, err := files.ReadFile("source/" + q.name + ".kql")
		if err != nil {
			panic("queries: " + err.Error()) // embedded in the program
		}
		out = append(out, Query{q.name, q.title, string(text)})
	}
	return out
}

// OnInteractive returns the query reading the interactive table instead, as its comment tells the reader to do: the line
// that names the table is replaced, and nothing else.
func (q Query) OnInteractive() Query {
	lines := strings.Split(q.Text, "\n")
	for n, line := range lines {
		if strings.TrimSpace(line) == signinlog.NonInteractiveTable {
			lines[n] = signinlog.InteractiveTable
		}
	}
	q.Text = strings.Join(lines, "\n")
	return q
}

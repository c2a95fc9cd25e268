// Package kql compiles queries in the Kusto Query Language to SQL for the sign-in log.
//
// Five passes do it, each a package: syntax reads text into a tree with spans; sema resolves names and types against a
// schema and refuses by name what is not run here; lower writes KQL's meaning down as a plan of relational operators;
// plan holds these; emit writes them as SQL with parameters for one database. What is not supported is refused, never
// run with another meaning than KQL's.
package kql

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"boundgate/internal/kql/emit"
	"boundgate/internal/kql/lower"
	"boundgate/internal/kql/schema"
	"boundgate/internal/kql/sema"
	"boundgate/internal/kql/syntax"
)

// Options are what a query is compiled against.
type Options struct {
	Schema   schema.Schema
	Now      time.Time // the one instant of ago() and now()
	From, To time.Time // every table is read within From <= time < To; a zero time is open
	MaxRows  int64     // of the result; 0 is none
}

// A Column is a column of the result.
type Column struct {
	Name string
	Type schema.Type
}

// A Render is what the query's render operator asks for. It changes nothing in the data.
type Render struct {
	Visualization string
	Properties    map[string]string
}

// A Program is a compiled query.
//
// The SQL is for DuckDB; Args belong to its $1, $2 and so on. In the rows a datetime is a TIMESTAMP in UTC, a timespan a
// BIGINT of microseconds, a dynamic compact JSON text, and a string never NULL.
type Program struct {
	SQL      string
	Args     []any
	Columns  []Column
	Render   *Render // nil when the query has none
	Warnings []string
}

// An Error is one thing wrong with a query.
type Error struct {
	Code       string // such as SYN0002 or SEM0100
	Message    string
	Line       int // from 1
	Column     int // in characters, from 1
	Offset     int // in bytes
	Length     int // in bytes
	Token      string
	Suggestion string // the name that was perhaps meant; "" when there is none
}

// Error gives the message with its place.
func (e Error) Error() string {
	return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message)
}

// Errors are all the things wrong with a query, in the order of the text.
type Errors []Error

// Error gives one line for each error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Compile compiles a query. An error is always an Errors.
func Compile(src string, o Options) (*Program, error) {
	tree, errs := syntax.Parse(src)
	if len(errs) > 0 {
		return nil, placed(src, errs)
	}
	query, errs := sema.Bind(tree, o.Schema, o.Now.UTC().Truncate(time.Microsecond))
	if len(errs) > 0 {
		return nil, placed(src, errs)
	}
	p := &Program{Warnings: query.Warnings}
	var names []string
	for _, c := range query.Rel.Columns() {
		p.Columns = append(p.Columns, Column{Name: c.Name, Type: c.Type})
		names = append(names, c.Name)
	}
	if len(p.Columns) == 0 {
		return nil, placed(src, []syntax.Error{syntax.Errorf(syntax.CodeType, tree.Span, "the result has no column")})
	}
	if query.Render != nil {
		p.Render = &Render{Visualization: query.Render.Visualization, Properties: query.Render.Properties}
	}
	node := lower.Lower(query, lower.Options{From: o.From, To: o.To, MaxRows: o.MaxRows})
	var err error
	if p.SQL, p.Args, err = emit.Emit(node, emit.DuckDB, names); err != nil {
		return nil, placed(src, []syntax.Error{syntax.Errorf(syntax.CodeLimit, tree.Span, "%s", err)})
	}
	return p, nil
}

// placed adds lines and columns to errors.
func placed(src string, errs []syntax.Error) Errors {
	list := make(Errors, len(errs))
	for i, e := range errs {
		start := min(e.Span.Start, len(src))
		end := max(start, min(e.Span.End, len(src)))
		line := strings.LastIndexByte(src[:start], '\n') + 1
		token := src[start:end]
		if len(token) > 80 {
			token = strings.ToValidUTF8(token[:80], "")
		}
		list[i] = Error{
			Code: e.Code, Message: e.Message, Suggestion: e.Suggestion, Token: token,
			Line: 1 + strings.Count(src[:start], "\n"), Column: 1 + utf8.RuneCountInString(src[line:start]),
			Offset: start, Length: end - start,
		}
	}
	return list
}

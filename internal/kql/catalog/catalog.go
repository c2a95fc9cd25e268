// Package catalog knows the published columns of the Log Analytics tables that queries over sign-in logs also name.
//
// None of these tables has rows here. A query that joins sign-ins with, say, SecurityAlert still binds against them, runs
// over no rows, and says no more than it knows. Who has rows for one of the tables puts its own schema.Table in the place
// of the one from here.
package catalog

import (
	_ "embed" // tables.txt
	"fmt"
	"slices"
	"strings"
	"sync"

	"boundgate/internal/kql/schema"
)

//go:embed tables.txt
var text string

// timeColumn is the column that a query's time range applies to, where a table has it as a datetime.
const timeColumn = "TimeGenerated"

var tables = sync.OnceValue(func() []schema.Table {
	list, err := parse(text)
	if err != nil {
		panic("catalog: tables.txt: " + err.Error()) // built in, and parsed by the tests
	}
	return list
})

var byName = sync.OnceValue(func() map[string]schema.Table {
	m := map[string]schema.Table{}
	for _, t := range tables() {
		m[t.Name] = t
	}
	return m
})

// Tables returns all tables of the catalogue, sorted by name. The slice is the caller's; the columns are shared and must
// not be changed.
func Tables() []schema.Table {
	return slices.Clone(tables())
}

// Lookup returns the table with exactly this name. Its columns are shared and must not be changed.
func Lookup(name string) (schema.Table, bool) {
	t, ok := byName()[name]
	return t, ok
}

// parse reads the form of tables.txt: a table's name at the start of a line, then its columns on indented lines, each as
// Name or Name:type. A column without a type is a string. Lines that start with # say something to the reader alone.
func parse(text string) ([]schema.Table, error) {
	var list []schema.Table
	for n, line := range strings.Split(text, "\n") {
		var err error
		switch {
		case strings.TrimSpace(line) == "" || line[0] == '#':
		case line[0] != '\t':
			list, err = addTable(list, line)
		case len(list) == 0:
			err = fmt.Errorf("columns before the first table; write the table's name on a line above them")
		default:
			err = addColumns(&list[len(list)-1], line)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return list, everyTableHasColumns(list)
}

func addTable(list []schema.Table, name string) ([]schema.Table, error) {
	if !isName(name) {
		return nil, fmt.Errorf("%q is not a table's name; a name has letters, digits and underscores, and columns are indented with a tab", name)
	}
	if len(list) > 0 && list[len(list)-1].Name >= name {
		return nil, fmt.Errorf("table %s comes after %s; keep the tables sorted by name, each once", name, list[len(list)-1].Name)
	}
	return append(list, schema.Table{Name: name}), nil
}

func addColumns(t *schema.Table, line string) error {
	for _, field := range strings.Fields(line) {
		c, err := column(field)
		if err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
		if slices.ContainsFunc(t.Columns, func(other schema.Column) bool { return other.Name == c.Name }) {
			return fmt.Errorf("table %s has column %s twice", t.Name, c.Name)
		}
		if c.Name == timeColumn && c.Type == schema.DateTime {
			t.TimeColumn = timeColumn
		}
		t.Columns = append(t.Columns, c)
	}
	return nil
}

func column(field string) (schema.Column, error) {
	name, kind, typed := strings.Cut(field, ":")
	if !isName(name) {
		return schema.Column{}, fmt.Errorf("%q is not a column's name; a name has letters, digits and underscores", name)
	}
	if !typed {
		return schema.Column{Name: name, Type: schema.String}, nil
	}
	if !slices.Contains(types, schema.Type(kind)) {
		return schema.Column{}, fmt.Errorf("column %s has type %q; write one of %v, or nothing for a string", name, kind, types)
	}
	return schema.Column{Name: name, Type: schema.Type(kind)}, nil
}

// types are what may be written behind a column's name. A string is written as nothing, so that there is one way only.
var types = []schema.Type{
	schema.Long, schema.Int, schema.Real, schema.Bool, schema.DateTime, schema.TimeSpan, schema.GUID, schema.Dynamic,
}

func everyTableHasColumns(list []schema.Table) error {
	for _, t := range list {
		if len(t.Columns) == 0 {
			return fmt.Errorf("table %s has no columns", t.Name)
		}
	}
	return nil
}

func isName(s string) bool {
	for n, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (n == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

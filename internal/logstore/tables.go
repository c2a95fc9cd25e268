package logstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"boundgate/internal/kql/schema"
	"boundgate/internal/signinlog"
)

// A workspace is a workspace's id, parsed: whatever a caller gives, nothing but hexadecimal digits reaches a table's name.
type workspace uuid.UUID

func parseWorkspace(id string) (workspace, error) {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return workspace{}, fmt.Errorf("workspace %q is no GUID: %w", id, err)
	}
	return workspace(parsed), nil
}

// prefixes name the workspaces' tables of each kind of row.
var prefixes = map[string]string{
	signinlog.InteractiveTable: "interactive_", signinlog.NonInteractiveTable: "noninteractive_",
	signinlog.ServicePrincipalTable: "serviceprincipal_",
}

// table names the workspace's table of rows of the given one.
func (w workspace) table(table string) string {
	return prefixes[table] + fmt.Sprintf("%x", w[:])
}

// The hidden columns that hold a row's place in its chain, and its bytes where the columns alone would not give them back.
const (
	chainWriter    = "_writer"
	chainSeq       = "_seq"
	chainHash      = "_hash"
	chainCanonical = "_canonical"
)

var chainColumns = []field{
	{chainWriter, "VARCHAR"}, {chainSeq, "UBIGINT"}, {chainHash, "BLOB"}, {chainCanonical, "BLOB"},
}

// A field is a column of a table in the database.
type field struct{ name, kind string }

// layouts are the columns of the tables, in the order in which values gives them.
var layouts = map[string][]field{
	signinlog.InteractiveTable:      layout(signinlog.InteractiveTable),
	signinlog.NonInteractiveTable:   layout(signinlog.NonInteractiveTable),
	signinlog.ServicePrincipalTable: layout(signinlog.ServicePrincipalTable),
}

// layout lists every member of a row, also those that queries do not see in this table: a row that has them comes back
// with them.
func layout(table string) []field {
	var list []field
	for _, c := range signinlog.Columns {
		list = append(list, field{c.NameIn(table), sqlType(c, table)})
	}
	for _, t := range signinlog.Twins {
		kind := "VARCHAR"
		if t.List {
			kind = "VARCHAR[]"
		}
		list = append(list, field{t.Name, kind})
	}
	list = append(list, field{signinlog.PoliciesShredded, "BOOLEAN"})
	return append(list, chainColumns...)
}

// sqlType returns a column's type. Strings are never NULL; dynamic columns hold JSON text or NULL.
func sqlType(c signinlog.Column, table string) string {
	switch {
	case c.Type == schema.DateTime:
		return "TIMESTAMP"
	case c.Type == schema.Bool:
		return "BOOLEAN"
	case c.Type == schema.Long:
		return "BIGINT"
	case c.Type == schema.Real:
		return "DOUBLE"
	case dynamicIn(c, table):
		return "VARCHAR"
	}
	return "VARCHAR DEFAULT ''"
}

// dynamicIn reports whether a column holds JSON text or NULL in a table.
func dynamicIn(c signinlog.Column, table string) bool {
	return c.Type == schema.Dynamic || c.Dynamic && table == signinlog.InteractiveTable
}

// tablesOf returns a workspace whose tables exist.
func (l *DB) tablesOf(ctx context.Context, id string) (workspace, error) {
	w, err := parseWorkspace(id)
	if err != nil {
		return w, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return w, l.makeTables(ctx, w)
}

// makeTables makes the tables of a workspace, and adds to older ones the columns that later releases have. The caller
// holds mu.
func (l *DB) makeTables(ctx context.Context, w workspace) error {
	for table, fields := range layouts {
		name := w.table(table)
		if l.made[name] {
			continue
		}
		if _, err := l.db.ExecContext(ctx, createTable(name, fields)); err != nil {
			return fmt.Errorf("make the tables of a workspace: %w", err)
		}
		if err := l.addColumns(ctx, name, fields); err != nil {
			return fmt.Errorf("add columns to the tables of a workspace: %w", err)
		}
		l.made[name] = true
	}
	return nil
}

func createTable(name string, fields []field) string {
	columns := make([]string, len(fields))
	for n, f := range fields {
		columns[n] = quote(f.name) + " " + f.kind
	}
	return "CREATE TABLE IF NOT EXISTS " + quote(name) + " (" + strings.Join(columns, ", ") + ")"
}

func (l *DB) addColumns(ctx context.Context, table string, fields []field) error {
	rows, err := l.db.QueryContext(ctx, `SELECT column_name FROM duckdb_columns() WHERE table_name = $1`, table)
	if err != nil {
		return err
	}
	there, err := collect(rows, scanText)
	if err != nil {
		return err
	}
	for _, f := range fields {
		if slices.Contains(there, f.name) {
			continue
		}
		if _, err := l.db.ExecContext(ctx, "ALTER TABLE "+quote(table)+" ADD COLUMN "+quote(f.name)+" "+f.kind); err != nil {
			return fmt.Errorf("column %s: %w", f.name, err)
		}
	}
	return nil
}

// rowTables lists the tables of all workspaces with rows of one kind.
func (l *DB) rowTables(ctx context.Context, prefix string) ([]string, error) {
	const query = `SELECT table_name FROM duckdb_tables() WHERE NOT internal AND starts_with(table_name, $1) ORDER BY table_name`
	rows, err := l.db.QueryContext(ctx, query, prefix)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	return collect(rows, scanText)
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// collect reads the rows of an answer and closes it.
func collect[T any](rows *sql.Rows, scan func(*sql.Rows) (T, error)) (list []T, err error) {
	defer func() {
		if closing := rows.Close(); err == nil {
			err = closing
		}
	}()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

func scanText(rows *sql.Rows) (string, error) {
	var text string
	err := rows.Scan(&text)
	return text, err
}

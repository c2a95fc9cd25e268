package cli

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"boundgate/internal/directory"
	"github.com/spf13/cobra"
)

// A queryResult is the answer of the Log Analytics query API.
type queryResult struct {
	Tables []queryTable `json:"tables"`
	Error  *envelope    `json:"error"` // a partial answer
}

type queryTable struct {
	Columns []struct {
		Name string `json:"name"`
	} `json:"columns"`
	Rows [][]json.RawMessage `json:"rows"`
}

// maxQuery bounds a query's text, in bytes.
const maxQuery = 256 << 10

func (a *app) queryCommand() *cobra.Command {
	var file, workspace, timespan string
	var asCSV bool
	cmd := &cobra.Command{
		Use:   "query [KQL]",
		Short: "Run a KQL query over the sign-in logs",
		Example: `  boundgate query 'SigninLogs | summarize count() by ResultType'
  boundgate query -f affected-devices.kql --csv > affected.csv`,
		Args: cobra.ArbitraryArgs,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text, err := a.queryText(cmd, args, file)
		if err != nil {
			return err
		}
		return a.run(func(ctx context.Context, c *client, _ []string) error {
			return a.query(ctx, c, text, workspace, timespan, asCSV)
		})(cmd, args)
	}
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "", "file with the query, or - for standard input")
	f.StringVar(&workspace, "workspace", "", "workspace id (default: your tenant's)")
	f.StringVar(&timespan, "timespan", "", "ISO 8601 duration or interval, such as P1D")
	f.BoolVar(&asCSV, "csv", false, "print CSV")
	return cmd
}

func (a *app) queryText(cmd *cobra.Command, args []string, file string) (string, error) {
	if file == "" {
		if len(args) != 1 {
			return "", Usage(cmd, "give one query as the argument, in quotes, or a file with -f")
		}
		return args[0], nil
	}
	if len(args) > 0 {
		return "", Usage(cmd, "give the query as the argument or with -f, not both")
	}
	data, err := a.readInput(file, "query", maxQuery)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(string(data), "\ufeff"), nil
}

func (a *app) query(ctx context.Context, c *client, text, workspace, timespan string, asCSV bool) error {
	if workspace == "" {
		workspace = c.session.Workspace
	}
	if workspace == "" {
		return failure("name the workspace with --workspace", "the server did not say which workspace holds your tenant's logs")
	}
	body := map[string]any{"query": text}
	if timespan != "" {
		body["timespan"] = timespan
	}
	var result queryResult
	var raw json.RawMessage
	target := c.base.JoinPath("v1", "workspaces", url.PathEscape(workspace), "query")
	if err := c.call(ctx, directory.ManagementAudienceLogs, http.MethodPost, target, body, &raw); err != nil {
		return err
	}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &result); err != nil {
			return failure("check that the server has this program's version", "the server's answer cannot be read: %v", err)
		}
	}
	if result.Error != nil {
		fmt.Fprintln(a.Err, "warning: the answer is not complete:", visible(result.Error.Message))
	}
	if a.json {
		return writeJSON(a.Out, raw)
	}
	if len(result.Tables) == 0 {
		return nil
	}
	rows := result.Tables[0].table() // further tables describe the answer
	if asCSV {
		return writeCSV(a.Out, rows)
	}
	return rows.write(a.Out, styleFor(a.Out, a.noColour))
}

// table returns the rows as texts.
func (t queryTable) table() table {
	var rows table
	for _, column := range t.Columns {
		rows.header = append(rows.header, column.Name)
	}
	for _, row := range t.Rows {
		cells := make([]string, len(rows.header))
		for i, cell := range row[:min(len(row), len(cells))] {
			cells[i] = cellText(cell)
		}
		rows.add(cells...)
	}
	return rows
}

// cellText spells a cell: strings bare, null as nothing, all else as its JSON.
func cellText(cell json.RawMessage) string {
	var s *string
	if json.Unmarshal(cell, &s) == nil {
		if s == nil {
			return ""
		}
		return *s
	}
	return string(cell)
}

// writeCSV prints a table as RFC 4180 has it. A cell that a spreadsheet would take for a formula is led by an apostrophe:
// names in the log are chosen by others.
func writeCSV(w io.Writer, t table) error {
	out := csv.NewWriter(w)
	for _, row := range append([][]string{t.header}, t.rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) && !number(cell) {
				cell = "'" + cell
			}
			cells[i] = cell
		}
		if err := out.Write(cells); err != nil {
			return fmt.Errorf("write CSV: %w", err)
		}
	}
	out.Flush()
	return out.Error()
}

func number(s string) bool {
	return json.Valid([]byte(s))
}

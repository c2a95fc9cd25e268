// Package demo plays Boundgate's story against a running server, over HTTPS, with real brokers: a rollout of token
// protection from report-only to On, and then a theft.
//
// Every step says what it expects, and the story fails where the server differs. The set-up alone (two organisations with
// people, groups and a report-only policy) is what `make run` starts from.
package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// A Reporter prints a story as it happens: a line a step.
type Reporter struct {
	Out    io.Writer
	Color  bool
	JSON   bool
	steps  int
	failed int
}

// line is a step in JSON.
type line struct {
	Step   int    `json:"step,omitempty"`
	Part   string `json:"part,omitempty"`
	Who    string `json:"who,omitempty"`
	What   string `json:"what,omitempty"`
	Result string `json:"result,omitempty"`
	OK     *bool  `json:"ok,omitempty"`
	Error  string `json:"error,omitempty"`
	Table  *table `json:"table,omitempty"`
	Note   string `json:"note,omitempty"`
}

// Part begins a part of the story.
func (r *Reporter) Part(title string) {
	if r.JSON {
		r.json(line{Part: title})
		return
	}
	fmt.Fprintf(r.Out, "\n%s\n", r.paint("1", title))
}

// Step reports a step: err is how it differs from the story, nil where it does not.
func (r *Reporter) Step(who, what, result string, err error) {
	r.steps++
	if err != nil {
		r.failed++
	}
	if r.JSON {
		ok := err == nil
		l := line{Step: r.steps, Who: who, What: what, Result: result, OK: &ok}
		if err != nil {
			l.Error = err.Error()
		}
		r.json(l)
		return
	}
	mark := r.paint("32", "✓")
	if err != nil {
		mark, result = r.paint("31", "✗"), r.paint("31", err.Error())
	}
	fmt.Fprintf(r.Out, "  %s %s %s  %s\n", mark, pad(who, 24), pad(what, 52), result)
}

// Note says something beside the story.
func (r *Reporter) Note(text string) {
	if r.JSON {
		r.json(line{Note: text})
		return
	}
	fmt.Fprintf(r.Out, "    %s\n", r.paint("2", text))
}

// Table prints the answer to a query.
func (r *Reporter) Table(t table) {
	if r.JSON {
		r.json(line{Table: &t})
		return
	}
	for _, row := range t.lines() {
		fmt.Fprintf(r.Out, "      %s\n", row)
	}
}

// Err reports how many steps differed from the story; nil for none.
func (r *Reporter) Err() error {
	if r.failed > 0 {
		return fmt.Errorf("%d of %d steps differ from the story", r.failed, r.steps)
	}
	return nil
}

// Steps returns how many steps were reported.
func (r *Reporter) Steps() int { return r.steps }

func (r *Reporter) json(l line) {
	// A reader that has gone away ends the program through the pipe; there is nobody to tell.
	_ = json.NewEncoder(r.Out).Encode(l)
}

func (r *Reporter) paint(code, text string) string {
	if !r.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func pad(s string, width int) string {
	if n := len([]rune(s)); n < width {
		return s + strings.Repeat(" ", width-n)
	}
	return s
}

// A table is the answer to a query.
type table struct {
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

func (t table) lines() []string {
	widths := make([]int, len(t.Columns))
	all := append([][]string{t.Columns}, t.Rows...)
	for _, row := range all {
		for n, cell := range row {
			widths[n] = max(widths[n], len([]rune(cell)))
		}
	}
	var lines []string
	for n, row := range all {
		cells := make([]string, len(row))
		for c, cell := range row {
			cells[c] = pad(cell, widths[c])
		}
		lines = append(lines, strings.TrimRight(strings.Join(cells, "  "), " "))
		if n == 0 {
			lines = append(lines, strings.Repeat("─", len([]rune(strings.Join(cells, "  ")))))
		}
	}
	return lines
}

// column returns the number of the column with this name, -1 for none.
func (t table) column(name string) int {
	for n, c := range t.Columns {
		if c == name {
			return n
		}
	}
	return -1
}

// has reports whether there is a row whose cells match every pair of column and value.
func (t table) has(match map[string]string) bool {
	for _, row := range t.Rows {
		same := true
		for name, value := range match {
			c := t.column(name)
			same = same && c >= 0 && row[c] == value
		}
		if same {
			return true
		}
	}
	return false
}

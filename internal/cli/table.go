package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// A table is what the list commands print.
type table struct {
	header []string
	rows   [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the table in aligned columns, two spaces apart, its header in bold where style allows it.
func (t *table) write(w io.Writer, style style) error {
	widths := make([]int, len(t.header))
	measure := func(cells []string) {
		for i, cell := range cells {
			widths[i] = max(widths[i], displayWidth(visible(cell)))
		}
	}
	measure(t.header)
	for _, row := range t.rows {
		measure(row)
	}
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, style.bold(line(t.header, widths)))
	for _, row := range t.rows {
		fmt.Fprintln(out, line(row, widths))
	}
	return out.Flush()
}

func line(cells []string, widths []int) string {
	var b strings.Builder
	for i, cell := range cells {
		cell = visible(cell)
		b.WriteString(cell)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", widths[i]-displayWidth(cell)+2))
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// style is how much decoration the output takes.
type style struct{ colour bool }

func (s style) bold(text string) string { return s.wrap("1", text) }
func (s style) red(text string) string  { return s.wrap("31;1", text) }
func (s style) dim(text string) string  { return s.wrap("2", text) }

func (s style) wrap(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// writeJSON prints a value as indented JSON, without HTML escapes.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

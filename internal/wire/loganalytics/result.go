package loganalytics

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net/http"
	"strings"
	"time"

	"boundgate/internal/kql"
	"boundgate/internal/kql/schema"
	"boundgate/internal/logquery"
)

type column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// writeResult answers with one table, and with a partial error where rows are missing. Rows are encoded as they are
// written: an answer may be large.
func writeResult(w http.ResponseWriter, r logquery.Result, p preferences) error {
	columns := []column{}
	for _, c := range r.Columns {
		columns = append(columns, column{c.Name, string(c.Type)})
	}
	head, err := json.Marshal(columns)
	if err != nil {
		return fmt.Errorf("encode the columns: %w", err)
	}
	tail, err := json.Marshal(members(r, p))
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	out := bufio.NewWriterSize(w, 32<<10)
	fmt.Fprintf(out, `{"tables":[{"name":"PrimaryResult","columns":%s,"rows":[`, head)
	separator := ""
	for _, row := range r.Rows {
		text, err := json.Marshal(cells(row, r.Columns))
		if err != nil {
			panic("loganalytics: a row does not encode: " + err.Error()) // the connection breaks: no half answer looks whole
		}
		fmt.Fprintf(out, "%s%s", separator, text)
		separator = ","
	}
	separator = ""
	if len(tail) > len("{}") {
		separator = ","
	}
	fmt.Fprintf(out, "]}]%s%s", separator, tail[1:])
	_ = out.Flush() // the client is gone where this fails
	return nil
}

// members are those of the answer beside its tables.
func members(r logquery.Result, p preferences) map[string]any {
	m := map[string]any{}
	if r.Cut != "" {
		m["error"] = map[string]any{
			"code": "PartialError", "message": "There were some errors when processing your query.",
			"details": []map[string]string{{"code": "EngineError", "message": "Rows are missing: " + r.Cut + "."}},
		}
	}
	if p.statistics {
		m["statistics"] = map[string]any{"query": map[string]any{"executionTime": r.Took.Seconds(), "resourceUsage": map[string]any{}}}
	}
	if p.render && r.Render != nil {
		m["render"] = render(r.Render)
	}
	return m
}

// render is the API's form of a render operator: its kind among its properties.
func render(r *kql.Render) map[string]any {
	m := map[string]any{"visualization": r.Visualization}
	for name, value := range r.Properties {
		m[name] = value
	}
	return m
}

func cells(row []any, columns []kql.Column) []any {
	out := make([]any, len(row))
	for n, v := range row {
		out[n] = cell(v, columns[n].Type)
	}
	return out
}

// cell turns a value of the log store into the API's form of its KQL type.
func cell(v any, t schema.Type) any {
	switch v := v.(type) {
	case nil:
		return nil
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05.0000000Z")
	case float64:
		return realCell(v)
	case *big.Int:
		return v.String()
	case int64:
		if t == schema.TimeSpan {
			return timespanText(v)
		}
		return v
	case []byte:
		return string(v)
	}
	return v
}

// realCell gives the numbers that JSON cannot write as text, as the API does.
func realCell(v float64) any {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	return v
}

// timespanText writes microseconds as d.hh:mm:ss.fffffff, without the parts that are zero at the ends.
func timespanText(micros int64) string {
	sign := ""
	if micros < 0 {
		sign, micros = "-", -micros
	}
	const second, day = int64(1_000_000), int64(86_400_000_000)
	days, rest := micros/day, micros%day
	seconds, fraction := rest/second, rest%second
	var b strings.Builder
	b.WriteString(sign)
	if days > 0 {
		fmt.Fprintf(&b, "%d.", days)
	}
	fmt.Fprintf(&b, "%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	if fraction > 0 {
		fmt.Fprintf(&b, ".%06d0", fraction)
	}
	return b.String()
}

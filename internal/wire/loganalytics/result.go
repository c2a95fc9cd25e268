package loganalytics

import (
	"fmt"
	"math"
	"math/big"
	"net/http"
	"strings"
	"time"

	"boundgate/internal/kql/schema"
	"boundgate/internal/logquery"
)

type column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type resultTable struct {
	Name    string   `json:"name"`
	Columns []column `json:"columns"`
	Rows    [][]any  `json:"rows"`
}

// writeResult answers with one table, and with a partial error where rows are missing.
func writeResult(w http.ResponseWriter, r logquery.Result, p preferences) error {
	t := resultTable{Name: "PrimaryResult", Columns: []column{}, Rows: make([][]any, len(r.Rows))}
	for _, c := range r.Columns {
		t.Columns = append(t.Columns, column{c.Name, string(c.Type)})
	}
	for n, row := range r.Rows {
		t.Rows[n] = make([]any, len(row))
		for c, v := range row {
			t.Rows[n][c] = cell(v, r.Columns[c].Type)
		}
	}
	answer := map[string]any{"tables": []resultTable{t}}
	if r.Cut != "" {
		answer["error"] = map[string]any{
			"code": "PartialError", "message": "There were some errors when processing your query.",
			"details": []map[string]string{{"code": "EngineError", "message": "Rows are missing: " + r.Cut + "."}},
		}
	}
	if p.statistics {
		answer["statistics"] = map[string]any{"query": map[string]any{"executionTime": r.Took.Seconds(), "resourceUsage": map[string]any{}}}
	}
	if p.render && r.Render != nil {
		answer["render"] = r.Render
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
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

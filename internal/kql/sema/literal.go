package sema

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"boundgate/internal/kql/schema"
	"boundgate/internal/kql/syntax"
)

// literal turns a literal into its value.
func literal(x *syntax.Literal, now time.Time) (*Const, error) {
	if x.Text == "null" && x.Kind > syntax.Dynamic || x.Kind == syntax.DateTime && x.Text == "null" {
		return &Const{T: literalTypes[x.Kind]}, nil
	}
	c := &Const{T: literalTypes[x.Kind]}
	var err error
	switch x.Kind {
	case syntax.String, syntax.TypedGUID:
		c.Value = x.Text
	case syntax.Dynamic:
		if c.Value = any(x.Text); x.Text == "null" {
			c.Value = nil
		}
	case syntax.Long, syntax.TypedLong, syntax.TypedInt:
		c.Value, err = parseLong(x.Text)
	case syntax.Real, syntax.TypedReal, syntax.TypedDecimal:
		c.Value, err = parseReal(x.Text)
	case syntax.Bool, syntax.TypedBool:
		c.Value, err = strconv.ParseBool(x.Text)
	case syntax.TimeSpan, syntax.TypedTimeSpan:
		c.Value, err = parseTimeSpan(x.Text)
	case syntax.DateTime:
		if c.Value = now; x.Text != "" {
			c.Value, err = parseDateTime(x.Text)
		}
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

var literalTypes = map[syntax.LiteralKind]schema.Type{
	syntax.String: schema.String, syntax.Long: schema.Long, syntax.Real: schema.Real, syntax.TimeSpan: schema.TimeSpan,
	syntax.Bool: schema.Bool, syntax.DateTime: schema.DateTime, syntax.Dynamic: schema.Dynamic, syntax.TypedInt: schema.Int,
	syntax.TypedLong: schema.Long, syntax.TypedReal: schema.Real, syntax.TypedDecimal: schema.Real,
	syntax.TypedBool: schema.Bool, syntax.TypedTimeSpan: schema.TimeSpan, syntax.TypedGUID: schema.GUID,
}

func parseLong(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil && len(s) > 1 && s[0] == '0' { // 007 is seven
		n, err = strconv.ParseInt(s, 10, 64)
	}
	if err != nil {
		return 0, fmt.Errorf("%q is not a number that fits a long", s)
	}
	return n, nil
}

func parseReal(s string) (float64, error) {
	switch strings.ToLower(s) {
	case "nan":
		return math.NaN(), nil
	case "+inf", "inf":
		return math.Inf(1), nil
	case "-inf":
		return math.Inf(-1), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a real number", s)
	}
	return f, nil
}

// unit gives the length of a timespan unit in microseconds.
func unit(suffix string) float64 {
	switch {
	case strings.HasPrefix(suffix, "d"):
		return 86400e6
	case strings.HasPrefix(suffix, "h"):
		return 3600e6
	case strings.HasPrefix(suffix, "micro"):
		return 1
	case strings.HasPrefix(suffix, "ms"), strings.HasPrefix(suffix, "milli"):
		return 1e3
	case strings.HasPrefix(suffix, "m"):
		return 60e6
	case strings.HasPrefix(suffix, "s"):
		return 1e6
	case strings.HasPrefix(suffix, "t"):
		return 0.1
	case strings.HasPrefix(suffix, "n"):
		return 0.001
	}
	return 0
}

// parseTimeSpan reads 1.5h, 2 (days), 10:00 or 1.02:03:04.5, in microseconds. Ticks are rounded down.
func parseTimeSpan(s string) (int64, error) {
	bad := fmt.Errorf("%q is not a timespan such as 7d, 1.5h or 1.02:03:04", s)
	sign, t := 1.0, s
	if strings.HasPrefix(t, "-") {
		sign, t = -1, t[1:]
	}
	if strings.Contains(t, ":") {
		n, ok := parseClock(t)
		if !ok {
			return 0, bad
		}
		return int64(sign * n), nil
	}
	digits := strings.TrimRight(t, "abcdefghijklmnopqrstuvwxyz")
	f, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	size := unit(t[len(digits):])
	if t[len(digits):] == "" {
		size = unit("d")
	}
	if err != nil || size == 0 || math.Abs(f*size) > math.MaxInt64/2 {
		return 0, bad
	}
	return int64(math.Floor(sign * f * size)), nil
}

// parseClock reads [d.]hh:mm[:ss[.fff]].
func parseClock(s string) (float64, bool) {
	parts := strings.Split(s, ":")
	if len(parts) > 3 {
		return 0, false
	}
	total := 0.0
	if d, h, ok := strings.Cut(parts[0], "."); ok {
		n, err := strconv.ParseUint(d, 10, 24)
		if err != nil {
			return 0, false
		}
		total, parts[0] = float64(n)*86400e6, h
	}
	for i, p := range parts {
		f, err := strconv.ParseFloat(p, 64)
		if err != nil || f < 0 || f >= 60 || i < 2 && f != math.Trunc(f) {
			return 0, false
		}
		total += f * []float64{3600e6, 60e6, 1e6}[i]
	}
	return total, true
}

var dateLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02", "2006-1-2", "2006/01/02", "2006-01", "2006",
	"01/02/2006", "01/02/2006 15:04:05",
}

func parseDateTime(s string) (time.Time, error) {
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a datetime such as 2026-01-31 or 2026-01-31T10:00:00Z", s)
}

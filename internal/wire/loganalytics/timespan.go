package loganalytics

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// parseTimespan reads a time range: an ISO 8601 duration before now, or two of start, end and duration with a slash.
func parseTimespan(text string, now time.Time) (from, to time.Time, err error) {
	first, second, both := strings.Cut(text, "/")
	if !both {
		d, err := parseDuration(first)
		return now.Add(-d), time.Time{}, err
	}
	start, startErr := parseTime(first)
	end, endErr := parseTime(second)
	switch {
	case startErr == nil && endErr == nil:
		return start, end, nil
	case startErr == nil:
		d, err := parseDuration(second)
		return start, start.Add(d), err
	case endErr == nil:
		d, err := parseDuration(first)
		return end.Add(-d), end, err
	}
	return from, to, fmt.Errorf("the timespan %q is not start/end, start/duration or duration/end", text)
}

func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time in ISO 8601", text)
}

var isoDuration = regexp.MustCompile(`^P(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})S)?)?$`)

func parseDuration(text string) (time.Duration, error) {
	m := isoDuration.FindStringSubmatch(strings.ToUpper(text))
	if m == nil || strings.Join(m[1:], "") == "" {
		return 0, fmt.Errorf("the timespan %q is no duration in ISO 8601, such as P1D or PT2H", text)
	}
	const day = 24 * time.Hour
	var d time.Duration
	const longest = 100 * 365 * day // further back there is nothing
	for n, unit := range []time.Duration{7 * day, day, time.Hour, time.Minute, time.Second} {
		if m[n+1] == "" {
			continue
		}
		count, err := strconv.Atoi(m[n+1])
		if err != nil {
			return 0, fmt.Errorf("the timespan %q: %w", text, err)
		}
		d = min(d+min(time.Duration(count), longest/unit)*unit, longest)
	}
	return d, nil
}

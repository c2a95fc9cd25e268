package odata

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var row = map[string]any{
	"id": "0000AAAA-1111-4222-8333-444455556666", "displayName": "It's Ann", "accountEnabled": true, "n": 5.0, "none": nil,
	"status":          map[string]any{"errorCode": 0.0},
	"createdDateTime": "2026-01-31T10:00:00Z", "tags": []any{"a", "B"}, "empty": []any{},
	"targets": []any{map[string]any{"id": "x", "n": 1.0}, map[string]any{"id": "y", "n": 7.0}}, "@odata.type": "#microsoft.graph.ipNamedLocation",
}

func TestFilters(t *testing.T) {
	for text, want := range map[string]bool{
		"displayName eq 'it''s ann'": true, "displayName ne 'x'": true, "startswith(displayName,'it')": true, "endsWith(displayName,'ANN')": true,
		"contains(tolower(displayName),'s a')": true, "not startswith(displayName,'x') and accountEnabled eq true": true,
		"accountEnabled eq false or n gt 4": true, "n ge 5 and n le 5 and n lt 6": true, "none eq null": true, "missing eq null": true, "displayName eq null": false,
		"status/errorCode eq 0": true, "status/errorCode ne 0": false, "id eq 0000aaaa-1111-4222-8333-444455556666": true, "id in ('x','0000AAAA-1111-4222-8333-444455556666')": true,
		"id in ('x','y')": false, "createdDateTime ge 2026-01-31T12:00:00+02:00": true, "createdDateTime lt 2026-01-31": false, "createdDateTime gt '2026-01-30T00:00:00Z'": true,
		"tags/any(t: t eq 'b')": true, "tags/all(t: t eq 'a')": false, "empty/any()": false, "tags/any()": true, "empty/all(t: t eq 'x')": true,
		"targets/any(t: t/id eq 'y' and t/n gt 5)": true, "targets/any(t: t/id eq 'x' and t/n gt 5)": false, "isof('microsoft.graph.ipNamedLocation')": true,
		"isof('microsoft.graph.countryNamedLocation')": false, "(n eq 1 or n eq 5) and (displayName ne null)": true, "n eq '5'": false, "displayName gt 'a'": true,
	} {
		f, err := ParseFilter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Match(row); got != want {
			t.Errorf("%s is %v", text, got)
		}
	}
}

func TestWhatIsNotKnownIsRefusedByName(t *testing.T) {
	for text, says := range map[string]string{
		"": "cannot be read", "displayName eq": "cannot be read", "displayName": "cannot be read", "n add 1 eq 6": "add", "length(displayName) eq 5": "length",
		"displayName has 'x'": "has", "'open": "cannot be read", strings.Repeat("(", 100) + "n eq 1": "nested", strings.Repeat("n eq 1 or ", 200) + "n eq 1": "parts",
		strings.Repeat("x", MaxText+1): "longer", "tags/none(t: t eq 'b')": "", "n eq 1 n eq 2": "", ")(": "", "eq eq eq": "", "not": "", "in (": "",
	} {
		f, err := ParseFilter(text)
		var refused *Error
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, %v, want %q", text, f, err, says)
		}
	}
}

// Whatever a client sends is read or refused, in little time. // P14
func FuzzParseFilter(f *testing.F) {
	for _, text := range []string{"displayName eq 'x'", "a/b eq 1 and not (c in ('x','y'))", "t/any(x: x/y eq 'z')", "startswith(a,'b')", "((((", "'", "a eq 2026-01-01T00:00:00Z"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		began := time.Now()
		filter, err := ParseFilter(text)
		if err == nil {
			filter.Match(row)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%q took %v", text, took)
		}
	})
}

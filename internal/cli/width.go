package cli

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// displayWidth returns how many columns of a terminal a text takes: East Asian wide and full-width characters take two,
// combining marks and format characters none (Unicode Standard Annex 11).
func displayWidth(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	if kind := width.LookupRune(r).Kind(); kind == width.EastAsianWide || kind == width.EastAsianFullwidth {
		return 2
	}
	return 1
}

// visible returns a text as it may be written to a terminal: control and format characters, by which a name could move
// the cursor or reorder a line, are shown as their code points.
func visible(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			b.WriteString(codePoint(r))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func hidden(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || (r >= '\u202a' && r <= '\u202e') || (r >= '\u2066' && r <= '\u2069')
}

func codePoint(r rune) string {
	const digits = "0123456789ABCDEF"
	return "<U+" + string([]byte{digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15]}) + ">"
}

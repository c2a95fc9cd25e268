package devicefilter

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Strings compare without regard to case, by Unicode's simple folding and nothing more: no normalisation and no
// language's own rules, so that a rule means the same everywhere. The rule's side is folded once, when it is compiled; the
// device's side rune by rune while comparing, which allocates nothing.

// A literal is the text of a rule, as written and folded. Most devices spell a value as the rule does, so that is tried
// first.
type literal struct{ written, folded string }

// foldLiteral folds s for comparison.
func foldLiteral(s string) literal { return literal{s, strings.Map(foldRune, s)} }

// foldRune returns the one rune that stands for every rune that differs from r in case only.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if 'A' <= least && least <= 'Z' { // the Kelvin sign and the long s fold to ASCII letters
		least += 'a' - 'A'
	}
	return least
}

// equalFold reports whether s is the text of lit. It is small enough to be inlined.
func equalFold(s string, lit literal) bool {
	return s == lit.written || equalFolded(s, lit.folded)
}

func equalFolded(s, folded string) bool {
	rest, ok := cutFoldPrefix(s, folded)
	return ok && rest == ""
}

// hasPrefixFold reports whether s begins with lit.
func hasPrefixFold(s string, lit literal) bool {
	if strings.HasPrefix(s, lit.written) {
		return true
	}
	_, ok := cutFoldPrefix(s, lit.folded)
	return ok
}

// cutFoldPrefix returns what follows lit, which is folded, in s. ASCII, which is nearly everything, goes byte by byte.
func cutFoldPrefix(s, lit string) (rest string, ok bool) {
	for i := 0; i < len(lit); i++ {
		if i >= len(s) {
			return "", false
		}
		c := s[i]
		if c >= utf8.RuneSelf || lit[i] >= utf8.RuneSelf {
			return cutFoldPrefixRunes(s[i:], lit[i:])
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lit[i] {
			return "", false
		}
	}
	return s[len(lit):], true
}

func cutFoldPrefixRunes(s, lit string) (rest string, ok bool) {
	for _, want := range lit {
		r, size := utf8.DecodeRuneInString(s)
		if size == 0 || foldRune(r) != want {
			return "", false
		}
		s = s[size:]
	}
	return s, true
}

// hasSuffixFold reports whether s ends with lit.
func hasSuffixFold(s string, lit literal) bool {
	for suffix := lit.folded; suffix != ""; {
		want, wantSize := utf8.DecodeLastRuneInString(suffix)
		r, size := utf8.DecodeLastRuneInString(s)
		if size == 0 || foldRune(r) != want {
			return false
		}
		suffix, s = suffix[:len(suffix)-wantSize], s[:len(s)-size]
	}
	return true
}

// containsFold reports whether lit occurs in s.
func containsFold(s string, lit literal) bool {
	for {
		if hasPrefixFold(s, lit) {
			return true
		}
		_, size := utf8.DecodeRuneInString(s)
		if size == 0 {
			return false
		}
		s = s[size:]
	}
}

func countRunes(s string) int { return utf8.RuneCountInString(s) }

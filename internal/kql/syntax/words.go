package syntax

import (
	"fmt"
	"slices"
	"strings"
)

// continuations are the words that may stand where an operator of the pipe could also end.
var continuations = func() []string {
	list := []string{"asc", "between", "!between", "by", "desc", "limit", "nulls", "on", "with"}
	for _, ops := range levels {
		list = append(list, ops...)
	}
	return slices.DeleteFunc(append(list, listOperators...), func(op string) bool {
		return !strings.ContainsFunc(op, func(r rune) bool { return r < 0x80 && isNameStart(byte(r)) })
	})
}()

// suggest adds the name that was perhaps meant, when there is one.
func (e Error) suggest(name string) Error {
	if name != "" {
		e.Suggestion = name
		e.Message += fmt.Sprintf("; did you mean '%s'?", name)
	}
	return e
}

// maxShown is how much of the text a message repeats, in bytes.
const maxShown = 40

// quoted shows a piece of the text in a message: its first line, and not much of that.
func quoted(text string) string {
	line, _, cut := strings.Cut(text, "\n")
	if len(line) > maxShown {
		line, cut = strings.ToValidUTF8(line[:maxShown], ""), true
	}
	if cut {
		line += "…"
	}
	return "'" + line + "'"
}

// nearest returns the candidate that a word is probably a misspelling of, or "". The shorter the word, the fewer edits
// count as one; a difference in case alone always does.
func nearest(word string, candidates []string) string {
	if len(word) > maxShown { // longer than any of ours by more than a slip
		return ""
	}
	if slices.Contains(candidates, word) { // the right word in the wrong place
		return ""
	}
	word = strings.ToLower(word)
	best, least := "", min(2, (len(word)-1)/2)+1
	for _, c := range candidates {
		if d := edits(word, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// edits counts the letters to insert, delete, replace, or swap with their neighbour, to make a into b.
func edits(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

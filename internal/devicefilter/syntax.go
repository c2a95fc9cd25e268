package devicefilter

import (
	"fmt"
	"strings"
)

// A SyntaxError says why a rule was refused, and where.
type SyntaxError struct {
	// Offset and Length are the place in the rule, in bytes. Offset may equal the rule's length: something is missing at
	// its end.
	Offset, Length int
	// Line and Column are the same place for people: both count from 1, columns in characters.
	Line, Column int
	// Message is one or two sentences: what is wrong and, where it is known, what to write instead.
	Message string
	// Suggestion is the whole rule, mended, where there is a way to mend it that is likely to be what was meant; else "".
	// It always parses.
	Suggestion string

	// fix replaces the place in the rule and is likely to mend it; used where fixable.
	fix     string
	fixable bool
}

// Error implements error.
func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("device filter, line %d, column %d: %s", e.Line, e.Column, e.Message)
	if e.Suggestion != "" {
		s += " Did you mean: " + e.Suggestion
	}
	return s
}

// span is a place in a rule.
type span struct{ start, end int }

func errorAt(at span, format string, args ...any) *SyntaxError {
	return &SyntaxError{Offset: at.start, Length: at.end - at.start, Message: fmt.Sprintf(format, args...)}
}

// fixedBy returns e with what to write in its place.
func (e *SyntaxError) fixedBy(replacement string) *SyntaxError {
	e.fix, e.fixable = replacement, true
	return e
}

// locate fills Line and Column from Offset.
func (e *SyntaxError) locate(src string) *SyntaxError {
	before := src[:e.Offset]
	e.Line = 1 + strings.Count(before, "\n")
	e.Column = 1 + countRunes(before[strings.LastIndexByte(before, '\n')+1:])
	return e
}

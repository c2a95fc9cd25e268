// Package policyfile is Conditional Access as files: reading documents from repositories and exports, putting the ids of one
// tenant in the place of names and the other way round, the one form in which policies are written, and the plan that makes
// a tenant what its files say.
//
// Reading is tolerant where nothing changes its meaning (annotations, members that say nothing, byte order marks, repeated
// members of which the last counts) and strict where something does: a condition that is not known here is refused by name,
// with the place in the file.
//
// A file names an object by its id, or by a reference: "<group:Break glass>", "<location:Headquarters>". No id and no literal
// of Graph begins with "<", so neither can be taken for the other. "<ExclusionTempGroup>", without a kind, is a placeholder:
// whoever imports the file says what it stands for.
//
// The package is pure: package cli reads the files and speaks to the server.
package policyfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Place is a place in a file. Line and Column count from 1, columns in characters; 0 means the file as a whole.
type Place struct {
	File         string
	Line, Column int
}

// String returns the place as compilers write it.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// A Problem says what is wrong with a document, where, and what to do.
type Problem struct {
	Place
	Pointer string // JSON pointer (RFC 6901) into the policy or named location
	Message string // a sentence
	Remedy  string // in the imperative; may be empty
}

// String returns the problem on one line.
func (p Problem) String() string {
	parts := []string{p.Place.String() + ":"}
	for _, part := range []string{p.Pointer, p.Message, p.Remedy} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " ")
}

// sortProblems orders problems as a reader of the files meets them.
func sortProblems(list []Problem) {
	slices.SortStableFunc(list, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
	})
}

package policyfile

import (
	"strings"
	"unicode"
)

// maxFileName bounds the stem of a file name, in bytes: file systems end at 255.
const maxFileName = 180

// reserved are names that Windows keeps for devices.
var reserved = []string{"con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
	"lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9"}

// FileNames returns a file name for each object: its name, with a dash for whatever is neither a letter nor a digit of some
// script. Objects whose names come out the same, case aside, have a part of their id behind it.
func FileNames(objects []Object) []string {
	stems, seen := make([]string, len(objects)), map[string]int{}
	for i, o := range objects {
		stems[i] = stem(o.Name)
		seen[strings.ToLower(stems[i])]++
	}
	names := make([]string, len(objects))
	for i, o := range objects {
		names[i] = stems[i] + ".json"
		if seen[strings.ToLower(stems[i])] > 1 {
			names[i] = stems[i] + "-" + strings.ToLower(o.ID) + ".json"
		}
	}
	return names
}

func stem(name string) string {
	var b strings.Builder
	dash := false
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == '_' {
			if dash && b.Len() > 0 {
				b.WriteByte('-')
			}
			dash = false
			b.WriteRune(r)
		} else {
			dash = true
		}
		if b.Len() >= maxFileName {
			break
		}
	}
	s := b.String()
	if s == "" {
		return "unnamed"
	}
	for _, each := range reserved {
		if strings.EqualFold(each, s) {
			return s + "_"
		}
	}
	return s
}

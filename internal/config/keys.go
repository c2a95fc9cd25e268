package config

import (
	"reflect"
	"slices"
	"strings"
)

// A key is one leaf of Config: its place in the file, its variable, and the field that holds it.
type key struct {
	path  []string // "log", "level"
	file  bool     // may stand in the file; the others come from the environment only
	index []int    // of the field, for reflect.Value.FieldByIndex
}

// keys lists every leaf of Config in the order of declaration.
var keys = leaves(reflect.TypeFor[Config](), nil, nil)

func leaves(t reflect.Type, path []string, index []int) []key {
	var found []key
	for i := range t.NumField() {
		field := t.Field(i)
		name, inFile := field.Tag.Get("toml"), true
		if name == "-" {
			name, inFile = field.Tag.Get("env"), false
		}
		at, by := slices.Concat(path, []string{name}), slices.Concat(index, []int{i})
		if field.Type.Kind() == reflect.Struct && inFile {
			found = append(found, leaves(field.Type, at, by)...)
			continue
		}
		found = append(found, key{path: at, file: inFile, index: by})
	}
	return found
}

// variable returns the environment variable that overrides the key.
func (k key) variable() string {
	return "BOUNDGATE_" + strings.ToUpper(strings.Join(k.path, "_"))
}

// inSectionOf reports whether variable looks like one of the key's section.
func (k key) inSectionOf(variable string) bool {
	return len(k.path) > 1 && strings.HasPrefix(variable, "BOUNDGATE_"+strings.ToUpper(k.path[0])+"_")
}

// String returns the key as people write it in prose: "listen", "[log] level".
func (k key) String() string { return inProse(k.path) }

func inProse(path []string) string {
	if len(path) == 1 {
		return path[0]
	}
	return "[" + strings.Join(path[:len(path)-1], ".") + "] " + path[len(path)-1]
}

// nearestKey returns the key of the file, or the section, that a person most likely meant by path; "" when none is near.
// A known name in the wrong section is nearer than any misspelling.
func nearestKey(path []string) string {
	last := path[len(path)-1]
	best, distance := "", len(last)/3+2
	consider := func(candidate []string) {
		d := editDistance(last, candidate[len(candidate)-1])
		if !slices.Equal(path[:len(path)-1], candidate[:len(candidate)-1]) {
			d++ // the same section is the likelier one
		}
		if d < distance {
			best, distance = inProse(candidate), d
			if len(candidate) == 1 && isSection(candidate[0]) {
				best = "[" + candidate[0] + "]"
			}
		}
	}
	for _, k := range keys {
		if k.file {
			consider(k.path)
		}
		if len(k.path) > 1 {
			consider(k.path[:1])
		}
	}
	return best
}

func isSection(name string) bool {
	return slices.ContainsFunc(keys, func(k key) bool { return len(k.path) > 1 && k.path[0] == name })
}

// editDistance counts insertions, deletions, substitutions and swaps of neighbours between a and b.
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			substitution := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				substitution++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, substitution)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

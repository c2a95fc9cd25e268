package policyfile

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"boundgate/internal/policy"
)

// A Change is one member that differs.
type Change struct {
	Pointer string `json:"pointer"`
	// Before and After are the values; nil for none. Of lists they are nil, and Removed and Added say what differs: the order
	// of ids means nothing.
	Before  any   `json:"before,omitempty"`
	After   any   `json:"after,omitempty"`
	Removed []any `json:"removed,omitempty"`
	Added   []any `json:"added,omitempty"`
}

// Lines returns the change for people, a line each with - or + before it.
func (c Change) Lines() []string {
	var lines []string
	line := func(sign string, v any) {
		text, err := indentless(v)
		if err != nil {
			text = fmt.Sprint(v)
		}
		lines = append(lines, sign+" "+c.Pointer+": "+text)
	}
	if c.Before != nil {
		line("-", c.Before)
	}
	for _, v := range c.Removed {
		line("-", v)
	}
	if c.After != nil {
		line("+", c.After)
	}
	for _, v := range c.Added {
		line("+", v)
	}
	return lines
}

func indentless(v any) (string, error) {
	data, err := indented(v)
	if err != nil {
		return "", err
	}
	var compact strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		compact.WriteString(strings.TrimSpace(line))
	}
	return compact.String(), nil
}

// Compare returns what differs between two definitions, by members. Members that say nothing (null, false, empty) are as good
// as none. With a Directory, objects are named by their names.
func Compare(before, after Definition, directory Directory) ([]Change, error) {
	trees := make([]map[string]any, 2)
	for i, d := range []Definition{before, after} {
		tree, err := said(d)
		if err != nil {
			return nil, err
		}
		if directory != nil {
			if _, err := named(tree, directory); err != nil {
				return nil, err
			}
		}
		trees[i] = tree
	}
	var changes []Change
	compare("", trees[0], trees[1], &changes)
	return changes, nil
}

// said is the tree of what a definition says, without its identity.
func said(d Definition) (map[string]any, error) {
	d.ID = ""
	tree, err := treeOf(d)
	if err != nil {
		return nil, err
	}
	pruned, _ := prune(tree).(map[string]any)
	return pruned, nil
}

// prune returns v without members that say nothing; nil where nothing is left.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, value := range v {
			if value = prune(value); value != nil {
				out[name] = value
			}
		}
		if len(out) > 0 {
			return out
		}
		return nil
	case []any:
		if len(v) == 0 {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	}
	return v
}

func compare(pointer string, before, after any, changes *[]Change) {
	b, wasObject := before.(map[string]any)
	a, isObject := after.(map[string]any)
	if (wasObject || before == nil) && (isObject || after == nil) && (wasObject || isObject) {
		names := maps.Clone(b)
		if names == nil {
			names = map[string]any{}
		}
		maps.Copy(names, a)
		for _, name := range sortedMembers(names) {
			compare(pointer+"/"+escape(name), b[name], a[name], changes)
		}
		return
	}
	bl, wasList := before.([]any)
	al, isList := after.([]any)
	if (wasList || before == nil) && (isList || after == nil) && (wasList || isList) {
		if removed, added := without(bl, al), without(al, bl); len(removed)+len(added) > 0 {
			*changes = append(*changes, Change{Pointer: pointer, Removed: removed, Added: added})
		}
		return
	}
	if !reflect.DeepEqual(before, after) {
		*changes = append(*changes, Change{Pointer: pointer, Before: before, After: after})
	}
}

// without returns the values of list that other has not.
func without(list, other []any) []any {
	var out []any
	for _, v := range list {
		if !slices.ContainsFunc(other, func(w any) bool { return reflect.DeepEqual(v, w) }) {
			out = append(out, v)
		}
	}
	return out
}

// Patch returns the document that makes one definition of another where a server merges it: members that are gone are null.
func Patch(before, after Definition) (json.RawMessage, error) {
	b, err := said(before)
	if err != nil {
		return nil, err
	}
	a, err := said(after)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(mergePatch(b, a))
	if err != nil {
		return nil, fmt.Errorf("encode patch: %w", err)
	}
	return data, nil
}

// mergePatch is RFC 7396 on objects that have no nulls.
func mergePatch(before, after map[string]any) map[string]any {
	patch := map[string]any{}
	for name := range before {
		if _, stays := after[name]; !stays {
			patch[name] = nil
		}
	}
	for name, value := range after {
		inner, isObject := value.(map[string]any)
		earlier, wasObject := before[name].(map[string]any)
		switch {
		case isObject && wasObject:
			if nested := mergePatch(earlier, inner); len(nested) > 0 {
				patch[name] = nested
			}
		case !reflect.DeepEqual(before[name], value):
			patch[name] = value
		}
	}
	return patch
}

// compareLocations returns what differs between two named locations.
func compareLocations(before, after policy.NamedLocation) ([]Change, error) {
	before.ID, after.ID = "", ""
	b, err := treeOf(graphLocation(before))
	if err != nil {
		return nil, err
	}
	a, err := treeOf(graphLocation(after))
	if err != nil {
		return nil, err
	}
	var changes []Change
	compare("", prune(b), prune(a), &changes)
	return changes, nil
}

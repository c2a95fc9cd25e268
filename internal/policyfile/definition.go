package policyfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"boundgate/internal/policy"
)

// A Definition is what a policy says: the policy without what the server keeps of it.
type Definition struct {
	policy.Policy
	// OverrideReason is why an administrator set the policy On against the linter's advice; "" for none.
	OverrideReason string `json:"@boundgate.overrideReason,omitempty"`
}

// Annotations of this server. Of those that it returns, the reason of an override alone is part of what a policy says.
const (
	annotations    = "@boundgate."
	overrideReason = "@boundgate.overrideReason"
)

// ParsePolicy reads a policy as the server returns it.
func ParsePolicy(data []byte) (Definition, error) {
	var tree map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		return Definition{}, fmt.Errorf("read policy: %w", err)
	}
	return define(tree)
}

// define decodes a tree, which it changes.
func define(tree map[string]any) (Definition, error) {
	reason := ""
	for name, value := range tree {
		if strings.HasPrefix(strings.ToLower(name), annotations) {
			if text, ok := value.(string); ok && strings.EqualFold(name, overrideReason) {
				reason = text
			}
			delete(tree, name)
		}
	}
	data, err := json.Marshal(tree)
	if err != nil {
		return Definition{}, fmt.Errorf("encode policy: %w", err)
	}
	p, err := policy.Decode(data)
	p.CreatedDateTime, p.ModifiedDateTime = time.Time{}, time.Time{}
	if p.GrantControls != nil && p.GrantControls.AuthenticationStrength != nil {
		p.GrantControls.AuthenticationStrength.DisplayName = "" // the id says which
	}
	return Definition{p, reason}, err
}

// policy returns the policy that a document describes in a tenant, with what is wrong with it. The error is the directory's.
func (d Document) policy(directory Directory, mapping Mapping) (Definition, []Problem, error) {
	tree := clone(d.tree).(map[string]any)
	r := &resolver{document: d, directory: directory, mapping: mapping}
	r.resolve(tree)
	if r.err != nil {
		return Definition{}, nil, r.err
	}
	if len(r.problems) > 0 { // what follows would say of the same members that they are no ids
		return Definition{}, r.problems, nil
	}
	definition, err := define(tree)
	if err != nil {
		return definition, d.invalid(err), nil
	}
	return definition, nil, nil
}

// valid returns what forbids to store a definition that a document has given.
func (d Document) valid(definition Definition) []Problem {
	p := definition.Policy
	p.Conditions.Locations = withStandIns(p.Conditions.Locations)
	return d.invalid(policy.Validate(p))
}

// standIn takes the place of the id of a named location that is yet to be created.
const standIn = "ffffffff-ffff-4fff-8fff-ffffffffffff"

func withStandIns(l *policy.Locations) *policy.Locations {
	if l == nil {
		return nil
	}
	replace := func(ids []string) []string {
		ids = slices.Clone(ids)
		for i, id := range ids {
			if kind, _, ok := parseReference(id); ok && kind == Location {
				ids[i] = standIn
			}
		}
		return ids
	}
	return &policy.Locations{IncludeLocations: replace(l.IncludeLocations), ExcludeLocations: replace(l.ExcludeLocations)}
}

// Format writes a policy as files have it: members in one order, two spaces deep, nothing that only the server knows. With a
// Directory it names objects by their names and leaves out the policy's own id, so that the file fits other tenants; notes
// tell what has no name of its own.
func Format(d Definition, directory Directory) (data []byte, notes []string, err error) {
	if directory == nil {
		data, err = indented(d)
		return data, nil, err
	}
	d.ID = ""
	tree, err := treeOf(d)
	if err != nil {
		return nil, nil, err
	}
	if notes, err = named(tree, directory); err != nil {
		return nil, nil, err
	}
	if d, err = define(tree); err != nil {
		return nil, nil, fmt.Errorf("write policy with names: %w", err)
	}
	data, err = indented(d)
	return data, notes, err
}

// FormatLocation writes a named location as files have it; with its id only if so wanted.
func FormatLocation(l policy.NamedLocation, withID bool) ([]byte, error) {
	if !withID {
		l.ID = ""
	}
	return indented(graphLocation(l))
}

func indented(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return out.Bytes(), nil
}

func treeOf(v any) (map[string]any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	var tree map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return tree, nil
}

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, value := range v {
			out[name] = clone(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = clone(value)
		}
		return out
	}
	return v
}

func sortedMembers(tree map[string]any) []string { return slices.Sorted(maps.Keys(tree)) }

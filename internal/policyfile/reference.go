package policyfile

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"boundgate/internal/policy"
)

// An Object is something of a tenant that policies name.
type Object struct{ ID, Name string }

// A Directory knows the objects of a tenant.
type Directory interface {
	// Find returns the objects of a kind that have an id or a name. None is no error.
	Find(kind Kind, key string) ([]Object, error)
}

// Objects is a Directory of objects that are at hand.
type Objects map[Kind][]Object

// Find implements Directory. A name that is spelled exactly so goes before those that differ by case.
func (o Objects) Find(kind Kind, key string) ([]Object, error) {
	exact := matching(o[kind], func(each Object) bool { return strings.EqualFold(each.ID, key) || each.Name == key })
	if len(exact) > 0 {
		return exact, nil
	}
	return matching(o[kind], func(each Object) bool { return strings.EqualFold(each.Name, key) }), nil
}

func matching(list []Object, ok func(Object) bool) []Object {
	return slices.DeleteFunc(slices.Clone(list), func(each Object) bool { return !ok(each) })
}

// Reference returns how a file names an object by its name.
func Reference(kind Kind, name string) string { return "<" + string(kind) + ":" + name + ">" }

var referenced = []Kind{Group, User, Role, Application, ServicePrincipal, Location}

// parseReference takes a reference apart; not ok for an id, a literal or a placeholder.
func parseReference(text string) (kind Kind, name string, ok bool) {
	if !isPlaceholder(text) {
		return "", "", false
	}
	before, name, found := strings.Cut(text[1:len(text)-1], ":")
	kind = Kind(before)
	return kind, name, found && name != "" && slices.Contains(referenced, kind)
}

func isPlaceholder(text string) bool {
	return len(text) > 2 && strings.HasPrefix(text, "<") && strings.HasSuffix(text, ">")
}

var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// idLists are the members of a policy's conditions that hold ids, with the literals that stand for many objects.
var idLists = []struct {
	part, members string // includes and excludes have one ending
	kind          Kind
	literals      []string
}{
	{"users", "Users", User, []string{policy.All, policy.None, policy.GuestsOrExternalUsers}},
	{"users", "Groups", Group, nil},
	{"users", "Roles", Role, nil},
	{"applications", "Applications", Application, []string{policy.All, policy.None, policy.Office365, policy.AdminPortals}},
	{"clientApplications", "ServicePrincipals", ServicePrincipal, []string{policy.OwnServicePrincipals}},
	{"locations", "Locations", Location, []string{policy.All, policy.AllTrusted, policy.MFATrustedIPs}},
}

// eachID calls f for every id of a policy's tree, literals aside, and puts in its place what f returns.
func eachID(tree map[string]any, f func(pointer string, kind Kind, text string) string) {
	conditions, _ := member(tree, "conditions").(map[string]any)
	for _, l := range idLists {
		part, _ := member(conditions, l.part).(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(part)) {
			ids, isList := part[name].([]any)
			if !isList || !strings.EqualFold(name, "include"+l.members) && !strings.EqualFold(name, "exclude"+l.members) {
				continue
			}
			for i, id := range ids {
				text, isText := id.(string)
				literal := slices.ContainsFunc(l.literals, func(s string) bool { return strings.EqualFold(s, strings.TrimSpace(text)) })
				if isText && !literal {
					ids[i] = f("/conditions/"+l.part+"/"+name+"/"+strconv.Itoa(i), l.kind, strings.TrimSpace(text))
				}
			}
		}
	}
}

// A Mapping says what placeholders, ids and references of foreign files stand for: ids, names or references of the tenant.
type Mapping map[string]string

// ParseMapping reads "FROM=TO"; TO is what follows the last "=" outside of brackets.
func ParseMapping(text string) (from, to string, err error) {
	if end := strings.Index(text, ">="); strings.HasPrefix(text, "<") && end > 0 {
		from, to = text[:end+1], text[end+2:]
	} else {
		from, to, _ = strings.Cut(text, "=")
	}
	from, to = strings.TrimSpace(from), strings.TrimSpace(to)
	if from == "" || to == "" {
		return "", "", fmt.Errorf("%q is no mapping: write it like '<ExclusionTempGroup>=Break glass'", text)
	}
	return from, to, nil
}

// inText replaces the placeholders of a name, such as "102 - <RING> - Block".
func (m Mapping) inText(text string) string {
	for _, from := range slices.Sorted(maps.Keys(m)) {
		if isPlaceholder(from) {
			text = strings.ReplaceAll(text, from, m[from])
		}
	}
	return text
}

// A resolver puts the ids of one tenant into a tree.
type resolver struct {
	document  Document
	directory Directory
	mapping   Mapping
	problems  []Problem
	err       error
}

// resolve puts the ids of the tenant in the places of references and of what the mapping names. An id that the tenant has
// not is a problem: a policy would be about nobody, or spare nobody, where its author meant somebody.
func (r *resolver) resolve(tree map[string]any) {
	for name, value := range tree {
		if text, ok := value.(string); ok && (strings.EqualFold(name, "displayName") || strings.EqualFold(name, "description")) {
			tree[name] = r.mapping.inText(text)
		}
	}
	eachID(tree, r.id)
}

func (r *resolver) id(pointer string, kind Kind, text string) string {
	from := text
	to, mapped := r.mapping[text]
	if mapped {
		text = to
	}
	wanted, name, isReference := parseReference(text)
	switch {
	case isReference && wanted != kind:
		r.add(pointer, "Name an object of the kind that belongs here.", "%s is a %s, and here stand ids of kind %s.", text, wanted, kind)
		return text
	case isReference:
		text = name
	case isPlaceholder(text):
		r.add(pointer, fmt.Sprintf("Say what it stands for: --map '%s=NAME'.", text), "%s is a placeholder.", text)
		return text
	case !mapped && !guid.MatchString(text), kind == Role && guid.MatchString(text), isLiteral(kind, text):
		return text // a role that is not here has no holders; what is no id at all is refused where policies are checked
	}
	return r.find(pointer, kind, text, from)
}

func (r *resolver) find(pointer string, kind Kind, key, from string) string {
	found, err := r.directory.Find(kind, key)
	if err != nil {
		r.err = err
		return key
	}
	what := "named " + strconv.Quote(key)
	if guid.MatchString(key) {
		what = "with the id " + key
	}
	switch len(found) {
	case 0:
		r.add(pointer, fmt.Sprintf("Create it, or name another: --map '%s=NAME'.", from), "There is no %s %s in this tenant.", kind, what)
		return key
	case 1:
		return found[0].ID
	}
	ids := make([]string, len(found))
	for i, each := range found {
		ids[i] = each.ID
	}
	r.add(pointer, fmt.Sprintf("Name it by its id: --map '%s=ID'.", from), "%d objects of kind %s are %s: %s.", len(found), kind, what, strings.Join(ids, ", "))
	return key
}

func (r *resolver) add(pointer, remedy, format string, args ...any) {
	r.problems = append(r.problems, r.document.problem(pointer, remedy, format, args...))
}

func isLiteral(kind Kind, text string) bool {
	for _, l := range idLists {
		if l.kind == kind && slices.Contains(l.literals, text) {
			return true
		}
	}
	return false
}

// named puts references in the places of the ids of a policy's tree, where a name says which object is meant. Of the others it
// returns notes.
func named(tree map[string]any, directory Directory) (notes []string, err error) {
	eachID(tree, func(pointer string, kind Kind, id string) string {
		if err != nil || !guid.MatchString(id) {
			return id
		}
		var objects, twins []Object
		if objects, err = directory.Find(kind, id); err == nil && len(objects) == 1 {
			twins, err = directory.Find(kind, objects[0].Name)
		}
		switch {
		case err != nil:
			return id
		case len(objects) != 1 || objects[0].Name == "":
			notes = append(notes, fmt.Sprintf("%s: %s has no name here and stays an id.", pointer, id))
			return id
		case len(twins) != 1:
			notes = append(notes, fmt.Sprintf("%s: several objects of kind %s are named %q; %s stays an id.", pointer, kind, objects[0].Name, id))
			return id
		}
		return Reference(kind, objects[0].Name)
	})
	return notes, err
}

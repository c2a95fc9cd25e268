package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decode reads a policy as Graph clients send it and as exports hold it, and returns it as Normalise does.
//
// A member that a policy has not is refused by name: dropping a condition would make the policy about more than its
// author wrote, dropping a control would make it demand less. Members that say nothing (null, false, empty) and OData
// annotations pass. Of two members of one name the last counts. Problems of form are an *InvalidError, like Validate's.
func Decode(data []byte) (Policy, error) {
	var tree map[string]any
	if err := json.Unmarshal(data, &tree); err != nil {
		return Policy{}, malformed(err)
	}
	v := &validation{}
	v.overrideReason(tree)
	v.members("", tree, reflect.TypeFor[Policy]())
	if len(v.problems) > 0 {
		return Policy{}, &InvalidError{v.problems}
	}
	compact, err := json.Marshal(tree) // duplicates are gone: the last has won
	if err != nil {
		return Policy{}, fmt.Errorf("policy: encoding the members again: %w", err)
	}
	var p Policy
	if err := json.Unmarshal(compact, &p); err != nil {
		return Policy{}, malformed(err)
	}
	return Normalise(p), nil
}

func malformed(err error) error {
	problem := Problem{Reason: "The policy is not the JSON of a Conditional Access policy: " + err.Error() + ".",
		Remedy: "Compare it with the documentation of conditionalAccessPolicy.", Code: codeSchema}
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) && wrongType.Field != "" {
		problem.Pointer = "/" + strings.ReplaceAll(wrongType.Field, ".", "/")
		problem.Reason = fmt.Sprintf("A JSON %s cannot stand here.", wrongType.Value)
	}
	return &InvalidError{[]Problem{problem}}
}

// ignoredMembers appear in what Graph, or this server, returns and are not part of what a policy says.
var ignoredMembers = []string{"partialEnablementStrategy", "deletedDateTime", "secureAppSessionMode", "@boundgate.warnings", "@boundgate.overriddenFindings"}

// The members that carry an Override: as clients write its reason, and as it is stored.
const (
	overrideReasonMember = "@boundgate.overrideReason"
	overrideMember       = "@boundgate.override"
)

// maxReason bounds the reason of an override, in characters.
const maxReason = 1000

// overrideReason turns the reason of an override as clients write it into the override that is stored. What the override is
// for is not the client's to say.
func (v *validation) overrideReason(tree map[string]any) {
	for name := range tree {
		if strings.EqualFold(name, overrideMember) {
			delete(tree, name)
		}
	}
	value := tree[overrideReasonMember]
	delete(tree, overrideReasonMember)
	if value == nil {
		return
	}
	reason, ok := value.(string)
	switch {
	case !ok:
		v.add("/"+overrideReasonMember, "Write the reason as a text.", "A reason is a text.").Code = codeSchema
	case strings.TrimSpace(reason) == "":
		v.add("/"+overrideReasonMember, "Say why the policy is to be On all the same, or leave the member out.", "The reason is blank.").Code = codeSchema
	case len([]rune(reason)) > maxReason:
		v.add("/"+overrideReasonMember, "Shorten the reason.", "The reason is longer than %d characters.", maxReason).Code = codeSchema
	default:
		tree[overrideMember] = map[string]any{"reason": strings.TrimSpace(reason)}
	}
}

// members refuses members of value that the type has not. Members that are left are in their declared case.
func (v *validation) members(pointer string, value any, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	object, ok := value.(map[string]any)
	if !ok || t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
		return
	}
	seen := map[string]string{}
	for _, name := range sortedKeys(object) {
		member := object[name]
		field, known := fieldNamed(t, name)
		twin, again := seen[field.Name]
		switch {
		case known && again:
			v.add(pointer+"/"+escapePointer(name), "Remove one of the two.", "%q and %q are the same member.", twin, name)
		case strings.Contains(name, "@odata."), slices.Contains(ignoredMembers, name):
			delete(object, name)
		case known && isEmptyList(member) && field.Type.Kind() == reflect.Pointer: // published documents write [] for no condition
			delete(object, name)
		case known:
			seen[field.Name] = name
			v.members(pointer+"/"+escapePointer(name), member, field.Type)
		case saysNothing(member), t == reflect.TypeFor[AuthenticationStrength](): // which Graph returns in full
			delete(object, name)
		default:
			problem := v.add(pointer+"/"+escapePointer(name), "Remove the member, or correct its name.", "%s is not supported here.", strconv.Quote(name))
			if strings.EqualFold(name, "deviceStates") {
				problem.Reason, problem.Remedy, problem.Code = "Device states are no longer supported.", "Use devices/deviceFilter.", codeDeviceStates
			}
		}
	}
}

func sortedKeys(object map[string]any) []string {
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// fieldNamed finds a field by its JSON name, without regard to case, as encoding/json does.
func fieldNamed(t reflect.Type, name string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if strings.EqualFold(tag, name) {
			return t.Field(i), true
		}
	}
	return reflect.StructField{}, false
}

// saysNothing reports whether a member carries no statement: null, false, or an empty text, list or object.
func saysNothing(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case bool:
		return !value
	case string:
		return value == ""
	case []any:
		return len(value) == 0
	case map[string]any:
		for _, member := range value {
			if !saysNothing(member) {
				return false
			}
		}
		return true
	}
	return false
}

func isEmptyList(value any) bool {
	list, ok := value.([]any)
	return ok && len(list) == 0
}

func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

package policyfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"boundgate/internal/policy"
)

// A Tenant is what a plan starts from.
type Tenant struct {
	Policies  []Definition
	Locations []policy.NamedLocation
	Directory Directory // of everything but named locations
}

// An Action is what a plan does with one policy or named location.
type Action string

// The actions.
const (
	Create    Action = "create"
	Update    Action = "update"
	Unchanged Action = "unchanged"
	Delete    Action = "delete"
	Refuse    Action = "refuse"
)

// A StateRule says what becomes of the state that a file gives.
type StateRule string

// The rules. NeverOn makes a policy report-only that is On in its file.
const (
	NeverOn   StateRule = "report-only"
	AlwaysOff StateRule = "off"
	StateAsIs StateRule = "keep"
)

const (
	hintState  = "Set it On when its report says what you expect."
	hintExists = "Change it with \"boundgate policy apply\", or give the file's another name."
)

// Options of a plan.
type Options struct {
	Mapping Mapping
	State   StateRule
	// OnlyCreate refuses to change what is there.
	OnlyCreate bool
	// Prune deletes what no file describes: policies, and named locations if the files have any. A policy that is On is
	// deleted with PruneEnabled only.
	Prune, PruneEnabled bool
}

// A Step is one action on one object.
type Step struct {
	Action  Action
	Kind    Kind
	Name    string
	ID      string // of the object that is there; "" for one to create
	File    string // "" for none
	Changes []Change
	// Problems say why it is refused; Notes what else there is to know.
	Problems, Notes []Problem

	// Before and After are policies, as Kind says.
	Before, After Definition
	// Location is the named location, as it is to be.
	Location policy.NamedLocation
}

// TurnsOn reports whether the step puts a policy in force that is not in force now.
func (s Step) TurnsOn() bool {
	return s.Kind == Policy && (s.Action == Create || s.Action == Update) && s.After.State == policy.Enabled && s.Before.State != policy.Enabled
}

// Document returns what to send to the server: the whole object to create it or to replace a named location, or the change of
// a policy. created has the ids of the named locations that were created on the way, by their names.
func (s Step) Document(created map[string]string) ([]byte, error) {
	if s.Kind == Location {
		return FormatLocation(s.Location, false)
	}
	after := s.After
	after.ID = ""
	after.Conditions.Locations = withCreated(after.Conditions.Locations, created)
	if missing := pending(after.Conditions.Locations); missing != "" {
		return nil, fmt.Errorf("the named location %q was not created", missing)
	}
	if s.Action == Create {
		return indented(after)
	}
	return Patch(s.Before, after)
}

// pending returns the name of a location that a policy refers to and that is not there yet; "" for none.
func pending(l *policy.Locations) string {
	if l == nil {
		return ""
	}
	for _, id := range slices.Concat(l.IncludeLocations, l.ExcludeLocations) {
		if _, name, ok := parseReference(id); ok {
			return name
		}
	}
	return ""
}

func withCreated(l *policy.Locations, created map[string]string) *policy.Locations {
	if l == nil {
		return nil
	}
	replace := func(ids []string) []string {
		ids = slices.Clone(ids)
		for i, id := range ids {
			if kind, name, ok := parseReference(id); ok && kind == Location && created[name] != "" {
				ids[i] = created[name]
			}
		}
		return ids
	}
	return &policy.Locations{IncludeLocations: replace(l.IncludeLocations), ExcludeLocations: replace(l.ExcludeLocations)}
}

// A planner makes a plan.
type planner struct {
	tenant  Tenant
	options Options
	// places are the named locations of the files under their ids there and their names, with the ids that they have in the
	// tenant, or references for those that are yet to be created.
	places []filedLocation
}

type filedLocation struct{ oldID, name, id string }

// Plan returns what makes the tenant what the documents say: named locations first, then policies, then deletions. The error
// is the directory's; what is wrong with a document refuses its step.
func Plan(documents []Document, tenant Tenant, options Options) ([]Step, error) {
	p := &planner{tenant: tenant, options: options}
	var locations, policies []Step
	for _, d := range documents {
		if d.Kind == Location {
			step, err := p.location(d)
			if err != nil {
				return nil, err
			}
			locations = append(locations, step)
		}
	}
	refuseTwins(locations)
	for _, d := range documents {
		if d.Kind == Policy {
			step, err := p.policy(d)
			if err != nil {
				return nil, err
			}
			policies = append(policies, step)
		}
	}
	refuseTwins(policies)
	steps := slices.Concat(locations, policies)
	if options.Prune {
		steps = append(steps, p.prune(policies, locations)...)
	}
	return steps, nil
}

// match finds the object that a document is about: by its id, or else by its name.
func match(d Document, name string, objects []Object) (id string, problem *Problem) {
	wanted, _ := member(d.tree, "id").(string)
	byName := matching(objects, func(o Object) bool { return o.Name == name })
	if slices.ContainsFunc(objects, func(o Object) bool { return wanted != "" && strings.EqualFold(o.ID, wanted) }) {
		return strings.ToLower(wanted), nil
	}
	if len(byName) > 1 {
		at := d.problem("/displayName", "Rename all but one, or write the id of the one that is meant into the file.", "%d of the tenant have the name %q.", len(byName), name)
		return "", &at
	}
	if len(byName) == 1 {
		return byName[0].ID, nil
	}
	return "", nil
}

func (p *planner) location(d Document) (Step, error) {
	step := Step{Kind: Location, File: d.File(), Notes: d.Notes}
	l, problems := d.location(p.options.Mapping)
	step.Location, step.Name, step.Problems = l, cmp.Or(l.DisplayName, p.options.Mapping.inText(d.Name())), problems
	objects := make([]Object, len(p.tenant.Locations))
	for i, each := range p.tenant.Locations {
		objects[i] = Object{each.ID, each.DisplayName}
	}
	id, problem := match(d, l.DisplayName, objects)
	step.ID, step.Problems = id, append(step.Problems, some(problem)...)
	filed := filedLocation{l.ID, l.DisplayName, cmp.Or(id, Reference(Location, l.DisplayName))}
	if id != "" || len(step.Problems) == 0 { // no policy can rest on what will not be there
		p.places = append(p.places, filed)
	}
	if id != "" && len(step.Problems) == 0 {
		at := slices.IndexFunc(p.tenant.Locations, func(each policy.NamedLocation) bool { return each.ID == id })
		changes, err := compareLocations(p.tenant.Locations[at], l)
		if err != nil {
			return step, err
		}
		step.Changes = changes
		if p.options.OnlyCreate && len(changes) > 0 {
			step.Problems = append(step.Problems, d.problem("", hintExists, "There is another named location %q.", l.DisplayName))
		}
	}
	step.decide()
	return step, nil
}

// decide chooses the action once problems and changes are known.
func (s *Step) decide() {
	sortProblems(s.Problems)
	sortProblems(s.Notes)
	switch {
	case len(s.Problems) > 0:
		s.Action = Refuse
	case s.ID == "":
		s.Action = Create
	case len(s.Changes) > 0:
		s.Action = Update
	default:
		s.Action = Unchanged
	}
}

// Find implements Directory with the tenant's and the files' named locations. What a file says of a location goes before what
// the tenant has.
func (p *planner) Find(kind Kind, key string) ([]Object, error) {
	if kind != Location {
		return p.tenant.Directory.Find(kind, key)
	}
	var filed []Object
	for _, each := range p.places {
		if each.name == key || each.oldID != "" && strings.EqualFold(each.oldID, key) {
			filed = append(filed, Object{each.id, each.name})
		}
	}
	if len(filed) > 0 {
		return filed, nil
	}
	var objects Objects = map[Kind][]Object{}
	for _, each := range p.tenant.Locations {
		objects[Location] = append(objects[Location], Object{each.ID, each.DisplayName})
	}
	return objects.Find(kind, key)
}

func (p *planner) policy(d Document) (Step, error) {
	step := Step{Kind: Policy, File: d.File(), Notes: slices.Clone(d.Notes)}
	after, problems, err := d.policy(p, p.options.Mapping)
	if err != nil {
		return step, err
	}
	step.Name, step.Problems = cmp.Or(after.DisplayName, p.options.Mapping.inText(d.Name())), problems
	objects := make([]Object, len(p.tenant.Policies))
	for i, each := range p.tenant.Policies {
		objects[i] = Object{each.ID, each.DisplayName}
	}
	id, problem := match(d, step.Name, objects)
	step.ID, step.Problems = id, append(step.Problems, some(problem)...)
	if at := slices.IndexFunc(p.tenant.Policies, func(each Definition) bool { return each.ID == id }); id != "" {
		step.Before = p.tenant.Policies[at]
	}
	if len(problems) == 0 {
		after = p.settle(d, &step, after)
		step.Problems = append(step.Problems, d.valid(after)...)
	}
	if id != "" && p.options.OnlyCreate {
		step.Problems = append(step.Problems, d.problem("", hintExists, "The tenant has a policy %q already.", step.Before.DisplayName))
	}
	step.After = after
	if id != "" && len(step.Problems) == 0 {
		if step.Changes, err = Compare(step.Before, after, p); err != nil {
			return step, err
		}
	}
	step.decide()
	return step, nil
}

// settle decides what a file leaves open: its state by the rule, and what it does not say of a policy that is there.
func (p *planner) settle(d Document, step *Step, after Definition) Definition {
	note := func(pointer, remedy, format string, args ...any) {
		step.Notes = append(step.Notes, d.problem(pointer, remedy, format, args...))
	}
	if after.TemplateID == "" {
		after.TemplateID = step.Before.TemplateID
	}
	if after.State == "" {
		after.State = cmp.Or(step.Before.State, policy.ReportOnly)
		note("", "", "The file gives no state: the policy is %s.", after.State)
	}
	switch {
	case p.options.State == AlwaysOff:
		after.State = policy.Disabled
	case p.options.State == NeverOn && after.State == policy.Enabled:
		after.State = policy.ReportOnly
		note("/state", hintState, "The policy is On in the file and becomes report-only.")
	}
	if at := strings.Index(after.DisplayName, "<"); at >= 0 && strings.Contains(after.DisplayName[at:], ">") {
		note("/displayName", "Replace it with --map '<PLACEHOLDER>=TEXT'.", "The name holds a placeholder.")
	}
	return after
}

// refuseTwins refuses documents that are about one object: the order of the files would decide.
func refuseTwins(steps []Step) {
	for i := range steps {
		for j := range steps {
			same := steps[i].ID != "" && steps[i].ID == steps[j].ID || steps[i].ID == "" && steps[j].ID == "" && steps[i].Name == steps[j].Name
			if i != j && same && steps[i].Name != "" {
				steps[i].Action = Refuse
				steps[i].Problems = append(steps[i].Problems, Problem{Place: Place{File: steps[i].File},
					Message: fmt.Sprintf("%s is about the same %s %q.", steps[j].File, steps[i].Kind, steps[i].Name), Remedy: "Keep one of the two."})
				break
			}
		}
	}
}

// prune returns the deletions of what no document is about. A document that is refused protects what it is about too.
func (p *planner) prune(policies, locations []Step) []Step {
	var steps []Step
	for _, each := range p.tenant.Policies {
		if slices.ContainsFunc(policies, func(s Step) bool { return s.ID == each.ID || s.Name == each.DisplayName }) {
			continue
		}
		step := Step{Action: Delete, Kind: Policy, ID: each.ID, Name: each.DisplayName, Before: each}
		if each.State == policy.Enabled && !p.options.PruneEnabled {
			step.Action = Refuse
			step.Problems = []Problem{{Place: Place{File: "(no file)"}, Message: fmt.Sprintf("The policy %q is On and in no file; it is not deleted.", each.DisplayName),
				Remedy: "Give --prune-enabled, or set it off first."}}
		}
		steps = append(steps, step)
	}
	if len(locations) == 0 {
		return steps
	}
	for _, each := range p.tenant.Locations {
		if !slices.ContainsFunc(locations, func(s Step) bool { return s.ID == each.ID || s.Name == each.DisplayName }) {
			steps = append(steps, Step{Action: Delete, Kind: Location, ID: each.ID, Name: each.DisplayName, Location: each})
		}
	}
	return steps
}

// Refused reports whether any step is refused.
func Refused(steps []Step) bool {
	return slices.ContainsFunc(steps, func(s Step) bool { return s.Action == Refuse })
}

package policyfile_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"boundgate/internal/policy"
	"boundgate/internal/policyfile"
	"boundgate/internal/policytemplate"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// A server is a tenant that plans are carried out in: it merges changes as the real one does.
type server struct {
	policies  []map[string]any
	locations []policy.NamedLocation
	objects   policyfile.Objects
}

func newServer() *server { return &server{objects: objects()} }

func (s *server) tenant(t *testing.T) policyfile.Tenant {
	t.Helper()
	tenant := policyfile.Tenant{Locations: s.locations, Directory: s.objects}
	for _, tree := range s.policies {
		data, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		p, err := policyfile.ParsePolicy(data)
		if err != nil {
			t.Fatal(err)
		}
		tenant.Policies = append(tenant.Policies, p)
	}
	return tenant
}

// files writes the tenant as files with names, by their names.
func (s *server) files(t *testing.T) map[string]string {
	t.Helper()
	tenant, out := s.tenant(t), map[string]string{}
	named := policyfile.Objects{}
	for kind, list := range s.objects {
		named[kind] = list
	}
	for _, l := range tenant.Locations {
		named[policyfile.Location] = append(named[policyfile.Location], policyfile.Object{ID: l.ID, Name: l.DisplayName})
		data, err := policyfile.FormatLocation(l, false)
		if err != nil {
			t.Fatal(err)
		}
		out["location "+l.DisplayName] = string(data)
	}
	for _, p := range tenant.Policies {
		data, notes, err := policyfile.Format(p, named)
		if err != nil || len(notes) > 0 {
			t.Fatalf("Format(%s): %v, %v", p.DisplayName, notes, err)
		}
		out["policy "+p.DisplayName] = string(data)
	}
	return out
}

func read(t *testing.T, files map[string]string) []policyfile.Document {
	t.Helper()
	var documents []policyfile.Document
	for _, name := range slices.Sorted(maps.Keys(files)) {
		found, problems := policyfile.Read(name, []byte(files[name]))
		if len(problems) > 0 {
			t.Fatalf("Read(%s): %v", name, problems)
		}
		documents = append(documents, found...)
	}
	return documents
}

func (s *server) plan(t *testing.T, files map[string]string, options policyfile.Options) []policyfile.Step {
	t.Helper()
	steps, err := policyfile.Plan(read(t, files), s.tenant(t), options)
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

// apply carries a plan out and returns how many steps of each action it had.
func (s *server) apply(t *testing.T, files map[string]string, options policyfile.Options) map[policyfile.Action]int {
	t.Helper()
	done, created := map[policyfile.Action]int{}, map[string]string{}
	for _, step := range s.plan(t, files, options) {
		done[step.Action]++
		if step.Action == policyfile.Refuse {
			t.Fatalf("%s is refused: %v", step.Name, step.Problems)
		}
		if step.Action == policyfile.Unchanged {
			continue
		}
		document := []byte("{}")
		if step.Action != policyfile.Delete {
			var err error
			if document, err = step.Document(created); err != nil {
				t.Fatal(err)
			}
		}
		if step.Kind == policyfile.Location {
			s.location(t, step, document, created)
			continue
		}
		var sent map[string]any
		if err := json.Unmarshal(document, &sent); err != nil {
			t.Fatal(err)
		}
		switch step.Action {
		case policyfile.Create:
			sent["id"] = uuid.NewString()
			s.policies = append(s.policies, sent)
		case policyfile.Update:
			merge(s.policies[s.index(step.ID)], sent)
		case policyfile.Delete:
			s.policies = slices.Delete(s.policies, s.index(step.ID), s.index(step.ID)+1)
		case policyfile.Unchanged, policyfile.Refuse:
		}
	}
	return done
}

func (s *server) index(id string) int {
	return slices.IndexFunc(s.policies, func(p map[string]any) bool { return p["id"] == id })
}

func (s *server) location(t *testing.T, step policyfile.Step, document []byte, created map[string]string) {
	t.Helper()
	l, err := policyfile.ParseLocation(document)
	if step.Action != policyfile.Delete && err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(s.locations, func(each policy.NamedLocation) bool { return each.ID == step.ID })
	switch step.Action {
	case policyfile.Create:
		l.ID = uuid.NewString()
		created[l.DisplayName] = l.ID
		s.locations = append(s.locations, l)
	case policyfile.Update:
		l.ID = step.ID
		s.locations[at] = l
	case policyfile.Delete:
		s.locations = slices.Delete(s.locations, at, at+1)
	case policyfile.Unchanged, policyfile.Refuse:
	}
}

func merge(tree, patch map[string]any) {
	for name, value := range patch {
		inner, isObject := value.(map[string]any)
		if present, ok := tree[name].(map[string]any); ok && isObject {
			merge(present, inner)
			continue
		}
		tree[name] = value
	}
}

const (
	headquarters = `{"@odata.type":"#microsoft.graph.ipNamedLocation","displayName":"本社","isTrusted":true,"ipRanges":[{"cidrAddress":"203.0.113.0/24"}]}`
	neighbours   = `{"@odata.type":"#microsoft.graph.countryNamedLocation","displayName":"Neighbours","countriesAndRegions":["DE","FR"]}`
	blockAbroad  = `{"displayName":"社外からは拒否","state":"enabled","conditions":{"applications":{"includeApplications":["All"]},"users":{"includeGroups":["<group:営業部>"],
		"excludeUsers":["<user:mika@contoso.example>"],"excludeRoles":["<role:Global Administrator>"]},"locations":{"includeLocations":["All"],"excludeLocations":["<location:本社>","<location:Neighbours>"]}},
		"grantControls":{"operator":"OR","builtInControls":["block"]}}`
	workloads = `{"displayName":"Nightly jobs","state":"disabled","conditions":{"applications":{"includeApplications":["<application:Office 365 Exchange Online>"]},
		"clientApplications":{"includeServicePrincipals":["<servicePrincipal:Nightly>"]},"users":{"includeUsers":["None"]}},"grantControls":{"operator":"OR","builtInControls":["block"]}}`
)

func whole(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{"a": headquarters, "b": neighbours, "c": blockAbroad, "d": workloads}
	for _, tmpl := range policytemplate.All() {
		p, err := tmpl.Policy(policytemplate.Assignment{IncludeGroups: []string{pilotID}, ExcludeGroups: []string{breakGlassID}})
		if err != nil {
			t.Fatal(err)
		}
		p.Conditions.Applications.IncludeApplications = []string{policy.All}
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		files[tmpl.Key] = string(data)
	}
	return files
}

// What is exported with names makes another tenant the same, and a second time makes no difference.
func TestFilesMoveBetweenTenants(t *testing.T) {
	first := newServer()
	first.apply(t, whole(t), policyfile.Options{State: policyfile.StateAsIs})
	exported := first.files(t)
	second := newServer()
	for kind, list := range second.objects { // other ids, the same names
		if kind == policyfile.Application || kind == policyfile.Role {
			continue // these are the same everywhere
		}
		for i := range list {
			list[i].ID = uuid.NewString()
		}
	}
	if done := second.apply(t, exported, policyfile.Options{}); done[policyfile.Create] != len(exported) {
		t.Errorf("applying to an empty tenant did %v, want %d created", done, len(exported))
	}
	if diff := cmp.Diff(exported, second.files(t)); diff != "" {
		t.Errorf("export, apply, export (-first +second):\n%s", diff)
	}
	if done := second.apply(t, exported, policyfile.Options{Prune: true, PruneEnabled: true}); done[policyfile.Unchanged] != len(exported) || len(done) != 1 {
		t.Errorf("applying again did %v, want %d unchanged", done, len(exported))
	}
}

// Every change of one definition into another is complete: after it nothing differs.
func TestApplyMakesOnePolicyOfAnother(t *testing.T) {
	var variants []string
	for name, text := range whole(t) {
		if name == "a" || name == "b" {
			continue
		}
		var tree map[string]any
		if err := json.Unmarshal([]byte(text), &tree); err != nil {
			t.Fatal(err)
		}
		tree["displayName"] = "変わる方針"
		delete(tree, "templateId")
		data, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		variants = append(variants, string(data))
	}
	variants = append(variants, `{"displayName":"変わる方針","state":"disabled","description":"all of it","conditions":{"applications":{"includeApplications":["All"]},"users":{"includeUsers":["All"]}},
		"sessionControls":{"signInFrequency":{"isEnabled":true,"value":4,"type":"hours","frequencyInterval":"timeBased","authenticationType":"primaryAndSecondaryAuthentication"},"persistentBrowser":{"isEnabled":true,"mode":"never"}}}`)
	slices.Sort(variants)
	for i, from := range variants {
		for j, to := range variants {
			s := newServer()
			s.apply(t, map[string]string{"a": headquarters, "b": neighbours, "p": from}, policyfile.Options{})
			s.apply(t, map[string]string{"p": to}, policyfile.Options{})
			if done := s.apply(t, map[string]string{"p": to}, policyfile.Options{}); done[policyfile.Unchanged] != 1 {
				t.Errorf("variant %d into %d: a second time does %v", i, j, done)
			}
		}
	}
}

func TestWhatAPlanDoes(t *testing.T) {
	same := policyfile.Options{State: policyfile.StateAsIs}
	const other = `{"displayName":"Other","state":"disabled","conditions":{"applications":{"includeApplications":["All"]},"users":{"includeUsers":["All"]}},"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`
	for _, tt := range []struct {
		name    string
		files   map[string]string
		options policyfile.Options
		want    string
	}{
		{"what is there is unchanged", map[string]string{"c": blockAbroad}, same, "unchanged 社外からは拒否"},
		{"members that say nothing are no change", map[string]string{"c": strings.Replace(blockAbroad, `"state"`, `"sessionControls":{"secureSignInSession":{"isEnabled":false}},"description":null,"state"`, 1)}, same, "unchanged 社外からは拒否"},
		{"the order of ids is no change", map[string]string{"c": strings.Replace(blockAbroad, `"<location:本社>","<location:Neighbours>"`, `"<location:Neighbours>","<location:本社>"`, 1)}, same, "unchanged 社外からは拒否"},
		{"a changed member is a change", map[string]string{"c": strings.Replace(blockAbroad, `"block"`, `"mfa"`, 1)}, same,
			`update 社外からは拒否 [- /grantControls/builtInControls: "block" + /grantControls/builtInControls: "mfa"]`},
		{"a change names names", map[string]string{"c": strings.Replace(blockAbroad, `"<group:営業部>"`, `"<group:Pilot>"`, 1)}, same,
			`update 社外からは拒否 [- /conditions/users/includeGroups: "<group:営業部>" + /conditions/users/includeGroups: "<group:Pilot>"]`},
		{"what is in no file stays", map[string]string{"o": other}, same, "create Other"},
		{"import changes nothing that is there", map[string]string{"c": blockAbroad}, policyfile.Options{State: policyfile.NeverOn, OnlyCreate: true}, `refuse 社外からは拒否 (c:1:1 The tenant has a policy "社外からは拒否" already. Change it with "boundgate policy apply", or give the file's another name.)`},
		{"prune deletes what is in no file", map[string]string{"c": blockAbroad}, policyfile.Options{Prune: true}, "unchanged 社外からは拒否, delete Nightly jobs"},
		{"prune leaves a policy that is On", map[string]string{"d": workloads}, policyfile.Options{Prune: true}, `unchanged Nightly jobs, refuse 社外からは拒否 ((no file) The policy "社外からは拒否" is On and in no file; it is not deleted. Give --prune-enabled, or set it off first.)`},
		{"unless that is asked for", map[string]string{"d": workloads}, policyfile.Options{Prune: true, PruneEnabled: true}, "unchanged Nightly jobs, delete 社外からは拒否"},
		{"prune deletes named locations where the files have some", map[string]string{"a": headquarters, "c": blockAbroad, "d": workloads}, policyfile.Options{Prune: true},
			"unchanged 本社, unchanged 社外からは拒否, unchanged Nightly jobs, delete Neighbours"},
		{"a refused file protects its policy from prune", map[string]string{"c": blockAbroad, "d": strings.Replace(workloads, `"users"`, `"moon":"full","users"`, 1)}, policyfile.Options{Prune: true},
			`unchanged 社外からは拒否, refuse Nightly jobs (d:2:91 /conditions/moon "moon" is not supported here. Remove the member, or correct its name.)`},
		{"two files about one policy are refused", map[string]string{"c": blockAbroad, "x": blockAbroad}, same,
			`refuse 社外からは拒否 (c x is about the same policy "社外からは拒否". Keep one of the two.), refuse 社外からは拒否 (x c is about the same policy "社外からは拒否". Keep one of the two.)`},
		{"an unknown group is refused with its place", map[string]string{"o": strings.Replace(other, `"includeUsers":["All"]`, `"includeGroups":["<group:Nobody>"]`, 1)}, same,
			`refuse Other (o:1:130 /conditions/users/includeGroups/0 There is no group named "Nobody" in this tenant. Create it, or name another: --map '<group:Nobody>=NAME'.)`},
		{"a reference of the wrong kind is refused", map[string]string{"o": strings.Replace(other, `"includeUsers":["All"]`, `"includeGroups":["<user:mika@contoso.example>"]`, 1)}, same,
			`refuse Other (o:1:130 /conditions/users/includeGroups/0 <user:mika@contoso.example> is a user, and here stand ids of kind group. Name an object of the kind that belongs here.)`},
		{"a risk cannot be On", map[string]string{"o": strings.NewReplacer("disabled", "enabled", `"users"`, `"signInRiskLevels":["high"],"users"`).Replace(other)}, same, "refuse Other (o:1:122 /conditions/signInRiskLevels"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer()
			s.apply(t, map[string]string{"a": headquarters, "b": neighbours, "c": blockAbroad, "d": workloads}, same)
			if got := described(s.plan(t, tt.files, tt.options)); !strings.HasPrefix(got, tt.want) || !strings.HasSuffix(tt.want, "Levels") && got != tt.want {
				t.Errorf("the plan is\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// described puts a plan in words.
func described(steps []policyfile.Step) string {
	var parts []string
	for _, s := range steps {
		text := string(s.Action) + " " + s.Name
		for _, p := range s.Problems {
			text += " (" + strings.Replace(p.String(), ": ", " ", 1) + ")"
		}
		if s.Action == policyfile.Update {
			var lines []string
			for _, c := range s.Changes {
				lines = append(lines, c.Lines()...)
			}
			text += fmt.Sprint(" ", lines)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func TestNamesThatAreNotAlone(t *testing.T) {
	s := newServer()
	s.objects[policyfile.Group] = append(s.objects[policyfile.Group], policyfile.Object{ID: uuid.NewString(), Name: "Pilot"})
	const p = `{"displayName":"P","state":"disabled","conditions":{"applications":{"includeApplications":["All"]},"users":{"includeGroups":[%q]}},"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`
	steps := s.plan(t, map[string]string{"p": fmt.Sprintf(p, "<group:Pilot>")}, policyfile.Options{})
	if steps[0].Action != policyfile.Refuse || !strings.Contains(steps[0].Problems[0].Message, "2 objects of kind group are named \"Pilot\"") {
		t.Errorf("an ambiguous name: %s", described(steps))
	}
	definition, err := policyfile.ParsePolicy(fmt.Appendf(nil, p, pilotID))
	if err != nil {
		t.Fatal(err)
	}
	data, notes, err := policyfile.Format(definition, s.objects)
	if err != nil || len(notes) != 1 || !strings.Contains(string(data), pilotID) {
		t.Errorf("Format = %s, %v, %v; want the id to stay, with a note", data, notes, err)
	}
}

// A location of the files stands for its id there, whatever id it gets here; so files with ids move too.
func TestALocationsIDMovesWithIt(t *testing.T) {
	const foreign = "99999999-9999-4999-8999-999999999999"
	files := map[string]string{
		"a": strings.Replace(headquarters, `{`, `{"id":"`+foreign+`",`, 1), "b": neighbours,
		"c": strings.Replace(blockAbroad, "<location:本社>", foreign, 1),
	}
	s := newServer()
	s.apply(t, files, policyfile.Options{})
	excluded := s.tenant(t).Policies[0].Conditions.Locations.ExcludeLocations
	at := slices.IndexFunc(s.locations, func(l policy.NamedLocation) bool { return l.DisplayName == "本社" })
	if s.locations[at].ID == foreign || !slices.Contains(excluded, s.locations[at].ID) {
		t.Errorf("the policy excludes %v, want %s", excluded, s.locations[at].ID)
	}
}

// Of a refused document the name counts as it would be here: prune does not delete what the file describes.
func TestARefusedFileWithAPlaceholderInItsName(t *testing.T) {
	s := newServer()
	renamed := strings.Replace(workloads, "Nightly jobs", "<RING> jobs", 1)
	options := policyfile.Options{Mapping: policyfile.Mapping{"<RING>": "Nightly"}, Prune: true}
	s.apply(t, map[string]string{"d": renamed}, options)
	steps := s.plan(t, map[string]string{"d": strings.Replace(renamed, `"users"`, `"moon":"full","users"`, 1)}, options)
	if len(steps) != 1 || steps[0].Action != policyfile.Refuse || steps[0].Name != "Nightly jobs" {
		t.Errorf("the plan is %s", described(steps))
	}
}

// The state of an imported policy is never On by surprise.
func TestStatesOfImportedPolicies(t *testing.T) { // S47
	for _, tt := range []struct {
		state string
		rule  policyfile.StateRule
		want  policy.State
		note  bool
	}{
		{`"enabled"`, policyfile.NeverOn, policy.ReportOnly, true},
		{`"disabled"`, policyfile.NeverOn, policy.Disabled, false},
		{`"enabled"`, policyfile.AlwaysOff, policy.Disabled, false},
		{`"enabled"`, policyfile.StateAsIs, policy.Enabled, false},
		{`null`, policyfile.StateAsIs, policy.ReportOnly, true},
	} {
		steps := newServer().plan(t, map[string]string{"p": strings.Replace(workloads, `"disabled"`, tt.state, 1)}, policyfile.Options{State: tt.rule})
		if steps[0].Action != policyfile.Create || steps[0].After.State != tt.want || (len(steps[0].Notes) > 0) != tt.note || steps[0].TurnsOn() != (tt.want == policy.Enabled) {
			t.Errorf("%s with %s: %s %s, notes %v", tt.state, tt.rule, steps[0].Action, steps[0].After.State, steps[0].Notes)
		}
	}
}

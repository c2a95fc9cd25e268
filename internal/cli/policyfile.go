package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"boundgate/internal/policy"
	"boundgate/internal/policyfile"

	"github.com/spf13/cobra"
)

const (
	locationsPath  = "/identity/conditionalAccess/namedLocations"
	maxPolicyFiles = 2000
)

// readDocuments reads the documents of files and directories; "-" is standard input. What cannot be read is a problem, and
// the others are read all the same.
func (a *app) readDocuments(names []string) ([]policyfile.Document, []policyfile.Problem, error) {
	files, err := policyFiles(names)
	if err != nil {
		return nil, nil, err
	}
	var documents []policyfile.Document
	var problems []policyfile.Problem
	for _, file := range files {
		data, err := a.readInput(file, "policy", policyfile.MaxSize)
		if err != nil {
			return nil, nil, err
		}
		name := file
		if file == "-" {
			name = "standard input"
		}
		found, wrong := policyfile.Read(name, data)
		documents, problems = append(documents, found...), append(problems, wrong...)
	}
	return documents, problems, nil
}

// policyFiles returns the files that are meant: of a directory, whatever ends in .json in it and below, hidden ones aside.
func policyFiles(names []string) ([]string, error) {
	var files []string
	for _, name := range names {
		info, err := os.Stat(name)
		if name == "-" || err == nil && !info.IsDir() {
			files = append(files, name)
			continue
		}
		if err != nil {
			return nil, failure("name a file or a directory with policies, or - for standard input", "cannot read the policies: %v", err)
		}
		before := len(files)
		err = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
			switch hidden := path != name && strings.HasPrefix(d.Name(), "."); {
			case err != nil:
				return err
			case hidden && d.IsDir():
				return fs.SkipDir
			case !hidden && d.Type().IsRegular() && strings.EqualFold(filepath.Ext(path), ".json"):
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			return nil, failure("", "cannot read the policies: %v", err)
		}
		if len(files) == before {
			return nil, failure("name a directory with files that end in .json", "%s has no policy files", name)
		}
	}
	if len(files) > maxPolicyFiles {
		return nil, failure("name fewer at a time", "%d files are more than %d", len(files), maxPolicyFiles)
	}
	return files, nil
}

// mappings are the flags that say what the placeholders of foreign files stand for.
type mappings struct {
	pairs []string
	file  string
}

func (m *mappings) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&m.pairs, "map", nil, "what a placeholder, id or reference of the files stands for here: '<ExclusionTempGroup>=Break glass' (repeatable)")
	cmd.Flags().StringVar(&m.file, "map-file", "", "JSON file with an object of such pairs")
}

func (m *mappings) read(a *app, cmd *cobra.Command) (policyfile.Mapping, error) {
	mapping := policyfile.Mapping{}
	if m.file != "" {
		data, err := a.readInput(m.file, "map", maxPolicyFile)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, &mapping); err != nil {
			return nil, failure(`write it like {"<ExclusionTempGroup>": "Break glass"}`, "%s is no JSON object of texts: %v", m.file, err)
		}
	}
	for _, pair := range m.pairs {
		from, to, err := policyfile.ParseMapping(pair)
		if err != nil {
			return nil, Usage(cmd, "--map: %v", err)
		}
		mapping[from] = to
	}
	for from, to := range mapping {
		if from == "" || to == "" {
			return nil, Usage(cmd, "the map says nothing of %q", from+to)
		}
	}
	return mapping, nil
}

// A lookup finds the objects of the tenant over the API. Lists are fetched once, when they are first needed; users are asked
// for one by one, as there may be many.
type lookup struct {
	ctx    context.Context // of the one command that it serves: the interface is a pure package's
	client *client
	lists  policyfile.Objects
}

// Find implements policyfile.Directory.
func (l *lookup) Find(kind policyfile.Kind, key string) ([]policyfile.Object, error) {
	if kind == policyfile.User {
		return l.user(key)
	}
	if _, fetched := l.lists[kind]; !fetched {
		objects, err := l.fetch(kind)
		if err != nil {
			return nil, err
		}
		l.lists[kind] = objects
	}
	return l.lists.Find(kind, key)
}

func (l *lookup) fetch(kind policyfile.Kind) ([]policyfile.Object, error) {
	var objects []policyfile.Object
	switch kind {
	case policyfile.Application, policyfile.ServicePrincipal:
		found, err := list[resource](l.ctx, l.client, "/servicePrincipals")
		for _, r := range found {
			id := r.ID
			if kind == policyfile.Application {
				id = r.AppID
			}
			objects = append(objects, policyfile.Object{ID: id, Name: r.DisplayName})
		}
		return objects, err
	case policyfile.Group, policyfile.Role:
		collection := "/groups"
		if kind == policyfile.Role {
			collection = "/directoryRoles"
		}
		found, err := list[object](l.ctx, l.client, collection)
		for _, o := range found {
			objects = append(objects, policyfile.Object{ID: o.ID, Name: o.DisplayName})
		}
		return objects, err
	case policyfile.User, policyfile.Location, policyfile.Policy:
	}
	return nil, nil
}

func (l *lookup) user(key string) ([]policyfile.Object, error) {
	if known, _ := l.lists.Find(policyfile.User, key); len(known) > 0 { // it returns no error
		return known, nil
	}
	var u user
	if err := l.client.get(l.ctx, path("users", key), &u); isStatus(err, http.StatusNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	found := policyfile.Object{ID: u.ID, Name: u.UPN}
	l.lists[policyfile.User] = append(l.lists[policyfile.User], found)
	return []policyfile.Object{found}, nil
}

func isStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.status == status
}

// tenantPolicies reads what the tenant has now.
func tenantPolicies(ctx context.Context, c *client) (policyfile.Tenant, error) {
	t := policyfile.Tenant{Directory: &lookup{ctx: ctx, client: c, lists: policyfile.Objects{}}}
	policies, err := list[json.RawMessage](ctx, c, policiesPath)
	if err != nil {
		return t, err
	}
	for _, each := range policies {
		p, err := policyfile.ParsePolicy(each)
		if err != nil {
			return t, failure("use the program of the server's version", "a policy of the server cannot be read: %v", err)
		}
		t.Policies = append(t.Policies, p)
	}
	locations, err := list[json.RawMessage](ctx, c, locationsPath)
	if err != nil {
		return t, err
	}
	for _, each := range locations {
		l, err := policyfile.ParseLocation(each)
		if err != nil {
			return t, failure("use the program of the server's version", "a named location of the server cannot be read: %v", err)
		}
		t.Locations = append(t.Locations, l)
	}
	return t, nil
}

// withLocations is the tenant's directory with its named locations.
type withLocations struct {
	policyfile.Directory
	locations policyfile.Objects
}

func directoryOf(t policyfile.Tenant) withLocations {
	d := withLocations{t.Directory, policyfile.Objects{}}
	for _, l := range t.Locations {
		d.locations[policyfile.Location] = append(d.locations[policyfile.Location], policyfile.Object{ID: l.ID, Name: l.DisplayName})
	}
	return d
}

// Find implements policyfile.Directory.
func (d withLocations) Find(kind policyfile.Kind, key string) ([]policyfile.Object, error) {
	if kind == policyfile.Location {
		return d.locations.Find(kind, key)
	}
	return d.Directory.Find(kind, key)
}

func (a *app) policyExport() *cobra.Command {
	var dir string
	var names bool
	cmd := &cobra.Command{
		Use: "export [POLICY...]", Short: "Write policies and named locations as files", Args: cobra.ArbitraryArgs,
		Long: "Writes a file of Graph JSON for each policy and named location, the same bytes for the same policy. Without -o it prints one\n" +
			"JSON list. With --names objects are written by name, like \"<group:Pilot>\", so that the files fit other tenants.",
		Example: "  boundgate policy export --names -o policies/\n  boundgate policy export 'TP01 - pilot'",
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, args []string) error {
		t, err := tenantPolicies(ctx, c)
		if err != nil {
			return err
		}
		if t, err = chosen(t, args); err != nil {
			return err
		}
		files, err := a.exported(t, names)
		if err != nil {
			return err
		}
		if dir == "" {
			value := make([]json.RawMessage, len(files))
			for i, f := range files {
				value[i] = f.data
			}
			return writeJSON(a.Out, map[string]any{"value": value})
		}
		return a.writeFiles(dir, files)
	})
	cmd.Flags().StringVarP(&dir, "output", "o", "", "directory to write to (default: one list to standard output)")
	cmd.Flags().BoolVar(&names, "names", false, "write names in place of ids, for other tenants")
	return cmd
}

// chosen leaves the policies that are named, by id or name, and the locations that they name; all, where none is named.
func chosen(t policyfile.Tenant, keys []string) (policyfile.Tenant, error) {
	if len(keys) == 0 {
		return t, nil
	}
	var policies []policyfile.Definition
	named := map[string]bool{}
	for _, key := range keys {
		var found []policyfile.Definition
		for _, p := range t.Policies {
			if strings.EqualFold(p.ID, key) || p.DisplayName == key {
				found = append(found, p)
			}
		}
		switch len(found) {
		case 0:
			return t, failure("run \"boundgate policy list\"", "there is no policy %q", key)
		case 1:
			policies = append(policies, found[0])
		default:
			return t, failure("name it by its id", "%d policies are named %q", len(found), key)
		}
		if l := found[0].Conditions.Locations; l != nil {
			for _, id := range slices.Concat(l.IncludeLocations, l.ExcludeLocations) {
				named[id] = true
			}
		}
	}
	t.Policies = policies
	t.Locations = slices.DeleteFunc(slices.Clone(t.Locations), func(l policy.NamedLocation) bool { return !named[l.ID] })
	return t, nil
}

// An exportedFile is a document on its way to a directory.
type exportedFile struct {
	path, name string // path below the directory; name of the object
	data       []byte
}

func (a *app) exported(t policyfile.Tenant, names bool) ([]exportedFile, error) {
	var objects []policyfile.Object
	for _, l := range t.Locations {
		objects = append(objects, policyfile.Object{ID: l.ID, Name: l.DisplayName})
	}
	var files []exportedFile
	for i, file := range policyfile.FileNames(objects) {
		data, err := policyfile.FormatLocation(t.Locations[i], !names)
		if err != nil {
			return nil, err
		}
		files = append(files, exportedFile{filepath.Join("namedLocations", file), objects[i].Name, data})
	}
	objects = nil
	for _, p := range t.Policies {
		objects = append(objects, policyfile.Object{ID: p.ID, Name: p.DisplayName})
	}
	var directory policyfile.Directory
	if names {
		directory = directoryOf(t)
	}
	for i, file := range policyfile.FileNames(objects) {
		data, notes, err := policyfile.Format(t.Policies[i], directory)
		if err != nil {
			return nil, err
		}
		for _, note := range notes {
			fmt.Fprintln(a.Err, "note:", visible(objects[i].Name+" "+note))
		}
		files = append(files, exportedFile{filepath.Join("policies", file), objects[i].Name, data})
	}
	return files, nil
}

func (a *app) writeFiles(dir string, files []exportedFile) error {
	t := table{header: []string{"NAME", "FILE"}}
	written := []map[string]string{}
	for _, f := range files {
		path := filepath.Join(dir, f.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return failure("name a directory that can be written to", "cannot write the policies: %v", err)
		}
		if err := os.WriteFile(path, f.data, 0o644); err != nil {
			return failure("name a directory that can be written to", "cannot write the policies: %v", err)
		}
		t.add(f.name, path)
		written = append(written, map[string]string{"displayName": f.name, "file": path})
	}
	return a.show(written, t)
}

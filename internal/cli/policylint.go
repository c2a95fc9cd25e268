package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"boundgate/internal/policy"
	"boundgate/internal/policylint"

	"github.com/spf13/cobra"
)

// maxLintFile bounds a file of policies, in bytes.
const maxLintFile = 16 << 20

// A finding is what the linter says of a policy, here or on the server.
type finding struct {
	ID       string              `json:"id"`
	Rule     string              `json:"rule,omitempty"`
	Severity policylint.Severity `json:"severity"`
	Message  string              `json:"message"`
	Remedy   string              `json:"remedy"`
	Target   string              `json:"target,omitempty"`
	Template string              `json:"template,omitempty"`
	Blocks   bool                `json:"blocks,omitempty"`
	Mended   json.RawMessage     `json:"mended,omitempty"`
}

// mendable reports whether the finding comes with a mended policy.
func (f finding) mendable() bool { return len(f.Mended) > 0 && string(f.Mended) != "null" }

// A linted is one policy, or one file that cannot be read, with what there is to say.
type linted struct {
	File     string    `json:"file,omitempty"`
	Policy   string    `json:"policy,omitempty"`
	ID       string    `json:"id,omitempty"`
	Error    string    `json:"error,omitempty"` // why it could not be linted
	Findings []finding `json:"findings"`
}

// bad reports whether the policy has an error, or could not be linted.
func (l linted) bad() bool {
	return l.Error != "" || slices.ContainsFunc(l.Findings, func(f finding) bool { return f.Severity == policylint.Error })
}

// A lintRun is one run of the command.
type lintRun struct {
	*app
	offline, fix, write bool
	client              *client         // nil offline
	known               map[string]bool // ids of the tenant's policies
}

func (a *app) policyLint() *cobra.Command {
	r := &lintRun{app: a}
	cmd := &cobra.Command{
		Use: "lint [FILE...]", Short: "Look for mistakes in the policies of the tenant, or in files",
		Long: "Look for mistakes in the policies of the tenant, or in files: each a policy, an array of policies, or a list as Graph returns it.\n" +
			"Files are judged as policies of the tenant that you are signed in to, or with --offline by themselves.\n" +
			"Exits with 1 where a policy has an error, or a file cannot be read.",
		Example: "  boundgate policy lint\n  boundgate policy lint --offline policies/*.json\n  boundgate policy lint --fix -w tp01.json",
	}
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		switch {
		case len(files) == 0 && (r.offline || r.write):
			return Usage(cmd, "name the files to lint")
		case r.write && !r.fix:
			return Usage(cmd, "--write goes with --fix")
		case r.write && slices.Contains(files, "-"):
			return Usage(cmd, "standard input cannot be written: leave --write out")
		case r.fix && !r.write && a.json:
			return Usage(cmd, "--fix prints policies, and --json findings: choose one, or --write")
		case r.offline:
			return r.files(cmd.Context(), files)
		}
		return a.run(func(ctx context.Context, c *client, files []string) error {
			r.client = c
			if len(files) == 0 {
				return r.tenant(ctx)
			}
			return r.files(ctx, files)
		})(cmd, files)
	}
	cmd.Flags().BoolVar(&r.offline, "offline", false, "judge files by themselves, without a server")
	cmd.Flags().BoolVar(&r.fix, "fix", false, "print the policies as they would be when everything is mended that a machine can mend")
	cmd.Flags().BoolVarP(&r.write, "write", "w", false, "with --fix: write the mended policies into their files")
	return cmd
}

// tenant lints every policy of the tenant.
func (r *lintRun) tenant(ctx context.Context) error {
	policies, err := list[json.RawMessage](ctx, r.client, policiesPath)
	if err != nil {
		return err
	}
	var results []linted
	for i, raw := range policies {
		l := head("", raw)
		var answer struct{ Value []finding }
		if err := r.client.get(ctx, path("boundgate", "policies", l.ID, "lint"), &answer); err != nil {
			return err
		}
		l.Findings = answer.Value
		if r.fix {
			if policies[i], l, err = r.mend(ctx, raw, l); err != nil {
				return err
			}
		}
		results = append(results, l)
	}
	if r.fix {
		if err := writeJSON(r.Out, policies); err != nil {
			return err
		}
	}
	return r.report(results)
}

// files lints what files hold; one that cannot be read does not keep the others from it.
func (r *lintRun) files(ctx context.Context, names []string) error {
	if err := r.knowPolicies(ctx); err != nil {
		return err
	}
	var results []linted
	for _, name := range names {
		file, err := r.open(name)
		if err != nil {
			results = append(results, linted{File: name, Error: err.Error(), Findings: []finding{}})
			continue
		}
		changed := false
		for i, raw := range file.policies {
			l, err := r.one(ctx, name, raw)
			if err == nil && r.fix && l.Error == "" {
				file.policies[i], l, err = r.mend(ctx, raw, l)
				changed = changed || !bytes.Equal(file.policies[i], raw)
			}
			if err != nil {
				return err
			}
			results = append(results, l)
		}
		if r.fix {
			if err := r.put(file, changed); err != nil {
				return err
			}
		}
	}
	return r.report(results)
}

// knowPolicies reads which policies the tenant has: a file with the id of one of them is judged as its next version.
func (r *lintRun) knowPolicies(ctx context.Context) error {
	if r.client == nil {
		return nil
	}
	present, err := list[object](ctx, r.client, policiesPath)
	r.known = map[string]bool{}
	for _, p := range present {
		r.known[strings.ToLower(p.ID)] = true
	}
	return err
}

// head names a policy.
func head(file string, raw json.RawMessage) linted {
	var p struct {
		ID          any `json:"id"`
		DisplayName any `json:"displayName"`
	}
	l := linted{File: file, Findings: []finding{}}
	if json.Unmarshal(raw, &p) == nil {
		l.Policy, _ = p.DisplayName.(string)
		l.ID, _ = p.ID.(string)
	}
	return l
}

// one lints one policy of a file. An error means that there is no use in going on.
func (r *lintRun) one(ctx context.Context, file string, raw json.RawMessage) (linted, error) {
	l := head(file, raw)
	p, err := policy.Decode(raw)
	var invalid *policy.InvalidError
	switch {
	case errors.As(err, &invalid):
		for _, problem := range invalid.Problems {
			l.Findings = append(l.Findings, finding{ID: "notValid", Severity: policylint.Error, Message: problem.Reason, Remedy: problem.Remedy, Target: problem.Pointer})
		}
		return l, nil
	case err != nil:
		return l, err
	case r.client == nil:
		l.Findings, err = lintHere(p)
		return l, err
	}
	body := map[string]any{"policy": raw}
	if r.known[strings.ToLower(l.ID)] {
		body["id"] = l.ID
	}
	var answer struct{ Value []finding }
	err = r.client.graph(ctx, http.MethodPost, "/boundgate/policies/lint", body, &answer)
	var refused *Error
	if errors.As(err, &refused) {
		l.Error = refused.Message
		return l, nil
	}
	l.Findings = answer.Value
	return l, err
}

// lintHere lints a policy by itself.
func lintHere(p policy.Policy) ([]finding, error) {
	list := []finding{}
	for _, f := range policylint.Lint(p, policylint.Circumstances{}) {
		made := finding{ID: f.ID, Rule: f.Rule, Severity: f.Severity, Message: f.Message, Remedy: f.Remedy, Target: f.Pointer, Template: f.Template, Blocks: f.Blocks}
		if f.Mended != nil {
			var err error
			if made.Mended, err = document(*f.Mended); err != nil {
				return nil, err
			}
		}
		list = append(list, made)
	}
	return list, nil
}

// document writes a policy as files have it: the reason of an override as clients give it.
func document(p policy.Policy) (json.RawMessage, error) {
	reason := ""
	if p.Override != nil {
		reason, p.Override = p.Override.Reason, nil
	}
	var out bytes.Buffer
	err := writeJSON(&out, struct {
		policy.Policy
		Reason string `json:"@boundgate.overrideReason,omitempty"`
	}{p, reason})
	if err != nil {
		return nil, fmt.Errorf("encode policy: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// maxMends bounds how often a policy is mended: there are not as many rules.
const maxMends = 100

// mend applies what a machine can mend, one finding after the other, and returns the policy with what is left to say. A policy
// of which nothing can be mended stays as it is written.
func (r *lintRun) mend(ctx context.Context, raw json.RawMessage, l linted) (json.RawMessage, linted, error) {
	for range maxMends {
		at := slices.IndexFunc(l.Findings, finding.mendable)
		if at < 0 {
			break
		}
		p, err := policy.Decode(l.Findings[at].Mended)
		if err != nil {
			return raw, l, fmt.Errorf("read the mended policy: %w", err)
		}
		if raw, err = document(p); err != nil {
			return raw, l, err
		}
		if l, err = r.one(ctx, l.File, raw); err != nil {
			return raw, l, err
		}
	}
	return raw, l, nil
}

// A policyFile is a document with one or more policies.
type policyFile struct {
	name     string
	policies []json.RawMessage
	list     map[string]json.RawMessage // Graph's list around them; nil for none
	single   bool
}

// open reads a file of policies.
func (r *lintRun) open(name string) (policyFile, error) {
	data, err := r.readInput(name, "policies", maxLintFile)
	if err != nil {
		return policyFile{}, err
	}
	return readPolicies(name, data)
}

// readPolicies reads a document with policies. An error says where it is not one.
func readPolicies(name string, data []byte) (policyFile, error) {
	file := policyFile{name: name}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return file, notJSON(data, err)
	}
	if json.Unmarshal(whole, &file.policies) == nil && file.policies != nil {
		return file, nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(whole, &members) != nil || members == nil {
		return file, failure("", "line 1, column 1: neither a policy nor a list of policies")
	}
	if value, isList := members["value"]; isList && members["conditions"] == nil {
		file.list = members
		if json.Unmarshal(value, &file.policies) != nil {
			return file, failure("", "/value is no list of policies")
		}
		return file, nil
	}
	file.policies, file.single = []json.RawMessage{whole}, true
	return file, nil
}

// notJSON says where a document is not JSON.
func notJSON(data []byte, err error) error {
	at := int64(len(data))
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Offset > 0 && syntax.Offset <= at {
		at = syntax.Offset - 1
		if strings.Contains(err.Error(), "unexpected end") {
			at = syntax.Offset
		}
	}
	before := data[:at]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := 1 + len([]rune(string(before[bytes.LastIndexByte(before, '\n')+1:])))
	return failure("", "line %d, column %d: not JSON: %v", line, column, err)
}

// document returns the file's policies in the form that they came in.
func (file policyFile) document() (any, error) {
	switch {
	case file.single:
		return file.policies[0], nil
	case file.list == nil:
		return file.policies, nil
	}
	value, err := json.Marshal(file.policies)
	if err != nil {
		return nil, fmt.Errorf("encode policies: %w", err)
	}
	list := maps.Clone(file.list)
	list["value"] = value
	return list, nil
}

// put prints a mended file, or writes it in place where it has changed.
func (r *lintRun) put(file policyFile, changed bool) error {
	document, err := file.document()
	if err != nil {
		return err
	}
	if !r.write {
		return writeJSON(r.Out, document)
	}
	if !changed {
		return nil
	}
	var out bytes.Buffer
	if err := writeJSON(&out, document); err != nil {
		return err
	}
	return replaceFile(file.name, out.Bytes())
}

// replaceFile puts a file in the place of another at once: nobody is left with half a policy.
func replaceFile(name string, data []byte) error {
	cannot := func(err error) error {
		return failure("check that the file can be written", "cannot write %s: %v", name, err)
	}
	info, err := os.Stat(name)
	if err != nil {
		return cannot(err)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".policy-*")
	if err != nil {
		return cannot(err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return cannot(errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// report prints what was found, and fails where there is an error among it.
func (r *lintRun) report(results []linted) error {
	out := r.Out
	if r.fix && !r.write {
		out = r.Err // the policies are on standard output
	}
	if r.json {
		if results == nil {
			results = []linted{}
		}
		if err := writeJSON(out, results); err != nil {
			return err
		}
	}
	bad := 0
	for i, l := range results {
		if l.bad() {
			bad++
		}
		if r.json {
			continue
		}
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprint(out, l.text(styleFor(out, r.noColour)))
	}
	if bad > 0 {
		return failure("mend the errors, or let --fix mend what a machine can mend", "%d of %d have errors", bad, len(results))
	}
	return nil
}

// text is a policy and its findings for people.
func (l linted) text(s style) string {
	var b strings.Builder
	title := l.Policy
	switch {
	case title == "" && l.File == "":
		title = l.ID
	case title == "":
		title = l.File
	case l.File != "":
		title += " (" + l.File + ")"
	}
	fmt.Fprintln(&b, s.bold(visible(title)))
	if l.Error != "" {
		fmt.Fprintln(&b, " ", s.red("error"), "  ", visible(l.Error))
	}
	for _, f := range l.Findings {
		severity := fmt.Sprintf("%-7s", visible(string(f.Severity)))
		if f.Severity == policylint.Error {
			severity = s.red(severity)
		}
		fmt.Fprintln(&b, " ", severity, visible(strings.TrimSpace(f.Rule+" "+f.ID)), s.dim(visible(f.Target)))
		fmt.Fprintln(&b, "         ", visible(f.Message))
		fmt.Fprintln(&b, "         ", s.dim("remedy:"), visible(f.Remedy))
	}
	if l.Error == "" && len(l.Findings) == 0 {
		fmt.Fprintln(&b, "  nothing to say")
	}
	return b.String()
}

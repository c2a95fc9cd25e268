package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"boundgate/internal/policy"
	"boundgate/internal/policyfile"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// exitTrouble is the exit code of a comparison that could not be made, as diff has it.
const exitTrouble = 2

// An outcome is what became of a step.
type outcome struct {
	policyfile.Step
	result string
	err    error
}

// The words for outcomes. What is planned has the words of the plan's actions.
const (
	resultCreated    = "created"
	resultUpdated    = "updated"
	resultDeleted    = "deleted"
	resultUnchanged  = "unchanged"
	resultRefused    = "refused"
	resultFailed     = "failed"
	resultNotWritten = "not written"
)

// plan reads files and compares them with the tenant. Files that cannot be read are refused steps of their own.
func (a *app) plan(ctx context.Context, c *client, cmd *cobra.Command, names []string, m *mappings, options policyfile.Options) ([]policyfile.Step, policyfile.Tenant, error) {
	var err error
	none := policyfile.Tenant{}
	if options.Mapping, err = m.read(a, cmd); err != nil {
		return nil, none, err
	}
	documents, unreadable, err := a.readDocuments(names)
	if err != nil {
		return nil, none, err
	}
	pruned := options.Prune
	if len(unreadable) > 0 {
		options.Prune = false // what such a file describes would be deleted
	}
	tenant, err := tenantPolicies(ctx, c)
	if err != nil {
		return nil, none, err
	}
	steps, err := policyfile.Plan(documents, tenant, options)
	if err != nil {
		return nil, none, err
	}
	for _, p := range unreadable {
		if pruned {
			p.Remedy = strings.TrimSpace(p.Remedy + " Nothing is pruned while a file cannot be read.")
		}
		steps = append(steps, policyfile.Step{Action: policyfile.Refuse, Kind: policyfile.Policy, File: p.File, Problems: []policyfile.Problem{p}})
	}
	a.explain(steps)
	return steps, tenant, nil
}

// explain prints what is wrong with the files and what else there is to know of them.
func (a *app) explain(steps []policyfile.Step) {
	style := styleFor(a.Err, a.noColour)
	for _, s := range steps {
		for _, p := range s.Problems {
			fmt.Fprintln(a.Err, style.red("refused:"), visible(p.String()))
		}
		for _, n := range s.Notes {
			fmt.Fprintln(a.Err, style.dim("note:"), visible(n.String()))
		}
	}
}

func (a *app) policyImport() *cobra.Command {
	var m mappings
	var state string
	var partial bool
	cmd := &cobra.Command{
		Use: "import FILE|DIR...", Short: "Create the policies and named locations of files", Args: arguments("FILE|DIR..."),
		Long: "Creates what the files describe: policies, arrays of policies, and lists as Graph returns them. All files are checked before\n" +
			"anything is written. A policy that is On in its file becomes report-only, unless --state keep is given.",
		Example: "  boundgate policy import --map '<ExclusionTempGroup>=Break glass' repository/\n  boundgate policy import --state keep tp01.json",
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, args []string) error {
		rule := policyfile.StateRule(strings.ToLower(state))
		if !slices.Contains([]policyfile.StateRule{policyfile.NeverOn, policyfile.AlwaysOff, policyfile.StateAsIs}, rule) {
			return Usage(cmd, "--state is report-only, off or keep, not %q", state)
		}
		steps, _, err := a.plan(ctx, c, cmd, args, &m, policyfile.Options{State: rule, OnlyCreate: true})
		if err != nil {
			return err
		}
		return a.carryOut(ctx, c, steps, partial)
	})
	m.flags(cmd)
	cmd.Flags().StringVar(&state, "state", string(policyfile.NeverOn), "state of the new policies: report-only (never On), off, or keep (as in the file)")
	cmd.Flags().BoolVar(&partial, "partial", false, "write what is right, even where other documents are refused")
	return cmd
}

func (a *app) policyDiff() *cobra.Command {
	var m mappings
	var prune, pruneEnabled bool
	cmd := &cobra.Command{
		Use: "diff FILE|DIR...", Short: "Show what \"policy apply\" would change", Args: arguments("FILE|DIR..."),
		Long:    "Shows what \"policy apply\" would change. The exit code is 0 where nothing would, 1 where something would, and 2 where the\ncomparison cannot be made.",
		Example: "  boundgate policy diff policies/\n  boundgate policy diff --prune policies/",
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, args []string) error {
		steps, tenant, err := a.plan(ctx, c, cmd, args, &m, policyfile.Options{State: policyfile.StateAsIs, Prune: prune, PruneEnabled: pruneEnabled})
		if err != nil {
			return err
		}
		if err := a.showPlan(steps, tenant); err != nil {
			return err
		}
		if policyfile.Refused(steps) {
			return refusedError(steps, "nothing can be applied")
		}
		if slices.ContainsFunc(steps, func(s policyfile.Step) bool { return s.Action != policyfile.Unchanged }) {
			return &differsError{}
		}
		return nil
	})
	compare := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return trouble(compare(cmd, args)) }
	m.flags(cmd)
	pruneFlags(cmd, &prune, &pruneEnabled)
	return cmd
}

// trouble gives an error the exit code that diff has for trouble.
func trouble(err error) error {
	var differs *differsError
	var e *Error
	switch {
	case err == nil, errors.As(err, &differs):
		return err
	case !errors.As(err, &e):
		e = &Error{Message: err.Error()}
	}
	e.code = exitTrouble
	return e
}

func pruneFlags(cmd *cobra.Command, prune, pruneEnabled *bool) {
	cmd.Flags().BoolVar(prune, "prune", false, "delete what no file describes: policies, and named locations if the files have any")
	cmd.Flags().BoolVar(pruneEnabled, "prune-enabled", false, "let --prune delete policies that are On")
}

func (a *app) policyApply() *cobra.Command {
	var m mappings
	var prune, pruneEnabled, dryRun, yes, partial bool
	cmd := &cobra.Command{
		Use: "apply FILE|DIR...", Short: "Make the tenant's policies what files say", Args: arguments("FILE|DIR..."),
		Long: "Creates and changes policies and named locations so that they are what the files say; a second run changes nothing. A document\n" +
			"is about the object with its id, or else with its name. All files are checked before anything is written. Deleting, and setting\n" +
			"a policy On, is asked about first, unless --yes is given.",
		Example: "  boundgate policy apply --dry-run policies/\n  boundgate policy apply --prune --yes policies/",
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, args []string) error {
		steps, tenant, err := a.plan(ctx, c, cmd, args, &m, policyfile.Options{State: policyfile.StateAsIs, Prune: prune, PruneEnabled: pruneEnabled})
		if err != nil {
			return err
		}
		if dryRun {
			if err := a.showPlan(steps, tenant); err != nil {
				return err
			}
			return refusedError(steps, "nothing can be applied")
		}
		if policyfile.Refused(steps) && !partial {
			return a.carryOut(ctx, c, steps, false)
		}
		if err := a.confirm(steps, yes); err != nil {
			return err
		}
		return a.carryOut(ctx, c, steps, partial)
	})
	m.flags(cmd)
	pruneFlags(cmd, &prune, &pruneEnabled)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show what would change")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&partial, "partial", false, "write what is right, even where other documents are refused")
	return cmd
}

// confirm asks before something is deleted or set On.
func (a *app) confirm(steps []policyfile.Step, yes bool) error {
	var grave []string
	for _, s := range steps {
		switch {
		case s.Action == policyfile.Delete:
			grave = append(grave, fmt.Sprintf("delete the %s %q", kindWord(s.Kind), s.Name))
		case s.TurnsOn():
			grave = append(grave, fmt.Sprintf("set the policy %q On", s.Name))
		}
	}
	if len(grave) == 0 || yes {
		return nil
	}
	f, ok := a.In.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return failure("give --yes if that is meant; see it first with --dry-run", "this would %s, and there is no terminal to ask; nothing was written", strings.Join(grave, ", "))
	}
	fmt.Fprintf(a.Err, "This will %s. Go on? [y/N] ", visible(strings.Join(grave, ", ")))
	const maxAnswer = 100
	answer, err := bufio.NewReader(io.LimitReader(f, maxAnswer)).ReadString('\n')
	if err != nil || !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))) {
		return failure("", "nothing was written")
	}
	return nil
}

func kindWord(k policyfile.Kind) string {
	if k == policyfile.Location {
		return "named location"
	}
	return "policy"
}

// carryOut does the steps in their order and says of each what became of it. A refused document stops everything before it
// begins, and a failure stops what comes after it, unless partial.
func (a *app) carryOut(ctx context.Context, c *client, steps []policyfile.Step, partial bool) error {
	outcomes := make([]outcome, len(steps))
	stopped := policyfile.Refused(steps) && !partial
	created := map[string]string{}
	failed := 0
	for i, s := range steps {
		outcomes[i] = outcome{Step: s, result: resultNotWritten}
		switch {
		case s.Action == policyfile.Refuse:
			outcomes[i].result = resultRefused
		case s.Action == policyfile.Unchanged:
			outcomes[i].result = resultUnchanged
		case !stopped:
			if outcomes[i].result, outcomes[i].err = a.do(ctx, c, &outcomes[i].Step, created); outcomes[i].err != nil {
				failed++
				stopped = !partial
			}
		}
	}
	if err := a.showOutcomes(outcomes); err != nil {
		return err
	}
	if failed > 0 {
		return failedError(outcomes)
	}
	if stopped {
		return refusedError(steps, "nothing was written")
	}
	return refusedError(steps, "the others were written")
}

// do carries one step out, and keeps the ids of named locations that come to be.
func (a *app) do(ctx context.Context, c *client, s *policyfile.Step, created map[string]string) (string, error) {
	collection := policiesPath
	if s.Kind == policyfile.Location {
		collection = locationsPath
	}
	if s.Action == policyfile.Delete {
		if s.Location.Trusted { // Graph deletes no location that is trusted
			untrusted := map[string]any{"@odata.type": "#microsoft.graph.ipNamedLocation", "isTrusted": false}
			if err := c.graph(ctx, http.MethodPatch, collection+path(s.ID), untrusted, nil); err != nil {
				return resultFailed, err
			}
		}
		return outcomeOf(resultDeleted, c.graph(ctx, http.MethodDelete, collection+path(s.ID), nil, nil))
	}
	document, err := s.Document(created)
	if err != nil {
		return resultFailed, err
	}
	if s.Action == policyfile.Update {
		return outcomeOf(resultUpdated, c.graph(ctx, http.MethodPatch, collection+path(s.ID), json.RawMessage(document), nil))
	}
	var made struct {
		ID string `json:"id"`
		annotated
	}
	if err := c.graph(ctx, http.MethodPost, collection, json.RawMessage(document), &made); err != nil {
		return resultFailed, err
	}
	s.ID = made.ID
	if s.Kind == policyfile.Location {
		created[s.Name] = made.ID
	}
	a.warn(made.Warnings)
	return resultCreated, nil
}

func outcomeOf(done string, err error) (string, error) {
	if err != nil {
		return resultFailed, err
	}
	return done, nil
}

// refusedError is nil where nothing is refused.
func refusedError(steps []policyfile.Step, consequence string) error {
	refused := 0
	for _, s := range steps {
		if s.Action == policyfile.Refuse {
			refused++
		}
	}
	if refused == 0 {
		return nil
	}
	return failure("mend what is refused above, or give --partial to \"policy import\" or \"policy apply\"", "%d of %d documents are refused; %s", refused, len(steps), consequence)
}

// failedError says what the server refused, and what of the rest is done.
func failedError(outcomes []outcome) error {
	var lines []string
	hint, written, left := "", 0, 0
	for _, o := range outcomes {
		switch o.result {
		case resultFailed:
			lines = append(lines, fmt.Sprintf("%s %q: %v", kindWord(o.Kind), o.Name, o.err))
			if e := (*Error)(nil); errors.As(o.err, &e) && hint == "" {
				hint = e.Hint
			}
		case resultCreated, resultUpdated, resultDeleted:
			written++
		case resultNotWritten:
			left++
		}
	}
	return failure(hint, "%s\n%d written before or beside it, %d not written; the list above says which", strings.Join(lines, "\n"), written, left)
}

func (a *app) showOutcomes(outcomes []outcome) error {
	t := table{header: []string{"RESULT", "KIND", "NAME", "STATE", "FILE"}}
	raw := []stepJSON{}
	for _, o := range outcomes {
		t.add(o.result, kindWord(o.Kind), orDash(o.Name), stateOf(o.Step), orDash(o.File))
		j := stepOf(o.Step, o.result, nil)
		if o.err != nil {
			j.Error = o.err.Error()
		}
		raw = append(raw, j)
	}
	return a.show(raw, t)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func stateOf(s policyfile.Step) string {
	if s.Kind != policyfile.Policy || s.After.State == "" || s.Action == policyfile.Refuse {
		return "-"
	}
	return stateWord(string(s.After.State))
}

// showPlan prints what would be done, member by member.
func (a *app) showPlan(steps []policyfile.Step, tenant policyfile.Tenant) error {
	raw := []stepJSON{}
	counts := map[policyfile.Action]int{}
	for _, s := range steps {
		changes := s.Changes
		if s.Kind == policyfile.Policy && (s.Action == policyfile.Create || s.Action == policyfile.Delete) {
			var err error
			if changes, err = policyfile.Compare(s.Before, s.After, directoryOf(tenant)); err != nil {
				return err
			}
		}
		counts[s.Action]++
		raw = append(raw, stepOf(s, string(s.Action), changes))
		if a.json || s.Action == policyfile.Unchanged || s.Action == policyfile.Refuse {
			continue
		}
		a.say("%s %s %q", s.Action, kindWord(s.Kind), s.Name)
		for _, change := range changes {
			for _, line := range change.Lines() {
				a.say("  %s", line)
			}
		}
	}
	if a.json {
		return writeJSON(a.Out, raw)
	}
	a.say("%d to create, %d to update, %d to delete, %d unchanged, %d refused", counts[policyfile.Create], counts[policyfile.Update],
		counts[policyfile.Delete], counts[policyfile.Unchanged], counts[policyfile.Refuse])
	return nil
}

// A stepJSON is a step, or what became of it, for programs.
type stepJSON struct {
	Result   string              `json:"result"`
	Kind     policyfile.Kind     `json:"kind"`
	Name     string              `json:"displayName"`
	ID       string              `json:"id,omitempty"`
	State    policy.State        `json:"state,omitempty"`
	File     string              `json:"file,omitempty"`
	Changes  []policyfile.Change `json:"changes,omitempty"`
	Problems []problemJSON       `json:"problems,omitempty"`
	Notes    []problemJSON       `json:"notes,omitempty"`
	Error    string              `json:"error,omitempty"`
}

type problemJSON struct {
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Pointer string `json:"pointer"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}

func stepOf(s policyfile.Step, result string, changes []policyfile.Change) stepJSON {
	return stepJSON{Result: result, Kind: s.Kind, Name: s.Name, ID: s.ID, State: s.After.State, File: s.File, Changes: changes,
		Problems: problemsOf(s.Problems), Notes: problemsOf(s.Notes)}
}

func problemsOf(list []policyfile.Problem) []problemJSON {
	var out []problemJSON
	for _, p := range list {
		out = append(out, problemJSON{p.Line, p.Column, p.Pointer, p.Message, p.Remedy})
	}
	return out
}

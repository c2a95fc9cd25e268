package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes of every command.
const (
	ExitOK     = 0
	ExitFailed = 1 // refused, or failed
	ExitUsage  = 2 // the command line itself is wrong
)

// An Error is a failure with what to do next. It prints as "error: …" and "hint: …".
type Error struct {
	Message string
	Hint    string
	usage   bool
	status  int // of the HTTP answer that it was; 0 for none
	code    int // to exit with; 0 for the usual one
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// failure returns an Error; a hint may be empty.
func failure(hint, format string, args ...any) error {
	return &Error{Message: fmt.Sprintf(format, args...), Hint: hint}
}

// Usage returns the error of a command line that is wrong, for which programs exit with ExitUsage.
func Usage(cmd *cobra.Command, format string, args ...any) error {
	return &Error{Message: fmt.Sprintf(format, args...), Hint: fmt.Sprintf("run %q", cmd.CommandPath()+" --help"), usage: true}
}

// Run executes the command tree with args, prints what failed to the tree's error stream, and returns the exit code.
func Run(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	var differs *differsError
	if errors.As(err, &differs) {
		return ExitFailed
	}
	noColour, flagErr := root.PersistentFlags().GetBool("no-color")
	style := styleFor(root.ErrOrStderr(), noColour || flagErr != nil)
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Message: err.Error()}
	}
	message := strings.TrimRight(err.Error(), "\n")
	fmt.Fprintln(root.ErrOrStderr(), style.red("error:"), visibleLines(message))
	if e.Hint != "" {
		fmt.Fprintln(root.ErrOrStderr(), style.dim("hint:"), visibleLines(e.Hint))
	}
	switch {
	case e.code != 0:
		return e.code
	case e.usage:
		return ExitUsage
	}
	return ExitFailed
}

// A differsError ends a comparison that found differences: there is nothing more to print.
type differsError struct{}

// Error implements error.
func (*differsError) Error() string { return "there are differences" }

// visibleLines is visible for texts of several lines.
func visibleLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = visible(lines[i])
	}
	return strings.Join(lines, "\n")
}

// arguments makes a check of positional arguments whose failure is a usage error. Each name stands for one argument; a
// last name that ends in "..." stands for one or more.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		many := len(names) > 0 && strings.HasSuffix(names[len(names)-1], "...")
		switch {
		case len(args) < len(names):
			return Usage(cmd, "%s is missing", names[len(args)])
		case len(args) > len(names) && !many:
			return Usage(cmd, "unexpected argument %q", args[len(names)])
		}
		return nil
	}
}

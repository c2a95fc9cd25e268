package config

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Problem is something that the operator has to change before the server can start: what is wrong, where, and what to
// do. Packages that open what the configuration names report their problems in this form too.
type Problem struct {
	Where  string // the place: "boundgate.toml:3:1", "BOUNDGATE_LOG_LEVEL", "[log] level", a file; "" for none
	What   string // one clause, safe to show: it never repeats a secret
	Remedy string // what to do, in the imperative, naming the thing to change
	Cause  error  // nil for none
}

// Error returns where and what, and the cause.
func (p *Problem) Error() string {
	s := p.What
	if p.Where != "" {
		s = p.Where + ": " + s
	}
	if p.Cause != nil {
		s += ": " + p.Cause.Error()
	}
	return s
}

// Hint returns the remedy.
func (p *Problem) Hint() string { return p.Remedy }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// Problems are all that is wrong at once.
type Problems []*Problem

// Error returns one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the problems one by one.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// orNil returns ps as an error, nil when there is no problem.
func (ps Problems) orNil() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// Explain writes err as the command line shows it: "error: …" and, where one is known, "hint: …", once for each problem.
// Any error in the chain with a method Hint() string gives the hint.
func Explain(w io.Writer, err error) error {
	var all Problems
	if !errors.As(err, &all) {
		return explainOne(w, err)
	}
	for _, p := range all {
		if err := explainOne(w, p); err != nil {
			return err
		}
	}
	return nil
}

func explainOne(w io.Writer, err error) error {
	text := "error: " + err.Error() + "\n"
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		text += "hint: " + hinted.Hint() + "\n"
	}
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("print error: %w", err)
	}
	return nil
}

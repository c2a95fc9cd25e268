package admin

import (
	"errors"
	"fmt"
	"strings"

	"boundgate/internal/directory"
)

// ErrForbidden is what every *ForbiddenError is, for errors.Is.
var ErrForbidden = errors.New("admin: the caller may not do this")

// ErrLicenceRequired refuses to create or enable a policy in a tenant without Conditional Access (S10).
var ErrLicenceRequired = errors.New("admin: the tenant has no licence that includes Conditional Access")

// ErrSignedOut means that the caller's account no longer stands: deleted, disabled, or signed out since the token was issued.
var ErrSignedOut = errors.New("admin: the caller's account is disabled or their sessions have been ended")

// A ForbiddenError refuses an operation to a caller without a fitting role.
type ForbiddenError struct {
	Operation Operation
	Roles     []directory.Role // any of these would do
	// Operator is true where the role must be held in the operator tenant.
	Operator bool
}

// Error implements error.
func (e *ForbiddenError) Error() string {
	names := make([]string, len(e.Roles))
	for i, role := range e.Roles {
		names[i] = directory.RoleNames[role]
	}
	switch {
	case len(names) == 0:
		return fmt.Sprintf("%s is open to nobody.", e.Operation)
	case e.Operator:
		return fmt.Sprintf("%s needs the role %s in the operator's own tenant.", e.Operation, oneOf(names))
	}
	return fmt.Sprintf("%s needs the role %s.", e.Operation, oneOf(names))
}

// Is makes every ForbiddenError an ErrForbidden.
func (e *ForbiddenError) Is(target error) bool { return target == ErrForbidden }

// Remedy says what to do next.
func (e *ForbiddenError) Remedy() string {
	if e.Operator {
		return "Sign in as a Global Administrator of the tenant that this deployment was set up with."
	}
	return "Ask a Global Administrator to assign you one of these roles, or let somebody do it who holds one."
}

func oneOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// A Problem is one thing that is wrong with a request.
type Problem struct {
	Pointer string // JSON pointer (RFC 6901) into the request's document; "" for the whole
	Message string // one sentence
	Remedy  string // what to do, in the imperative; "" where the message says it
	// Code is a number that clients know for this problem, such as 1064; 0 for none.
	Code int
}

// An InvalidError refuses a request that cannot be carried out as written. It lists everything that is wrong, not only the
// first thing.
type InvalidError struct{ Problems []Problem }

// Error implements error.
func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Message
		if p.Pointer != "" {
			lines[i] = p.Pointer + ": " + p.Message
		}
	}
	return strings.Join(lines, " ")
}

// invalid returns an InvalidError with one problem.
func invalid(pointer, message, remedy string) error {
	return &InvalidError{Problems: []Problem{{Pointer: pointer, Message: message, Remedy: remedy}}}
}

// problems collects what is wrong with a request.
type problems []Problem

func (p *problems) add(pointer, message, remedy string) {
	*p = append(*p, Problem{Pointer: pointer, Message: message, Remedy: remedy})
}

// err returns the collection as an error, nil where it is empty.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &InvalidError{Problems: p}
}

// A ConflictError refuses a change that the present state does not allow.
type ConflictError struct {
	Message string
	Next    string // what to do, in the imperative
}

// Error implements error.
func (e *ConflictError) Error() string { return e.Message }

// Remedy says what to do next.
func (e *ConflictError) Remedy() string { return e.Next }

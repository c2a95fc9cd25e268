// Package admin is what administrators may do: with users, groups, roles, licences, applications, resources, devices,
// Conditional Access policies and tenants, and which logs they may read.
//
// Every call names its caller. A table (operation.go) says which directory roles an operation takes; whatever it does not
// name is refused. All calls see the caller's own tenant and nothing else: a tenant is never a parameter, so an id from
// elsewhere is simply an unknown id (P13). Every change leaves an audit row with what was there before and after, written
// in the transaction of the change, and no row holds a secret (P11).
//
// The package stores nothing and serves nothing: it declares the few questions that it asks of a store, and the protocol
// packages turn its errors into answers.
package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"boundgate/internal/audit"
	"boundgate/internal/directory"

	"github.com/google/uuid"
)

// A Caller is who asks: a signed-in person with the directory roles that they hold at this moment.
type Caller struct {
	Tenant        directory.TenantID
	User          directory.ObjectID
	UPN           string
	Roles         map[directory.Role]bool
	App           directory.AppID // the client that the access token was issued to
	IP            string
	CorrelationID string
}

// actor returns the caller as an audit row names it.
func (c Caller) actor() audit.Actor {
	return audit.Actor{Tenant: c.Tenant, User: c.User, UPN: c.UPN, App: c.App, IPAddress: c.IP, CorrelationID: c.CorrelationID}
}

// PasswordHasher turns a password into the encoded form that the directory keeps.
type PasswordHasher interface {
	// Hash returns the encoded hash. It may have to wait for its turn, and may refuse when too many wait.
	Hash(ctx context.Context, password string) (string, error)
}

// A Service carries out what administrators ask for.
type Service struct {
	Store     Store
	Passwords PasswordHasher
	// Operator is the tenant whose Global Administrators may make further tenants and name their domains. Without one,
	// nobody may.
	Operator directory.TenantID
	// Keys are the deployment's signing keys.
	Keys SigningKeys
	// Evidence is the sign-in log; nil makes the linter's rules about it silent.
	Evidence SignInEvidence
	// History is the sign-in log for replays; nil for none.
	History History
	// Countries says whether the server can tell the country of an address; nil where it is not known.
	Countries *bool
	Now       func() time.Time

	// changes lets one change that reads before it writes follow another: renaming somebody must not undo that they were
	// disabled meanwhile.
	changes sync.Mutex
}

// oneAtATime begins such a change; the result ends it.
func (s *Service) oneAtATime() (end func()) {
	s.changes.Lock()
	return s.changes.Unlock
}

// now returns the time in the precision that the stores keep.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// newID returns a fresh GUID for an object.
func newID() string { return uuid.NewString() }

// A change describes one write for its audit row.
type change struct {
	activity   string
	category   string
	targetType string
	targetID   string
	targetName string
	before     any // nil for a creation
	after      any // nil for a deletion
	reason     string
}

// entry returns the audit row of a change. The values before and after must be audit views (audit.go): those hold no
// secrets.
func (s *Service) entry(c Caller, ch change) (audit.Entry, error) {
	e := audit.Entry{
		ID: newID(), Tenant: c.Tenant, At: s.now(), Actor: c.actor(),
		Activity: ch.activity, Category: ch.category,
		TargetType: ch.targetType, TargetID: ch.targetID, TargetName: ch.targetName, Reason: ch.reason,
	}
	var err error
	if e.Before, err = view(ch.before); err != nil {
		return audit.Entry{}, fmt.Errorf("audit row of %q: %w", ch.activity, err)
	}
	if e.After, err = view(ch.after); err != nil {
		return audit.Entry{}, fmt.Errorf("audit row of %q: %w", ch.activity, err)
	}
	return e, nil
}

func view(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	return json.Marshal(v)
}

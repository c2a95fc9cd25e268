package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"boundgate/internal/admin"
	"boundgate/internal/directory"
	"boundgate/internal/logquery"
	"boundgate/internal/logstore"
	"boundgate/internal/policy"
	"boundgate/internal/policylint"
	"boundgate/internal/seal"
	"boundgate/internal/signinlog"
	"boundgate/internal/store"
	"boundgate/internal/token"
	"boundgate/internal/wire/graph"
	"boundgate/internal/wire/loganalytics"
)

// sealer lets the store seal without knowing the keyring.
type sealer struct{ keys *seal.Keyring }

func (s sealer) Seal(plaintext []byte, tenant, table, row, column string) ([]byte, error) {
	return s.keys.Seal(plaintext, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

func (s sealer) Open(sealed []byte, tenant, table, row, column string) ([]byte, error) {
	return s.keys.Open(sealed, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

// An authenticator tells whom an access token for a management API speaks of. Whether the account still stands and which
// roles it holds is looked up at each request: what was revoked ends at once (P06).
type authenticator struct {
	tokens *token.Verifier
	admin  *admin.Service
}

func (a authenticator) caller(ctx context.Context, bearer string, audience directory.AppID) (admin.Caller, error) {
	c, err := a.tokens.VerifyAccessToken(ctx, bearer, audience)
	if err != nil {
		return admin.Caller{}, err
	}
	if c.AppOnly { // applications hold no directory role
		return admin.Caller{}, fmt.Errorf("%w: a token of an application, not of a person", token.ErrInvalid)
	}
	return a.admin.CallerFor(ctx, admin.Subject{Tenant: c.Tenant, User: c.User, App: c.Client, AuthTime: c.AuthTime})
}

// graphAuth adapts authenticator to Microsoft Graph.
type graphAuth struct{ authenticator }

// Authenticate serves graph.Authenticator.
func (a graphAuth) Authenticate(ctx context.Context, bearer string) (admin.Caller, error) {
	caller, err := a.caller(ctx, bearer, directory.MicrosoftGraph)
	if errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrAudience) {
		return caller, errors.Join(graph.ErrInvalidToken, err)
	}
	return caller, err
}

// logAccess adapts authenticator to the query API.
type logAccess struct {
	authenticator
	state *store.DB
}

// Authorize serves loganalytics.Authorizer. A workspace of another tenant is one that does not exist (P13).
func (a logAccess) Authorize(ctx context.Context, bearer, workspace string) error {
	caller, err := a.caller(ctx, bearer, directory.LogAnalytics)
	switch {
	case errors.Is(err, token.ErrAudience):
		return loganalytics.ErrAudience
	case errors.Is(err, admin.ErrSignedOut):
		return loganalytics.ErrSignedOut
	case errors.Is(err, token.ErrInvalid):
		return loganalytics.ErrInvalidToken
	case err != nil:
		return err
	}
	if err := admin.Authorize(caller, admin.ReadSignIns); err != nil {
		return loganalytics.ErrForbidden
	}
	own, err := a.state.WorkspaceOf(ctx, caller.Tenant)
	if err != nil {
		return fmt.Errorf("find the caller's workspace: %w", err)
	}
	if own != workspace {
		return loganalytics.ErrNoWorkspace
	}
	return nil
}

// graphSignIns reads the sign-in log for Microsoft Graph.
type graphSignIns struct {
	logs  *logstore.DB
	state *store.DB
}

// SignIns serves graph.SignIns.
func (g graphSignIns) SignIns(ctx context.Context, tenant directory.TenantID, q graph.SignInQuery) ([]signinlog.Row, string, error) {
	workspace, err := g.state.WorkspaceOf(ctx, tenant)
	if err != nil {
		return nil, "", fmt.Errorf("find the tenant's workspace: %w", err)
	}
	s := logstore.Selection{
		Interactive: q.Kind != graph.NonInteractive, NonInteractive: q.Kind != graph.Interactive, ID: q.ID,
		CorrelationID: q.CorrelationID, UserID: q.UserID, UPN: q.UPN, From: q.From, To: q.To,
		ResultType: text(q.ErrorCode), SessionCode: text(q.SessionCode), Limit: q.Limit + 1,
	}
	if q.After != "" {
		if s.Before, err = placeOf(q.After); err != nil {
			return nil, "", err
		}
	}
	rows, err := g.logs.Rows(ctx, workspace, s)
	if err != nil || len(rows) <= q.Limit {
		return rows, "", err
	}
	rows = rows[:q.Limit]
	last := rows[q.Limit-1]
	return rows, strconv.FormatInt(last.TimeGenerated.UnixMicro(), 10) + "_" + last.ID, nil
}

// Recent serves selfservice.SignIns.
func (g graphSignIns) Recent(ctx context.Context, tenant directory.TenantID, user directory.ObjectID, limit int) ([]signinlog.Row, error) {
	workspace, err := g.state.WorkspaceOf(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("find the tenant's workspace: %w", err)
	}
	id := string(user)
	return g.logs.Rows(ctx, workspace, logstore.Selection{Interactive: true, NonInteractive: true, UserID: &id, Limit: limit})
}

// policyEvidence reads the sign-in log for the linter.
type policyEvidence struct {
	engine *logquery.Engine
	state  *store.DB
}

// PolicyEvidence serves admin.SignInEvidence.
func (e policyEvidence) PolicyEvidence(ctx context.Context, tenant directory.TenantID, policyID string, since time.Time) (policylint.Evidence, error) {
	workspace, err := e.state.WorkspaceOf(ctx, tenant)
	if err != nil {
		return policylint.Evidence{}, fmt.Errorf("find the tenant's workspace: %w", err)
	}
	seen, wouldBlock, err := e.engine.PolicyEvidence(ctx, workspace, policyID, since)
	return policylint.Evidence{NonInteractive: seen, WouldBlock: wouldBlock}, err
}

// history lets replays read the sign-in log.
type history struct {
	logs  *logstore.DB
	state *store.DB
}

// Decided serves admin.History.
func (h history) Decided(ctx context.Context, tenant directory.TenantID, from, to time.Time, limit int, f func(admin.PastSignIn) error) error {
	workspace, err := h.state.WorkspaceOf(ctx, tenant)
	if err != nil {
		return fmt.Errorf("find the tenant's workspace: %w", err)
	}
	return h.logs.EachDecided(ctx, workspace, from, to, limit, func(d logstore.Decided) error {
		return f(admin.PastSignIn{At: d.At, CorrelationID: d.CorrelationID, Interactive: d.Interactive, UPN: d.UPN, App: d.App, Resource: d.Resource,
			Status: policy.AccessStatus(d.Status), Facts: d.Facts})
	})
}

// placeOf reads a continuation that an earlier answer gave.
func placeOf(continuation string) (*logstore.Place, error) {
	micros, id, ok := strings.Cut(continuation, "_")
	at, err := strconv.ParseInt(micros, 10, 64)
	if !ok || err != nil || len(id) > 64 {
		return nil, graph.ErrBadContinuation
	}
	return &logstore.Place{At: time.UnixMicro(at).UTC(), ID: id}, nil
}

func text(n *int) *string {
	if n == nil {
		return nil
	}
	s := strconv.Itoa(*n)
	return &s
}

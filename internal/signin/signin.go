// Package signin is a sign-in, from evidence to grant or refusal. Start reading here.
//
// A request presents a credential and asks for a token. SignIn finds out whose credential it is (identify), what is asked
// for and in which tenant (address), from which device it comes and whether that is proven (proveDevice), whether the
// credential is good (authenticate) and whether the tenant's policies allow it (judge), and then issues (issue). Each
// step reads what the steps before it have learnt from the attempt, and adds to it.
//
// Nothing changes until the end: the decision's effects and its sign-in log row become durable in one transaction, and
// only then does the answer leave. docs/sign-in.md tells the same story with examples.
package signin

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"boundgate/internal/aadsts"
	"boundgate/internal/clientauth"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/factor"
	"boundgate/internal/journal"
	"boundgate/internal/policy"
	"boundgate/internal/prt"
	"boundgate/internal/session"
	"boundgate/internal/signinlog"
	"boundgate/internal/token"
)

// Directory is what a sign-in asks of the directory. Lookups that find nothing return directory.ErrNotFound.
type Directory interface {
	// TenantByName finds a tenant by its id or one of its verified domains.
	TenantByName(ctx context.Context, name string) (directory.Tenant, error)
	UserByName(ctx context.Context, tenant directory.TenantID, upn string) (directory.User, error)
	UserByID(ctx context.Context, tenant directory.TenantID, id directory.ObjectID) (directory.User, error)
	// GuestOf finds the account that a user of another tenant has as a guest.
	GuestOf(ctx context.Context, tenant, home directory.TenantID, homeUser directory.ObjectID) (directory.User, error)
	// Memberships returns every group of the user, nested ones included, and the user's directory roles.
	Memberships(ctx context.Context, tenant directory.TenantID, user directory.ObjectID) (map[directory.ObjectID]bool, map[directory.Role]bool, error)
	Application(ctx context.Context, tenant directory.TenantID, app directory.AppID) (directory.Application, error)
	// ResourceNamed finds the resource that a client names in a resource parameter or a scope.
	ResourceNamed(ctx context.Context, tenant directory.TenantID, identifier string) (directory.Resource, error)
	// Consents returns what a user, or an administrator for everybody, has agreed that a client may do.
	Consents(ctx context.Context, tenant directory.TenantID, user directory.ObjectID, client directory.AppID) ([]directory.Consent, error)
	// WorkspaceOf returns the id of the tenant's log workspace.
	WorkspaceOf(ctx context.Context, tenant directory.TenantID) (string, error)
}

// Devices is what a sign-in asks of the device registry. Lookups that find nothing return device.ErrNotFound.
type Devices interface {
	// DeviceByKey finds the device that holds the key with this thumbprint (SHA-256 of its SubjectPublicKeyInfo).
	DeviceByKey(ctx context.Context, tenant directory.TenantID, thumbprint string) (device.Device, error)
	DeviceByID(ctx context.Context, tenant directory.TenantID, id string) (device.Device, error)
}

// Sessions is what a sign-in asks of the tokens that were issued. Lookups that find nothing return session.ErrNotFound.
type Sessions interface {
	PRT(ctx context.Context, hash prt.Hash) (session.PRT, error)
	RefreshToken(ctx context.Context, hash prt.Hash) (session.RefreshToken, error)
	// SessionByID returns the newest Primary Refresh Token record of a session.
	SessionByID(ctx context.Context, home directory.TenantID, id string) (session.PRT, error)
	Code(ctx context.Context, hash prt.Hash) (session.Code, error)
	DeviceCode(ctx context.Context, hash prt.Hash) (session.DeviceCode, error)
	DeviceCodeByUserCode(ctx context.Context, userCode prt.Hash) (session.DeviceCode, error)
	// PutDeviceCode keeps a new device code; directory.ErrExists says that its user code is in use.
	PutDeviceCode(ctx context.Context, c session.DeviceCode) error
	// BrowserSessions returns the accounts of a browser's cookie, ended ones too, the newest first.
	BrowserSessions(ctx context.Context, hash prt.Hash) ([]session.Browser, error)
	// SignOut ends one account of a browser's cookie, or all where user is "".
	SignOut(ctx context.Context, hash prt.Hash, user directory.ObjectID) error
}

// Factors is what a sign-in asks of second factors.
type Factors interface {
	FactorsOf(ctx context.Context, tenant directory.TenantID, user directory.ObjectID) ([]factor.Factor, error)
}

// Policies gives the tenant's Conditional Access policies, compiled.
type Policies interface {
	PoliciesInForce(ctx context.Context, tenant directory.TenantID) (*policy.Set, error)
}

// Countries knows in which country an address is.
type Countries interface {
	// Country returns ISO 3166-1 alpha-2 in upper case, policy.UnknownCountry where the address is in none that is known, and
	// "" where it cannot be looked up.
	Country(netip.Addr) string
}

// A Journal makes a sign-in's effects and rows durable, all or nothing, before it returns.
type Journal interface {
	Commit(ctx context.Context, r journal.Record) error
}

// Passwords checks passwords, and takes as long where there is no such user.
type Passwords interface {
	Verify(ctx context.Context, hash, password string) (bool, error)
}

// A Service signs users in.
type Service struct {
	Directory Directory
	Devices   Devices
	Sessions  Sessions
	Policies  Policies
	Journal   Journal
	Passwords Passwords
	Factors   Factors
	Passkeys  *factor.Passkeys
	Clients   *clientauth.Verifier
	Tokens    *token.Issuer
	Verifier  *token.Verifier
	Nonces    *prt.Nonces
	Attempts  *Attempts
	Countries Countries // nil where no country is known
	Now       func() time.Time
	Log       *slog.Logger
	// Observe is told of every outcome, for metrics; nil is allowed.
	Observe func(code int, interactive bool)
}

// Nonce returns a nonce for a proof of possession. It belongs to no client and no tenant until it is spent.
func (s *Service) Nonce() string { return s.Nonces.Mint(s.Now()) }

// SignIn answers one request for a token. Whatever the answer, its row is in the sign-in log before the caller hears it:
// no row, no token. The error, if any, is an *aadsts.Error that carries the correlation and trace ids in a *Refused.
func (s *Service) SignIn(ctx context.Context, req Request) (token.Grant, error) {
	a, err := s.run(ctx, req)
	if err != nil {
		return token.Grant{}, err
	}
	return a.grant, nil
}

// run decides on a request and makes the outcome durable.
func (s *Service) run(ctx context.Context, req Request) (*attempt, error) {
	// A client that goes away must not leave a decision half recorded.
	ctx = context.WithoutCancel(ctx)
	a := newAttempt(req, s.Now())
	err := s.decide(ctx, a)
	if err != nil && s.Attempts.tooMany(a) {
		return nil, s.refused(a, aadsts.TooManyRequests.Because(err))
	}
	err = s.conclude(ctx, a, err)
	if errors.Is(err, journal.ErrNonceSpent) {
		// The proof was fresh when it was checked and has been used meanwhile: it is a replay, and is judged as one.
		again := newAttempt(req, a.at)
		again.id, again.replayed = a.id, true
		a = again
		err = s.conclude(ctx, a, s.decide(ctx, a))
	}
	s.Attempts.learn(a, err)
	if err != nil {
		return nil, s.refused(a, err)
	}
	s.observe(0, a.interactive())
	return a, nil
}

// decide is the sign-in itself. It changes nothing but the attempt.
func (s *Service) decide(ctx context.Context, a *attempt) error {
	if err := s.identify(ctx, a); err != nil {
		return err
	}
	if err := s.address(ctx, a); err != nil {
		return err
	}
	if err := s.authenticateClient(a); err != nil {
		return err
	}
	if err := s.proveDevice(ctx, a); err != nil {
		return err
	}
	if !a.evidence.ProofFailed {
		if err := s.authenticate(ctx, a); err != nil {
			return err
		}
	}
	if err := s.judge(ctx, a); err != nil {
		return err
	}
	if err := a.keepBrowser(); err != nil {
		return err
	}
	if a.evidence.ProofFailed {
		// The log has the reason; the sender learns nothing of device or policy.
		return aadsts.ProofFailed.Because(a.proofError)
	}
	if refusal := a.verdictError(); refusal != nil {
		return s.asksFactor(ctx, a, refusal)
	}
	if err := s.checkConsent(ctx, a); err != nil {
		return err
	}
	return s.issue(ctx, a)
}

// conclude makes the outcome durable. It returns decided, or why the outcome could not be recorded.
func (s *Service) conclude(ctx context.Context, a *attempt, decided error) error {
	if !a.hasRow() {
		return decided
	}
	for {
		rows, err := s.rows(ctx, a, decided)
		if err != nil {
			return aadsts.ServerError.Because(err)
		}
		record := journal.Record{Effects: a.effectsOf(decided), Rows: rows}
		err = s.Journal.Commit(ctx, record)
		switch conflict := refusalOf(err); {
		case err == nil:
			return decided
		case errors.Is(err, journal.ErrNonceSpent) && !a.replayed:
			return err
		case conflict != nil && (decided == nil || a.authenticated):
			// Another request was first. Nothing of this one has happened; its refusal gets the row.
			a.effects = journal.Effects{SpendNonces: a.effects.SpendNonces, RevokeFamilies: a.reuseOf(err)}
			a.authenticated, a.cookie, decided = false, Cookie{}, conflict
		default:
			return aadsts.ServerError.Because(err)
		}
	}
}

// refusalOf says what a lost race means to the client; nil for errors that are no conflict.
func refusalOf(err error) *aadsts.Error {
	switch {
	case errors.Is(err, journal.ErrTokenSpent):
		return aadsts.TokenReused.Because(err)
	case errors.Is(err, journal.ErrTokenRevoked), errors.Is(err, journal.ErrChanged):
		return aadsts.GrantRevoked.Because(err)
	case errors.Is(err, journal.ErrUpgraded):
		return aadsts.UpgradeRefused.Because(err)
	case errors.Is(err, journal.ErrCodeSpent):
		return aadsts.CodeRedeemed.Because(err)
	case errors.Is(err, journal.ErrFactorSpent):
		return aadsts.SecondFactorWrong.Because(err)
	}
	return nil
}

// A Refused is a refusal with the ids under which it is found in the sign-in log.
type Refused struct {
	Refusal       *aadsts.Error
	CorrelationID string
	TraceID       string
	At            time.Time
	// Explanation is for people: what was asked for, from where, and what is missing.
	Explanation Explanation
	// Cookie is the browser's new one, where a password or a second factor was right all the same.
	Cookie Cookie
}

// Error implements error.
func (r *Refused) Error() string { return r.Refusal.Error() }

// Unwrap makes the refusal visible to errors.As.
func (r *Refused) Unwrap() error { return r.Refusal }

func (s *Service) refused(a *attempt, err error) error {
	refusal := aadsts.Of(err)
	s.observe(refusal.Code, a.interactive())
	level := slog.LevelInfo
	if refusal.HTTPStatus() >= 500 {
		level = slog.LevelError
	}
	s.Log.Log(context.Background(), level, "sign-in refused", "error_code", refusal.Code, "cause", refusal.Error(),
		"correlation_id", a.req.CorrelationID, "trace_id", a.id)
	return &Refused{
		Refusal: refusal, CorrelationID: a.req.CorrelationID, TraceID: a.id, At: a.at, Explanation: a.explain(), Cookie: a.keptCookie(),
	}
}

func (s *Service) observe(code int, interactive bool) {
	if s.Observe != nil {
		s.Observe(code, interactive)
	}
}

// rows returns what the log keeps of the attempt: one row, and for a guest another one in the home tenant.
func (s *Service) rows(ctx context.Context, a *attempt, decided error) ([]*signinlog.Row, error) {
	workspace, err := s.Directory.WorkspaceOf(ctx, a.tenant.ID)
	if err != nil {
		return nil, err
	}
	rows := []*signinlog.Row{a.row(s.Now(), workspace, decided)}
	if a.home.ID == "" || a.home.ID == a.tenant.ID {
		return rows, nil
	}
	if workspace, err = s.Directory.WorkspaceOf(ctx, a.home.ID); err != nil {
		return nil, err
	}
	return append(rows, a.homeRow(s.Now(), workspace, decided)), nil
}

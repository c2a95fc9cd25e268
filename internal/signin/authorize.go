package signin

import (
	"context"
	"errors"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
	"boundgate/internal/policy"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

// An Authorization is what a request at the authorization endpoint gets.
type Authorization struct {
	// Code is an authorization code; "" where the request asks for none.
	Code string
	// Tenant is that of the resource.
	Tenant  directory.TenantID
	Account Account
	// Approved is the device code that has been approved; nil for none.
	Approved *PendingDevice
	// Cookie is the browser's new cookie; its zero value leaves the one that it has.
	Cookie Cookie
}

// A Cookie is the text that a browser is to keep.
type Cookie struct {
	Text prt.Secret // "" for none
	// Persistent tells the browser to keep it when it closes.
	Persistent bool
	// Known is who has signed in, for the browser to show the next time.
	Known Known
}

// An Account is a person's account as the person sees it.
type Account struct {
	Home         directory.TenantID
	User         directory.ObjectID // at home
	UPN          string
	DisplayName  string
	Organisation string
	// SignedIn is false for an account of the browser whose session has ended.
	SignedIn bool
}

// Authorize answers one request at the authorization endpoint, or a step on the way to it: a password, a second factor.
// Whatever the answer, its row is in the sign-in log before the caller hears it. A *Refused may carry a cookie: a password
// that was right has signed the person in in this browser, whatever the policies say of the application.
func (s *Service) Authorize(ctx context.Context, req Request) (Authorization, error) {
	a, err := s.run(ctx, req)
	if err != nil {
		return Authorization{}, err
	}
	return Authorization{Code: a.code, Tenant: a.tenant.ID, Account: a.account(), Approved: a.approves, Cookie: a.cookie}, nil
}

// Asked is what an authorization request asks for, as far as it can be told before anyone has signed in.
type Asked struct {
	Tenant directory.Tenant // zero for common and organizations
	// Application is nil where it cannot be told before the person's tenant is known.
	Application *directory.Application
	Platform    directory.Platform
}

// Ask looks at an authorization request before anyone has signed in. Until it has found the application and its redirect
// URI, nothing may be sent to that URI (RFC 9700 section 4.11).
func (s *Service) Ask(ctx context.Context, req Request) (Asked, error) {
	var asked Asked
	var err error
	app := directory.Application{}
	client := normalAppID(req.Client)
	if anyTenant(req.PathTenant) {
		// The application may be one of the person's own tenant; those that every tenant has are known already.
		known, ok := directory.WellKnownApplication(client)
		if !ok {
			return asked, nil
		}
		app = known
	} else {
		if asked.Tenant, err = s.Directory.TenantByName(ctx, req.PathTenant); err != nil {
			return asked, notFound(err, aadsts.UnknownTenant)
		}
		if app, err = s.Directory.Application(ctx, asked.Tenant.ID, client); err != nil {
			return asked, notFound(err, aadsts.UnknownClient)
		}
	}
	platform, ok := app.Redirect(req.redirectURI())
	if !ok {
		return asked, aadsts.RedirectURIUnknown
	}
	asked.Application, asked.Platform = &app, platform
	return asked, nil
}

func (r Request) redirectURI() string {
	if r.Code == nil {
		return ""
	}
	return r.Code.RedirectURI
}

// Accounts returns the accounts that a browser has signed in, the newest first; those whose session has ended are told
// apart.
func (s *Service) Accounts(ctx context.Context, cookie prt.Secret) ([]Account, error) {
	list, err := s.browserRecords(ctx, cookie)
	if err != nil {
		return nil, err
	}
	var accounts []Account
	for _, b := range list {
		account, err := s.accountOf(ctx, b)
		if errors.Is(err, directory.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, account)
	}
	return accounts, nil
}

func (s *Service) accountOf(ctx context.Context, b session.Browser) (Account, error) {
	tenant, err := s.Directory.TenantByName(ctx, string(b.Tenant))
	if err != nil {
		return Account{}, err
	}
	u, err := s.Directory.UserByID(ctx, b.Tenant, b.User)
	if err != nil {
		return Account{}, err
	}
	ended := !b.RevokedAt.IsZero() || !s.Now().Before(b.ExpiresAt) || !u.Enabled || endedSince(u, b.Origin.AuthTime)
	return Account{
		Home: b.Tenant, User: b.User, UPN: u.UPN, DisplayName: u.DisplayName, Organisation: tenant.DisplayName, SignedIn: !ended,
	}, nil
}

func (a *attempt) account() Account {
	return Account{
		Home: a.home.ID, User: a.homeUser.ID, UPN: a.homeUser.UPN, DisplayName: a.homeUser.DisplayName,
		Organisation: a.home.DisplayName, SignedIn: a.authenticated,
	}
}

// ProveDevice checks an answer to the authorization endpoint's challenge: a JWS by a device key over a nonce of this server
// and the address that it was sent to (MS-PKAP section 3.1.5). The nonce is spent by it (P03).
func (s *Service) ProveDevice(ctx context.Context, jws string, home directory.TenantID, audience string) (ProvenDevice, error) {
	a := newAttempt(Request{}, s.Now())
	none := ProvenDevice{}
	p, err := prt.ParseDeviceProof(jws)
	if err != nil {
		return none, aadsts.DeviceProofFailed.Because(err)
	}
	nonce := p.Claims.RequestNonce
	if p.Claims.GrantType == "" { // PKeyAuth names it otherwise than the header of a broker
		nonce = p.Claims.Nonce
		if p.Claims.Audience != audience {
			return none, aadsts.DeviceProofFailed.Becausef("made for another address")
		}
	} else if p.Claims.GrantType != "device_auth" {
		return none, aadsts.DeviceProofFailed.Becausef("made for another purpose")
	}
	a.signed, a.home = p, directory.Tenant{ID: home}
	p.Claims.RequestNonce = nonce
	err = s.proveKey(ctx, a)
	var failed *proofFailure
	if errors.As(err, &failed) {
		return none, aadsts.DeviceProofFailed.Because(err)
	}
	if err != nil {
		return none, err
	}
	if !a.device.Enabled {
		return none, aadsts.DeviceDisabled
	}
	err = s.Journal.Commit(context.WithoutCancel(ctx), journal.Record{Effects: journal.Effects{SpendNonces: a.effects.SpendNonces, Device: a.effects.Device}})
	if errors.Is(err, journal.ErrNonceSpent) || errors.Is(err, journal.ErrChanged) {
		return none, aadsts.DeviceProofFailed.Because(err)
	}
	if err != nil {
		return none, aadsts.ServerError.Because(err)
	}
	return ProvenDevice{Home: home, ID: a.device.ID, Registration: a.device.Registration}, nil
}

// An Explanation is what a refusal is about, for people (B01).
type Explanation struct {
	Account      Account
	Application  string
	Resource     string
	Organisation string // whose resource is asked for
	// Guest is true where the person's home is another organisation.
	Guest bool
	// Device is the device that was proven or that the session names; nil for none. A guest's device is shown to its owner
	// in full.
	Device  *device.Device
	Proven  bool // the device has proven its key
	Binding policy.Binding
	Why     policy.Explanation // of the binding
	// Policy and Requirement are those of the cause; "" where no policy refuses.
	Policy      string
	Requirement policy.Requirement
	// Passkey is true where a second factor is missing and only a passkey that verifies its user will do.
	Passkey bool
	Scopes  []string // what consent is missing for
	// ClientKnown is true where the redirect URI is known to be the client's, so that an answer may be sent there.
	ClientKnown bool
	// What the catalogue knows of the application, and the version that it states.
	MinimumVersion, StatedVersion, BrokerOption string
}

func (a *attempt) explain() Explanation {
	e := Explanation{
		Account: a.account(), Application: a.appName(), Resource: a.resource.DisplayName, Organisation: a.tenant.DisplayName,
		Guest: a.guest(), Device: a.device, Proven: a.deviceProven(), Binding: a.binding, Scopes: a.missingConsent, ClientKnown: a.platformAsked != "",
		Policy: a.verdict.Cause.PolicyName, Requirement: a.verdict.Cause.Requirement, Passkey: a.passkeyAsked,
	}
	if a.app != nil {
		e.MinimumVersion, e.BrokerOption, e.StatedVersion = a.app.MinimumVersion, a.app.BrokerOption, a.evidence.AppVersion
	}
	if a.binding.Status == policy.Unbound {
		e.Why = policy.Explain(a.binding.Reason, a.evidence)
	}
	return e
}

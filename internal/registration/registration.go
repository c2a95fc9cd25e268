// Package registration is how a device joins a tenant and how it leaves.
//
// A join is at least as hard as the strictest access that it can unlock (P08): it needs an access token that comes straight
// from a sign-in with credentials, within ten minutes, once; it counts against the user's quota; and what the device says of
// itself is kept as claimed and raises nothing. What the device is to the tenant (trust type, owner, freshness, where its
// keys are) is concluded here. A hybrid join needs no user: it needs an object that an administrator has created beforehand
// and a signature with that object's key. Leaving needs the device's own certificate, shown in TLS.
//
// Every registration gets a new registration id, so that no session key of an earlier one carries over (P05). The
// registration, the spent token and the audit row are one commit. A refused attempt leaves an audit row of its own.
//
// The protocol is MS-DVRJ with the members that Entra's clients send today; package wire/drs speaks it.
package registration

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

// Directory is what a registration asks of the directory. Lookups that find nothing return directory.ErrNotFound.
type Directory interface {
	// TenantByName finds a tenant by its id or one of its verified domains.
	TenantByName(ctx context.Context, name string) (directory.Tenant, error)
	UserByID(ctx context.Context, tenant directory.TenantID, id directory.ObjectID) (directory.User, error)
}

// Devices is what a registration asks of the device registry. Lookups that find nothing return device.ErrNotFound.
type Devices interface {
	DeviceByID(ctx context.Context, tenant directory.TenantID, id string) (device.Device, error)
	// DeviceByKey finds the device that holds the key with this thumbprint (device.KeyThumbprint).
	DeviceByKey(ctx context.Context, tenant directory.TenantID, thumbprint string) (device.Device, error)
	// Register makes a registration durable with its effects and its audit row, all or nothing. device.ErrQuota, and the
	// conflicts of package journal, say why not; directory.ErrExists that another device has the key.
	Register(ctx context.Context, r journal.Registration, done journal.Effects, row audit.Entry) error
	// DeleteDevice removes a device; its sessions end with it.
	DeleteDevice(ctx context.Context, tenant directory.TenantID, id string, row audit.Entry) error
}

// Trail keeps the audit rows of refused attempts.
type Trail interface {
	AppendAudit(ctx context.Context, row audit.Entry) error
}

// A Registrar registers devices and lets them go.
type Registrar struct {
	Directory Directory
	Devices   Devices
	Trail     Trail
	Authority *device.Authority
	Now       func() time.Time
	Log       *slog.Logger
	// Observe is told the code of every outcome, 0 for success, for metrics; nil is allowed.
	Observe func(code int)

	attempts attempts
}

// A Source is where a request came from.
type Source struct {
	Address       string // of the client, as far as trusted proxies tell
	CorrelationID string // a GUID; of the client's choice, so never used to decide
}

// An Authorization is what a verified access token for device registration says of the sign-in behind it.
type Authorization struct {
	Tenant   directory.TenantID
	User     directory.ObjectID
	Client   directory.AppID
	TokenID  string    // unique identifier of the token; it registers one device
	SignIn   string    // the sign-in (token family) that the token derives from
	AuthTime time.Time // when the person proved who they are, in microseconds
	Strength session.Strength
	// Fresh is true where credentials were presented in the very request that gave the token: not a refresh token, not
	// single sign-on.
	Fresh          bool
	TransferMethod string // "none" or "deviceCodeFlow"
}

// Claims are what a device says of itself. They are kept, and raise nothing.
type Claims struct {
	DisplayName string
	OS          string // "Windows", "Linux", "MacOS", …
	OSVersion   string // such as 10.0.22631.3593
}

// A KeyRequest carries the public halves of a device's two keys, which may be one key.
type KeyRequest struct {
	Certificate []byte // PKCS#10 in DER
	Transport   string // in one of the forms that prt.ParseTransportKey reads
}

// A JoinType is how a device wants to belong to the tenant, as a number on the wire.
type JoinType int

// The join types.
const (
	Join       JoinType = 0 // the organisation's device
	Register   JoinType = 4 // a person's own device
	HybridJoin JoinType = 6 // an on-premises domain's device, synchronised beforehand
)

// A Request asks to join or register a device for a signed-in user.
type Request struct {
	Authorization Authorization
	JoinType      JoinType
	Claims        Claims
	Keys          KeyRequest
	From          Source
}

// A Result is a registration that has happened.
type Result struct {
	Device      device.Device
	Certificate *x509.Certificate
	Owner       directory.User // zero for a hybrid join
}

// trustTypes says what a join type makes of a device. Join types that are not keys are refused here.
var trustTypes = map[JoinType]device.TrustType{Join: device.Joined, Register: device.Registered}

// Join registers a device for a signed-in user. The error, if any, is an *aadsts.Error.
func (r *Registrar) Join(ctx context.Context, req Request) (Result, error) {
	a := newAttempt(r.Now(), "Register device", req.From, req.Claims.DisplayName)
	a.actor.Tenant, a.actor.User, a.actor.App = req.Authorization.Tenant, req.Authorization.User, req.Authorization.Client
	result, err := r.join(ctx, a, req)
	return result, r.conclude(ctx, a, err)
}

func (r *Registrar) join(ctx context.Context, a *attempt, req Request) (Result, error) {
	tenant, owner, err := r.registrant(ctx, req.Authorization)
	if err != nil {
		return Result{}, err
	}
	a.identify(tenant.ID, string(owner.ID))
	a.actor.UPN = owner.UPN
	if r.attempts.tooMany(a) {
		return Result{}, aadsts.TooManyRequests
	}
	fresh, err := freshness(req.Authorization, tenant.Settings, a.at)
	if err != nil {
		return Result{}, err
	}
	d, err := r.newDevice(a, req, tenant, owner)
	if err != nil {
		return Result{}, err
	}
	d.FreshCredentials = fresh
	keys, err := req.Keys.parse()
	if err != nil {
		return Result{}, err
	}
	if err := r.checkUnused(ctx, keys, d); err != nil {
		return Result{}, err
	}
	effects := journal.Effects{
		SpendNonces: []journal.SpentNonce{spentToken(req.Authorization, a.at)},
		Subject:     &journal.Subject{Tenant: tenant.ID, User: owner.ID, AuthTime: req.Authorization.AuthTime},
	}
	certificate, d, err := r.register(ctx, a, journal.Registration{Device: d, Quota: tenant.Settings.Quota()}, keys, effects)
	return Result{Device: d, Certificate: certificate, Owner: owner}, err
}

// registrant returns the tenant and the user that an access token names, as they are now.
func (r *Registrar) registrant(ctx context.Context, auth Authorization) (directory.Tenant, directory.User, error) {
	tenant, err := r.Directory.TenantByName(ctx, string(auth.Tenant))
	if errors.Is(err, directory.ErrNotFound) {
		return tenant, directory.User{}, TokenRefused.Because(err)
	}
	if err != nil {
		return tenant, directory.User{}, fmt.Errorf("find tenant: %w", err)
	}
	user, err := r.Directory.UserByID(ctx, tenant.ID, auth.User)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return tenant, user, TokenRefused.Because(err)
	case err != nil:
		return tenant, user, fmt.Errorf("find user: %w", err)
	case !user.Enabled:
		return tenant, user, userDisabled
	case user.Type == directory.Guest || user.Home() != tenant.ID:
		// A guest's sessions and devices live at home (S23).
		return tenant, user, guestRefused
	}
	return tenant, user, nil
}

// freshness decides whether the sign-in behind a registration is fresh: credentials, a password or stronger, presented
// within session.FreshFor for the very token that is shown. A stale one is refused, or recorded where the tenant allows it.
// A sign-in by device code is refused unless the tenant allows those: whoever polls may be whoever phished the code.
func freshness(auth Authorization, settings directory.Settings, at time.Time) (bool, error) {
	if auth.TransferMethod == "deviceCodeFlow" && !settings.AllowDeviceCodeSessions {
		return false, aadsts.RegistrationNotFresh.
			Saying("A sign-in with a device code cannot register a device.").
			WithRemedy("Sign in on the device itself, or let an administrator allow device code sessions for the tenant.")
	}
	age := at.Sub(auth.AuthTime)
	proven := auth.Strength.Has(session.Password) || auth.Strength.Has(session.MultiFactor)
	fresh := auth.Fresh && proven && age <= session.FreshFor && age > -clockSkew
	if !fresh && !settings.AllowStaleRegistration {
		return false, aadsts.RegistrationNotFresh.Becausef("signed in %s ago, credentials presented: %t, proven by %v", age, auth.Fresh, auth.Strength)
	}
	return fresh, nil
}

// clockSkew is how far the clocks of two nodes may differ.
const clockSkew = 30 * time.Second

// newDevice returns the device that a request is about to become: claims as claimed, the rest concluded.
func (r *Registrar) newDevice(a *attempt, req Request, tenant directory.Tenant, owner directory.User) (device.Device, error) {
	trust, ok := trustTypes[req.JoinType]
	if !ok {
		return device.Device{}, joinTypeRefused(req.JoinType)
	}
	if err := req.Claims.check(); err != nil {
		return device.Device{}, err
	}
	d := device.Device{
		ObjectID: directory.ObjectID(uuid.NewString()), ID: uuid.NewString(), Tenant: tenant.ID,
		TrustType: trust, Owner: owner.ID, SignIn: req.Authorization.SignIn,
		Enabled: true, Method: device.Interactive, ProfileType: "RegisteredDevice",
	}
	req.Claims.apply(&d)
	if isBulkEnrolment(req.Authorization.Client, owner.UPN) {
		d.Method, d.SystemLabels = device.BulkEnrolment, []string{device.LabelBulkEnrolment}
	}
	a.target(d)
	return d, nil
}

// keys are a registration's two public keys, read.
type keys struct {
	device, transport *rsa.PublicKey
	thumbprint        string // of the device key
}

func (k KeyRequest) parse() (keys, error) {
	deviceKey, err := device.ParseCertificateRequest(k.Certificate)
	if err != nil {
		return keys{}, unacceptable("CertificateRequest", err)
	}
	if k.Transport == "" {
		return keys{}, aadsts.MissingParameter.Saying("TransportKey is missing; send an RSA key as a BCRYPT blob or a JWK.")
	}
	transport, err := prt.ParseTransportKey(k.Transport)
	if err != nil {
		return keys{}, aadsts.MalformedRequest.Saying("TransportKey cannot be used; send an RSA key of 2048 to 4096 bits with exponent 65537 as a BCRYPT blob or a JWK.").Because(err)
	}
	if err := device.CheckKey(transport); err != nil {
		return keys{}, unacceptable("TransportKey", err)
	}
	spki, err := x509.MarshalPKIXPublicKey(deviceKey)
	if err != nil {
		return keys{}, fmt.Errorf("encode device key: %w", err)
	}
	return keys{deviceKey, transport, device.KeyThumbprint(spki)}, nil
}

// checkUnused refuses a key that another device of the tenant has: the two could not be told apart.
func (r *Registrar) checkUnused(ctx context.Context, k keys, d device.Device) error {
	other, err := r.Devices.DeviceByKey(ctx, d.Tenant, k.thumbprint)
	switch {
	case errors.Is(err, device.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("find device by key: %w", err)
	case other.ID != d.ID:
		return keyInUse
	}
	return nil
}

// register certifies a device and commits its registration.
func (r *Registrar) register(ctx context.Context, a *attempt, reg journal.Registration, k keys, done journal.Effects) (*x509.Certificate, device.Device, error) {
	d := &reg.Device
	certificate, err := r.Authority.Issue(ctx, device.CertificateSubject{
		Tenant: d.Tenant, Device: d.ID, User: d.Owner, Trust: d.TrustType, Key: k.device,
	}, a.at)
	if err != nil {
		return nil, *d, fmt.Errorf("issue certificate: %w", err)
	}
	transport, err := x509.MarshalPKIXPublicKey(k.transport)
	if err != nil {
		return nil, *d, fmt.Errorf("encode transport key: %w", err)
	}
	d.Registration = uuid.NewString()
	d.RegisteredAt, d.LastActivity = a.at, a.at
	d.KeyProtection = device.SoftwareKeys // what is not attested counts as software
	d.DeviceKey, d.TransportKey = certificate.RawSubjectPublicKeyInfo, transport
	d.CertificateThumbprint, d.KeyThumbprint = device.Thumbprint(certificate), k.thumbprint
	row, err := a.done(nil, d)
	if err != nil {
		return nil, *d, err
	}
	if err := r.Devices.Register(ctx, reg, done, row); err != nil {
		return nil, *d, refusalOfCommit(err)
	}
	return certificate, *d, nil
}

// spentToken makes an access token register one device only: a copy of it is of no use beside the original. Nothing of it is
// kept but a digest, until it has expired.
func spentToken(auth Authorization, at time.Time) journal.SpentNonce {
	return journal.SpentNonce{
		ID:      sha256.Sum256([]byte("registration token\x00" + string(auth.Tenant) + "\x00" + auth.TokenID)),
		Expires: at.Add(session.AccessTokenLifetime + clockSkew),
	}
}

package registration

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
)

// A HybridRequest asks to complete the registration of a device that an administrator has synchronised from an on-premises
// domain. Nobody is signed in: the computer proves that it holds the synchronised object's key.
type HybridRequest struct {
	DeviceID string // from the address
	// TargetDomainID and TargetDomain name the tenant: by its id, or by one of its verified domains.
	TargetDomainID string
	TargetDomain   string
	Identity       SignedIdentity
	Claims         Claims
	Keys           KeyRequest
	From           Source
}

// A SignedIdentity is a computer's statement of its SID and the time.
type SignedIdentity struct {
	Type      string // "sha256signed"
	Text      string // the SID, a full stop, and the time: S-1-5-21-….2026-03-01 12:00:00Z
	Signature []byte // RSA PKCS#1 v1.5 with SHA-256 over Text, by the synchronised key
}

const (
	signedIdentityType = "sha256signed"
	signedIdentityTime = "2006-01-02 15:04:05Z"
	// identityWindow is how far the time in a signed identity may be from the server's, either way.
	identityWindow = 5 * time.Minute
	// maxIdentityBytes bounds a signed identity's text; a SID has at most 184 characters.
	maxIdentityBytes = 256
)

// HybridJoin completes the registration of a synchronised device. A device that is registered already is registered anew.
// The error, if any, is an *aadsts.Error.
func (r *Registrar) HybridJoin(ctx context.Context, req HybridRequest) (Result, error) {
	a := newAttempt(r.Now(), "Register device", req.From, req.Claims.DisplayName)
	a.actor.Service = "device"
	result, err := r.hybridJoin(ctx, a, req)
	return result, r.conclude(ctx, a, err)
}

func (r *Registrar) hybridJoin(ctx context.Context, a *attempt, req HybridRequest) (Result, error) {
	if err := req.Claims.check(); err != nil {
		return Result{}, err
	}
	if req.Identity.Type != signedIdentityType {
		return Result{}, aadsts.MalformedRequest.Saying("ClientIdentity.Type must be %s.", signedIdentityType)
	}
	tenant, err := r.hybridTenant(ctx, req)
	if err != nil {
		return Result{}, err
	}
	a.identify(tenant.ID, req.From.Address)
	a.targetID, a.actor.Tenant = shown(req.DeviceID), tenant.ID
	if r.attempts.tooMany(a) {
		return Result{}, aadsts.TooManyRequests
	}
	keys, err := req.Keys.parse()
	if err != nil {
		return Result{}, err
	}
	before, err := r.synchronised(ctx, tenant.ID, req, keys, a.at)
	if err != nil {
		return Result{}, err
	}
	a.target(before)
	d := before
	req.Claims.apply(&d)
	d.FreshCredentials = true // the computer has proven itself within minutes
	d.Owner, d.SignIn = "", ""
	if err := r.checkUnused(ctx, keys, d); err != nil {
		return Result{}, err
	}
	effects := journal.Effects{SpendNonces: []journal.SpentNonce{spentIdentity(d, req.Identity, a.at)}}
	reg := journal.Registration{Device: d, Replaces: true, Quota: tenant.Settings.Quota()}
	certificate, d, err := r.register(ctx, a, reg, keys, effects)
	if errors.Is(err, journal.ErrNonceSpent) {
		err = blobSpent
	}
	return Result{Device: d, Certificate: certificate}, err
}

// hybridTenant finds the tenant that a hybrid join is for.
func (r *Registrar) hybridTenant(ctx context.Context, req HybridRequest) (directory.Tenant, error) {
	for _, name := range []string{req.TargetDomainID, req.TargetDomain} {
		if name == "" {
			continue
		}
		tenant, err := r.Directory.TenantByName(ctx, strings.ToLower(name))
		if err == nil {
			return tenant, nil
		}
		if !errors.Is(err, directory.ErrNotFound) {
			return tenant, fmt.Errorf("find tenant: %w", err)
		}
	}
	return directory.Tenant{}, HybridRefused.Becausef("no tenant has the id or the domain in ServerAdJoinData")
}

// synchronised finds the object that an administrator has created and checks that the request speaks for it. Where there is
// no such object the signature is checked all the same, against the key in the request, so that the time that the answer
// takes tells nothing (P13).
func (r *Registrar) synchronised(ctx context.Context, tenant directory.TenantID, req HybridRequest, k keys, at time.Time) (device.Device, error) {
	d, err := r.Devices.DeviceByID(ctx, tenant, req.DeviceID)
	known := err == nil && d.TrustType == device.HybridJoined && len(d.SyncedKey) > 0 && d.SyncedSID != ""
	switch {
	case err != nil && !errors.Is(err, device.ErrNotFound):
		return d, fmt.Errorf("find device: %w", err)
	case !known:
		_ = req.Identity.verify(k.device, "", at) // for its time only
		return d, HybridRefused.Becausef("no administrator has created a synchronised object for the device")
	}
	parsed, err := x509.ParsePKIXPublicKey(d.SyncedKey)
	if err != nil {
		return d, fmt.Errorf("synchronised key on record: %w", err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return d, HybridRefused.Becausef("the synchronised key is a %T; only RSA keys can be verified", parsed)
	}
	if err := req.Identity.verify(key, d.SyncedSID, at); err != nil {
		return d, HybridRefused.Because(err)
	}
	if !d.Enabled {
		return d, HybridRefused.Becausef("the device is disabled")
	}
	return d, nil
}

// verify checks that a signed identity was made with key, for sid, at about this time.
func (s SignedIdentity) verify(key *rsa.PublicKey, sid string, at time.Time) error {
	if len(s.Text) > maxIdentityBytes {
		return fmt.Errorf("the signed identity is longer than %d bytes", maxIdentityBytes)
	}
	digest := sha256.Sum256([]byte(s.Text))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], s.Signature); err != nil {
		return errors.New("the signature does not verify with the synchronised key")
	}
	named, stamp, ok := strings.Cut(s.Text, ".")
	if !ok || subtle.ConstantTimeCompare([]byte(named), []byte(sid)) != 1 {
		return errors.New("the signed SID is not that of the synchronised object")
	}
	signed, err := time.Parse(signedIdentityTime, stamp)
	if err != nil {
		return errors.New("the signed identity has no time of the form yyyy-mm-dd HH:MM:SSZ")
	}
	if age := at.Sub(signed).Abs(); age > identityWindow {
		return fmt.Errorf("the signed time is %s away from the server's; at most %s is accepted", age.Round(time.Second), identityWindow)
	}
	return nil
}

// spentIdentity makes a signed identity good for one registration: it does not cover the keys, so a copy of it could
// otherwise register a thief's.
func spentIdentity(d device.Device, s SignedIdentity, at time.Time) journal.SpentNonce {
	return journal.SpentNonce{
		ID:      sha256.Sum256([]byte("hybrid join\x00" + string(d.Tenant) + "\x00" + d.ID + "\x00" + s.Text)),
		Expires: at.Add(2 * identityWindow),
	}
}

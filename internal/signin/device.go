package signin

import (
	"context"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
	"boundgate/internal/policy"
	"boundgate/internal/prt"
)

// proveDevice finds out which device the request comes from and whether that is proven, and judges the session's binding.
//
// A proof that does not hold is not an error but evidence: the attempt is judged and logged as what it is, and refused
// afterwards. Errors here are failures of the server.
func (s *Service) proveDevice(ctx context.Context, a *attempt) error {
	var err error
	switch {
	case a.session != nil:
		err = s.proveSession(ctx, a)
	case a.signed != nil:
		err = s.proveKey(ctx, a)
	case a.redeemed != nil && a.redeemed.Device != "":
		err = s.inheritDevice(ctx, a, a.redeemed.Home, a.redeemed.Device, a.redeemed.Registration)
	case a.req.Device != nil && a.req.Device.Home == a.home.ID:
		err = s.inheritDevice(ctx, a, a.home.ID, a.req.Device.ID, a.req.Device.Registration)
		if a.device != nil && a.device.TrustType == device.Registered && a.device.Owner != a.homeUser.ID {
			a.device, a.effects.Device, a.req.Device = nil, nil, nil // a person's own device speaks for its owner alone
		}
	case a.refresh != nil && a.refresh.Bound():
		err = s.nameDevice(ctx, a, a.refresh.Device)
	case a.assertion != nil && a.assertion.DeviceID != "":
		err = s.nameDevice(ctx, a, a.assertion.DeviceID)
	}
	var failed *proofFailure
	var refusal *aadsts.Error
	switch {
	case errors.As(err, &failed):
		a.evidence.ProofFailed, a.proofError = true, failed
	case errors.As(err, &refusal):
	case err != nil:
		return err
	case a.session != nil || a.signed != nil, a.redeemed != nil && a.redeemed.Session != "":
		// A code that a PRT credential was given is as bound as the request that got it.
		a.evidence.ProofHeld = true
	}
	a.evidence.Device = a.device
	a.evidence.ClaimedOSVersion = a.claimedOS()
	a.evidence.Application = a.app
	a.evidence.AppVersion = a.appVersion()
	a.evidence.Audiences = audiencesOf(a.resource)
	a.binding = policy.Judge(a.evidence)
	if refusal != nil {
		return refusal
	}
	return nil
}

// A proofFailure says why a proof of possession does not hold. Only the server's own log has it.
type proofFailure struct{ why error }

func (p *proofFailure) Error() string { return "proof of possession: " + p.why.Error() }
func (p *proofFailure) Unwrap() error { return p.why }

func failProof(format string, args ...any) error {
	return &proofFailure{fmt.Errorf(format, args...)}
}

// proveSession checks a request that is signed with a key derived from a session key. Which key and which derivation, the
// session's record says (P04).
func (s *Service) proveSession(ctx context.Context, a *attempt) error {
	p := a.session
	if err := p.Verify(a.prt.Key, a.prt.KDF); err != nil {
		return failProof("signature: %w", err)
	}
	if err := s.checkNonce(a, p.Claims.RequestNonce); err != nil {
		return err
	}
	d, err := s.Devices.DeviceByID(ctx, a.prt.Tenant, a.prt.Device)
	if errors.Is(err, device.ErrNotFound) {
		return aadsts.DeviceNotFound.Because(err)
	}
	if err != nil {
		return err
	}
	if d.Registration != a.prt.Registration {
		return aadsts.DeviceNotFound.Saying("The device has been registered anew; the session belongs to its earlier registration.")
	}
	a.useDevice(d)
	return nil
}

// proveKey checks a request that is signed with a device key: the key of a registration in the user's home tenant, whose
// certificate the request shows.
func (s *Service) proveKey(ctx context.Context, a *attempt) error {
	d, err := s.Devices.DeviceByKey(ctx, a.home.ID, device.KeyThumbprint(a.signed.Certificate.RawSubjectPublicKeyInfo))
	if errors.Is(err, device.ErrNotFound) {
		return failProof("no device of the tenant has this key")
	}
	if err != nil {
		return err
	}
	if err := verifyKey(a.signed, d); err != nil {
		return err
	}
	if err := s.checkNonce(a, a.signed.Claims.RequestNonce); err != nil {
		return err
	}
	a.useDevice(d)
	return nil
}

func verifyKey(p *prt.DeviceProof, d device.Device) error {
	key, err := x509.ParsePKIXPublicKey(d.DeviceKey)
	if err != nil {
		return fmt.Errorf("device key on record: %w", err)
	}
	if err := p.Verify(key); err != nil {
		return failProof("signature: %w", err)
	}
	shown := device.Thumbprint(p.Certificate)
	if subtle.ConstantTimeCompare([]byte(shown), []byte(d.CertificateThumbprint)) != 1 {
		return failProof("the certificate is not the one that was issued to the device")
	}
	return nil
}

// checkNonce checks the nonce of a proof that has verified, and notes that this request spends it (P03).
func (s *Service) checkNonce(a *attempt, nonce string) error {
	id, expires, err := s.Nonces.Check(nonce, a.at)
	if err != nil {
		return failProof("nonce: %w", err)
	}
	if a.replayed {
		return failProof("nonce: used before")
	}
	a.effects.SpendNonces = append(a.effects.SpendNonces, journal.SpentNonce{ID: id, Expires: expires})
	return nil
}

// nameDevice notes the device that a token's record names, without any proof that it is the one that asks.
func (s *Service) nameDevice(ctx context.Context, a *attempt, id string) error {
	d, err := s.Devices.DeviceByID(ctx, a.home.ID, id)
	switch {
	case errors.Is(err, device.ErrNotFound):
		a.device = &device.Device{ID: id, Tenant: a.home.ID}
	case err != nil:
		return err
	default:
		a.device = &d
	}
	return nil
}

func (a *attempt) useDevice(d device.Device) {
	a.device = &d
	a.effects.Device = &journal.DeviceUse{
		Tenant: d.Tenant, Device: d.ID, Registration: d.Registration, At: a.at,
	}
}

// claimedOS is what the request says of the operating system; "" for nothing.
func (a *attempt) claimedOS() string {
	switch {
	case a.session != nil:
		return a.session.Claims.WinVer
	case a.signed != nil:
		return a.signed.Claims.WinVer
	case a.redeemed != nil:
		return a.redeemed.From.ClaimedOS
	}
	return ""
}

// appVersion is the version that the application states: in MSAL's x-app-ver, or as a product token of the User-Agent that
// the catalogue knows for this application.
func (a *attempt) appVersion() string {
	from := a.from()
	if from.AppVersion != "" || a.app == nil {
		return from.AppVersion
	}
	for _, product := range strings.Fields(from.UserAgent) {
		name, version, ok := strings.Cut(product, "/")
		if !ok {
			continue
		}
		for _, known := range a.app.UserAgents {
			if strings.EqualFold(name, strings.ReplaceAll(known, " ", "")) {
				return version
			}
		}
	}
	return ""
}

// audiencesOf returns the resource and those that are reached together with it.
func audiencesOf(r directory.Resource) []directory.AppID {
	return append([]directory.AppID{r.AppID}, r.EarlyBound...)
}

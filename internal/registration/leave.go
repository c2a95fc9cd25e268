package registration

import (
	"context"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
)

// A LeaveRequest asks to delete a device's registration. The sender has proven in TLS that it holds the certificate's key.
type LeaveRequest struct {
	DeviceID    string            // from the address
	Certificate *x509.Certificate // nil where none was shown
	From        Source
}

// Leave deletes the registration of the device whose certificate is shown; its sessions end with it. A device can delete
// itself only. The error, if any, is an *aadsts.Error.
func (r *Registrar) Leave(ctx context.Context, req LeaveRequest) error {
	a := newAttempt(r.Now(), "Delete device", req.From, "")
	a.actor.Service = "device"
	return r.conclude(ctx, a, r.leave(ctx, a, req))
}

func (r *Registrar) leave(ctx context.Context, a *attempt, req LeaveRequest) error {
	d, err := r.presented(ctx, a, req.Certificate)
	if err != nil {
		return err
	}
	a.target(d)
	switch {
	case r.attempts.tooMany(a):
		return aadsts.TooManyRequests
	case d.ID != req.DeviceID: // nothing is said about the other device, not even whether there is one (P13)
		return wrongDevice
	case !d.Enabled:
		return deviceDisabled
	}
	row, err := a.done(&d, nil)
	if err != nil {
		return err
	}
	if err := r.Devices.DeleteDevice(ctx, d.Tenant, d.ID, row); err != nil && !errors.Is(err, device.ErrNotFound) {
		return fmt.Errorf("delete device: %w", err)
	}
	return nil
}

// presented returns the registered device that a certificate was issued to.
func (r *Registrar) presented(ctx context.Context, a *attempt, c *x509.Certificate) (device.Device, error) {
	if c == nil {
		return device.Device{}, CertificateRefused
	}
	id, err := r.Authority.Verify(ctx, c, a.at)
	if errors.Is(err, device.ErrCertificate) {
		return device.Device{}, CertificateRefused.Because(err)
	}
	if err != nil {
		return device.Device{}, err
	}
	// The authority's signature tells the tenant; what happens from here on is known to be its device's doing.
	a.identify(id.Tenant, id.Device)
	a.actor.Tenant, a.targetID = id.Tenant, id.Device
	d, err := r.Devices.DeviceByID(ctx, id.Tenant, id.Device)
	if errors.Is(err, device.ErrNotFound) {
		return d, CertificateRefused.Because(err)
	}
	if err != nil {
		return d, fmt.Errorf("find device: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(device.Thumbprint(c)), []byte(d.CertificateThumbprint)) != 1 {
		return d, CertificateRefused.Becausef("the certificate belongs to an earlier registration of the device")
	}
	return d, nil
}

package registration_test

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"boundgate/internal/aadsts"
	"boundgate/internal/audit"
	"boundgate/internal/device/devicetest"
	"boundgate/internal/registration"
	. "boundgate/internal/registration/registrationtest"
)

func TestACertificateOfAnEarlierRegistrationIsWorthNothing(t *testing.T) { // P05
	w, ctx := NewWorld(t), context.Background()
	synced := devicetest.Key(t)
	synchronise(t, w, synced)
	var certificates []*x509.Certificate
	for range 2 {
		w.At = w.At.Add(time.Minute)
		result, err := w.Registrar.HybridJoin(ctx, hybridRequest(t, w, synced, devicetest.Key(t), identity(w.At)))
		if err != nil {
			t.Fatalf("HybridJoin: %v", err)
		}
		certificates = append(certificates, result.Certificate)
	}
	leave := func(c *x509.Certificate) error {
		return w.Registrar.Leave(ctx, registration.LeaveRequest{DeviceID: serverID, Certificate: c})
	}
	if err := leave(certificates[0]); !errors.Is(err, registration.CertificateRefused) || len(w.Store.Devices(Contoso)) != 1 {
		t.Errorf("the earlier certificate: %v, want %v", err, registration.CertificateRefused)
	}
	if err := leave(certificates[1]); err != nil || len(w.Store.Devices(Contoso)) != 0 {
		t.Errorf("the current certificate: %v", err)
	}
}

func TestARefusedDeletionIsRecordedForTheDeviceThatAsked(t *testing.T) { // P13
	w, ctx := NewWorld(t), context.Background()
	mine, err := w.Registrar.Join(ctx, joinRequest(t, w, devicetest.Key(t)))
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	other := "00000000-0000-4000-8000-000000000000"
	err = w.Registrar.Leave(ctx, registration.LeaveRequest{DeviceID: other, Certificate: mine.Certificate})
	if aadsts.Of(err).HTTPStatus() != 400 {
		t.Errorf("Leave for another device: %v", err)
	}
	rows := w.Store.AuditRows(Contoso)
	last := rows[len(rows)-1]
	if last.Activity != "Delete device (refused)" || last.TargetID != string(mine.Device.ObjectID) || strings.Contains(string(last.After), other) {
		t.Errorf("audit row %+v", last)
	}
	// Nobody is known to have asked without a certificate: there is no tenant to record it in.
	if err := w.Registrar.Leave(ctx, registration.LeaveRequest{DeviceID: other}); !errors.Is(err, registration.CertificateRefused) {
		t.Errorf("Leave without a certificate: %v", err)
	}
	if n := len(w.Store.AuditRows(Contoso)); n != len(rows) {
		t.Errorf("%d rows, want %d", n, len(rows))
	}
}

// A refusal that cannot be recorded is a failure of the server, not a refusal.
func TestARefusalThatCannotBeRecordedIsAServerError(t *testing.T) { // P19
	w, ctx := NewWorld(t), context.Background()
	w.Registrar.Trail = brokenTrail{}
	req := joinRequest(t, w, sharedKey(t))
	req.Authorization.Fresh = false
	if _, err := w.Registrar.Join(ctx, req); !errors.Is(err, aadsts.ServerError) {
		t.Errorf("Join: %v, want %v", err, aadsts.ServerError)
	}
}

type brokenTrail struct{}

func (brokenTrail) AppendAudit(context.Context, audit.Entry) error { return errors.New("disk full") }

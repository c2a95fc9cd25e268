package registration_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/device/devicetest"
	"boundgate/internal/prt"
	"boundgate/internal/registration"
	. "boundgate/internal/registration/registrationtest"
)

const (
	serverID = "d9dc3483-8809-4802-a8fc-ac70d8591810"
	sid      = "S-1-5-21-1004336348-1177238915-682003330-1234"
)

// synchronise creates the object that an administrator makes for a computer before its hybrid join.
func synchronise(t testing.TB, w *World, key *rsa.PrivateKey) device.Device {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	d := device.Device{
		ID: serverID, ObjectID: "7a7b7c7d-7e7f-4a7b-8c7d-7e7f7a7b7c7d", Tenant: Contoso, DisplayName: "RDSH-1",
		TrustType: device.HybridJoined, Method: device.Synchronised, Enabled: true, Edition: device.Server,
		RecordedOS: "Windows Server", RecordedOSVersion: "10.0.17763.1", SyncedKey: spki, SyncedSID: sid,
	}
	w.Store.AddDevice(d)
	return d
}

func hybridRequest(t testing.TB, w *World, synced, own *rsa.PrivateKey, text string) registration.HybridRequest {
	t.Helper()
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, synced, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return registration.HybridRequest{
		DeviceID: serverID, TargetDomainID: string(Contoso), TargetDomain: "contoso.test",
		Identity: registration.SignedIdentity{Type: "sha256signed", Text: text, Signature: signature},
		Claims:   registration.Claims{DisplayName: "RDSH-1", OS: "Windows", OSVersion: "10.0.19045.1"},
		Keys: registration.KeyRequest{
			Certificate: devicetest.CertificateRequest(t, own), Transport: prt.MarshalTransportKey(&own.PublicKey),
		},
		From: registration.Source{Address: "192.0.2.1"},
	}
}

func identity(at time.Time) string { return sid + "." + at.Format("2006-01-02 15:04:05Z") }

func TestHybridJoinCompletesASynchronisedObject(t *testing.T) { // S12, P05
	w, ctx := NewWorld(t), context.Background()
	synced, own := devicetest.Key(t), devicetest.Key(t)
	before := synchronise(t, w, synced)

	first, err := w.Registrar.HybridJoin(ctx, hybridRequest(t, w, synced, own, identity(w.At)))
	if err != nil {
		t.Fatalf("HybridJoin: %v", err)
	}
	got := first.Device
	if got.Registration == "" || len(got.DeviceKey) == 0 || got.CertificateThumbprint != device.Thumbprint(first.Certificate) {
		t.Errorf("the registration is not complete: %+v", got)
	}
	// What the administrator recorded stays; what the device claims is kept beside it.
	before.OperatingSystem, before.OperatingSystemVersion = "Windows", "10.0.19045.1"
	before.FreshCredentials, before.KeyProtection = true, device.SoftwareKeys
	before.Registration, before.RegisteredAt, before.LastActivity = got.Registration, w.At, w.At
	before.CertificateThumbprint, before.KeyThumbprint = got.CertificateThumbprint, got.KeyThumbprint
	before.DeviceKey, before.TransportKey = got.DeviceKey, got.TransportKey
	if diff := cmp.Diff(before, got); diff != "" {
		t.Errorf("the registered object (-want +got):\n%s", diff)
	}

	w.At = w.At.Add(time.Hour)
	again, err := w.Registrar.HybridJoin(ctx, hybridRequest(t, w, synced, own, identity(w.At)))
	if err != nil {
		t.Fatalf("HybridJoin again: %v", err)
	}
	if again.Device.ID != serverID || again.Device.Registration == first.Device.Registration {
		t.Errorf("registering again kept the registration %s", again.Device.Registration)
	}
	if n := len(w.Store.Devices(Contoso)); n != 1 {
		t.Errorf("%d devices, want 1", n)
	}
}

// The time and the SID are signed, the keys are not: who copies the request must not be able to register keys of his own.
func TestASignedIdentityRegistersOnce(t *testing.T) { // P03
	w, ctx := NewWorld(t), context.Background()
	synced := devicetest.Key(t)
	synchronise(t, w, synced)
	honest := hybridRequest(t, w, synced, devicetest.Key(t), identity(w.At))
	if _, err := w.Registrar.HybridJoin(ctx, honest); err != nil {
		t.Fatalf("HybridJoin: %v", err)
	}
	thief := devicetest.Key(t)
	stolen := honest
	stolen.Keys.Certificate, stolen.Keys.Transport = devicetest.CertificateRequest(t, thief), prt.MarshalTransportKey(&thief.PublicKey)
	w.At = w.At.Add(time.Minute)
	if _, err := w.Registrar.HybridJoin(ctx, stolen); !errors.Is(err, registration.HybridRefused) {
		t.Errorf("the copied identity with other keys: %v, want %v", err, registration.HybridRefused)
	}
}

func TestHybridJoinIsRefusedWithoutTellingWhy(t *testing.T) { // P13
	ctx := context.Background()
	synced, own := devicetest.Key(t), devicetest.Key(t)
	for _, tt := range []struct {
		name   string
		change func(w *World, req *registration.HybridRequest)
		cause  string // in the audit row; "" for no row, where no tenant is known
	}{
		{"no object", func(_ *World, r *registration.HybridRequest) { r.DeviceID = "00000000-0000-4000-8000-000000000000" }, "no administrator has created"},
		{"an object that a user joined", func(w *World, _ *registration.HybridRequest) {
			w.Store.AddDevice(device.Device{ID: serverID, Tenant: Contoso, TrustType: device.Joined, Enabled: true})
		}, "no administrator has created"},
		{"an object of another tenant", func(_ *World, r *registration.HybridRequest) {
			r.TargetDomainID, r.TargetDomain = string(Fabrikam), ""
		}, "no administrator has created"},
		{"another key", func(w *World, r *registration.HybridRequest) {
			r.Identity = hybridRequest(t, w, own, own, identity(w.At)).Identity
		}, "does not verify"},
		{"another computer's SID", func(w *World, r *registration.HybridRequest) {
			r.Identity = hybridRequest(t, w, synced, own, strings.Replace(identity(w.At), "1234", "1235", 1)).Identity
		}, "not that of the synchronised object"},
		{"the time of ten minutes ago", func(w *World, r *registration.HybridRequest) {
			r.Identity = hybridRequest(t, w, synced, own, identity(w.At.Add(-10*time.Minute))).Identity
		}, "away from the server's"},
		{"a time to come", func(w *World, r *registration.HybridRequest) {
			r.Identity = hybridRequest(t, w, synced, own, identity(w.At.Add(10*time.Minute))).Identity
		}, "away from the server's"},
		{"no time", func(w *World, r *registration.HybridRequest) {
			r.Identity = hybridRequest(t, w, synced, own, sid+".").Identity
		}, "no time of the form"},
		{"text beyond the bound", func(w *World, r *registration.HybridRequest) {
			r.Identity = hybridRequest(t, w, synced, own, identity(w.At)+strings.Repeat(" ", 300)).Identity
		}, "longer than"},
		{"a disabled object", func(w *World, _ *registration.HybridRequest) {
			d := w.Store.Devices(Contoso)[0]
			d.Enabled = false
			w.Store.AddDevice(d)
		}, "disabled"},
		{"no tenant", func(_ *World, r *registration.HybridRequest) {
			r.TargetDomainID, r.TargetDomain = "", "nowhere.test"
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := NewWorld(t)
			synchronise(t, w, synced)
			req := hybridRequest(t, w, synced, own, identity(w.At))
			tt.change(w, &req)
			_, err := w.Registrar.HybridJoin(ctx, req)
			refusal := aadsts.Of(err)
			if refusal.Code != registration.HybridRefused.Code || refusal.Message != registration.HybridRefused.Message {
				t.Errorf("HybridJoin: %v, want the one refusal", err)
			}
			rows := append(w.Store.AuditRows(Contoso), w.Store.AuditRows(Fabrikam)...)
			if tt.cause == "" {
				if len(rows) != 0 {
					t.Errorf("rows of an unknown tenant: %+v", rows)
				}
			} else if len(rows) != 1 || !strings.Contains(string(rows[0].After), tt.cause) {
				t.Errorf("audit rows %+v do not say %q", rows, tt.cause)
			}
		})
	}
}

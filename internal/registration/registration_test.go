package registration_test

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/device/devicetest"
	"boundgate/internal/directory"
	"boundgate/internal/prt"
	"boundgate/internal/registration"
	. "boundgate/internal/registration/registrationtest"
	"boundgate/internal/session"
)

func joinRequest(t testing.TB, w *World, key *rsa.PrivateKey) registration.Request {
	t.Helper()
	return registration.Request{
		Authorization: w.SignIn(Contoso, Pilot), JoinType: registration.Join,
		Claims: registration.Claims{DisplayName: "DESKTOP-1", OS: "Windows", OSVersion: "10.0.22631.3593"},
		Keys: registration.KeyRequest{
			Certificate: devicetest.CertificateRequest(t, key), Transport: prt.MarshalTransportKey(&key.PublicKey),
		},
		From: registration.Source{Address: "192.0.2.1", CorrelationID: "5f0c1f1e-0000-4000-8000-000000000001"},
	}
}

func TestJoinRecordsWhatIsClaimedAndWhatIsConcluded(t *testing.T) { // S02, S11, P08
	w := NewWorld(t)
	deviceKey, transportKey := devicetest.Key(t), devicetest.Key(t)
	for _, tt := range []struct {
		name  string
		join  registration.JoinType
		trust device.TrustType
	}{
		{"join type 0 makes the organisation's device", registration.Join, device.Joined},
		{"join type 4 makes a person's own device", registration.Register, device.Registered},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := NewWorld(t)
			req := joinRequest(t, w, deviceKey)
			req.JoinType = tt.join
			req.Keys.Transport = prt.MarshalTransportKey(&transportKey.PublicKey)
			got, err := w.Registrar.Join(context.Background(), req)
			if err != nil {
				t.Fatalf("Join: %v", err)
			}
			want := device.Device{
				Tenant: Contoso, DisplayName: "DESKTOP-1", OperatingSystem: "Windows", OperatingSystemVersion: "10.0.22631.3593",
				TrustType: tt.trust, Owner: Pilot, FreshCredentials: true, KeyProtection: device.SoftwareKeys, SignIn: "sign-in",
				RegisteredAt: Noon, LastActivity: Noon, Enabled: true, Method: device.Interactive, ProfileType: "RegisteredDevice",
				CertificateThumbprint: device.Thumbprint(got.Certificate), DeviceKey: got.Certificate.RawSubjectPublicKeyInfo,
				KeyThumbprint: device.KeyThumbprint(got.Certificate.RawSubjectPublicKeyInfo),
			}
			made := cmpopts.IgnoreFields(device.Device{}, "ID", "ObjectID", "Registration", "TransportKey")
			if diff := cmp.Diff([]device.Device{want}, w.Store.Devices(Contoso), made); diff != "" {
				t.Errorf("devices of the tenant (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(w.Store.Devices(Contoso)[0], got.Device); diff != "" {
				t.Errorf("the result is not what was stored:\n%s", diff)
			}
			if got.Certificate.Subject.CommonName != got.Device.ID || !deviceKey.PublicKey.Equal(got.Certificate.PublicKey) {
				t.Errorf("certificate for %s does not certify the device and its key", got.Certificate.Subject)
			}
		})
	}
	if len(w.Store.Devices(Fabrikam)) != 0 {
		t.Error("another tenant has a device")
	}
}

func TestFreshnessOfTheSignIn(t *testing.T) { // P08
	stale := aadsts.RegistrationNotFresh
	lenient := directory.Settings{AllowStaleRegistration: true}
	deviceCode := func(a *registration.Authorization) { a.TransferMethod = "deviceCodeFlow" }
	for _, tt := range []struct {
		name     string
		settings directory.Settings
		change   func(*registration.Authorization)
		want     error
		fresh    bool // where it is registered
	}{
		{"a password a moment ago", directory.Settings{}, func(*registration.Authorization) {}, nil, true},
		{"a second factor without a password", directory.Settings{}, func(a *registration.Authorization) {
			a.Strength = session.Strength{session.MultiFactor}
		}, nil, true},
		{"ten minutes ago", directory.Settings{}, func(a *registration.Authorization) { a.AuthTime = Noon.Add(-session.FreshFor) }, nil, true},
		{"longer ago", directory.Settings{}, func(a *registration.Authorization) {
			a.AuthTime = Noon.Add(-session.FreshFor - time.Second)
		}, stale, false},
		{"longer ago, where the tenant allows it, is recorded as stale", lenient, func(a *registration.Authorization) {
			a.AuthTime = Noon.Add(-session.FreshFor - time.Second)
		}, nil, false},
		{"a token from a refresh token or single sign-on", directory.Settings{}, func(a *registration.Authorization) { a.Fresh = false }, stale, false},
		{"the same, where the tenant allows it", lenient, func(a *registration.Authorization) { a.Fresh = false }, nil, false},
		{"no time of sign-in", directory.Settings{}, func(a *registration.Authorization) { a.AuthTime = time.Time{} }, stale, false},
		{"a sign-in in the future", directory.Settings{}, func(a *registration.Authorization) { a.AuthTime = Noon.Add(time.Hour) }, stale, false},
		{"a device's key alone", directory.Settings{}, func(a *registration.Authorization) {
			a.Strength = session.Strength{session.DeviceKey}
		}, stale, false},
		{"a device code", directory.Settings{}, deviceCode, stale, false},
		{"a device code, where only stale registrations are allowed", lenient, deviceCode, stale, false},
		{"a device code, where the tenant allows those", directory.Settings{AllowDeviceCodeSessions: true}, deviceCode, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := NewWorld(t)
			w.Set(Contoso, tt.settings)
			req := joinRequest(t, w, sharedKey(t))
			tt.change(&req.Authorization)
			got, err := w.Registrar.Join(context.Background(), req)
			if !errors.Is(err, tt.want) {
				t.Fatalf("Join: %v, want %v", err, tt.want)
			}
			if err == nil && got.Device.FreshCredentials != tt.fresh {
				t.Errorf("FreshCredentials = %t, want %t", got.Device.FreshCredentials, tt.fresh)
			}
			if err != nil && len(w.Store.Devices(Contoso)) != 0 {
				t.Error("refused, and registered all the same")
			}
		})
	}
}

var shared *rsa.PrivateKey

// sharedKey returns one key for tests that do not care which.
func sharedKey(t testing.TB) *rsa.PrivateKey {
	if shared == nil {
		shared = devicetest.Key(t)
	}
	return shared
}

func TestJoinIsRefused(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name   string
		change func(w *World, req *registration.Request)
		code   int
		says   string
	}{
		{"join type 8", func(_ *World, r *registration.Request) { r.JoinType = 8 }, 9002313, "JoinType 8 is not supported"},
		{"a hybrid join with a user's token", func(_ *World, r *registration.Request) { r.JoinType = 6 }, 9002313, "is a PUT"},
		{"a join type that nobody knows", func(_ *World, r *registration.Request) { r.JoinType = -1 }, 9002313, "JoinType -1 is not known"},
		{"no name", func(_ *World, r *registration.Request) { r.Claims.DisplayName = " " }, 900144, "DeviceDisplayName"},
		{"a name that is too long", func(_ *World, r *registration.Request) { r.Claims.DisplayName = strings.Repeat("n", 257) }, 9002313, "DeviceDisplayName"},
		{"a name with a line break", func(_ *World, r *registration.Request) { r.Claims.DisplayName = "PC\nroot" }, 9002313, "control characters"},
		{"a name that turns the text around", func(_ *World, r *registration.Request) { r.Claims.DisplayName = "PC\u202egpj" }, 9002313, "control characters"},
		{"a version with an escape", func(_ *World, r *registration.Request) { r.Claims.OSVersion = "10\x1b[2J" }, 9002313, "OSVersion"},
		{"an operating system that is too long", func(_ *World, r *registration.Request) { r.Claims.OS = strings.Repeat("W", 65) }, 9002313, "DeviceType"},
		{"no transport key", func(_ *World, r *registration.Request) { r.Keys.Transport = "" }, 900144, "TransportKey"},
		{"a transport key that is none", func(_ *World, r *registration.Request) { r.Keys.Transport = "AAAA" }, 9002313, "TransportKey"},
		{"a transport key with exponent 3", func(_ *World, r *registration.Request) {
			r.Keys.Transport = prt.MarshalTransportKey(&rsa.PublicKey{N: shared.N, E: 3})
		}, 9002313, "exponent"},
		{"a certificate request that is none", func(_ *World, r *registration.Request) { r.Keys.Certificate = []byte("x") }, 9002313, "not PKCS#10"},
		{"a user that is gone", func(_ *World, r *registration.Request) { r.Authorization.User = Rival }, 50013, ""},
		{"a tenant that is gone", func(_ *World, r *registration.Request) {
			r.Authorization.Tenant = "99999999-9999-4999-8999-999999999999"
		}, 50013, ""},
		{"a disabled user", func(w *World, _ *registration.Request) { w.Store.AddUser(directory.User{ID: Pilot, Tenant: Contoso}) }, 50057, ""},
		{"a guest", func(w *World, _ *registration.Request) { // S23
			w.Store.AddUser(directory.User{ID: Pilot, Tenant: Contoso, Enabled: true, Type: directory.Guest, HomeTenant: Fabrikam, HomeUser: Rival})
		}, 50020, "guest"},
		{"a password that was changed after the sign-in", func(w *World, r *registration.Request) { // P06
			w.Store.AddUser(directory.User{ID: Pilot, Tenant: Contoso, Enabled: true, PasswordChangedAt: Noon.Add(time.Second)})
		}, 50173, "revoked"},
		{"sessions that were ended later in the same second as the sign-in", func(w *World, r *registration.Request) { // P06
			w.Store.AddUser(directory.User{ID: Pilot, Tenant: Contoso, Enabled: true, SessionsValidFrom: r.Authorization.AuthTime.Add(100 * time.Millisecond)})
		}, 50173, "revoked"},
		{"more devices than the quota", func(w *World, _ *registration.Request) {
			w.Set(Contoso, directory.Settings{DevicesPerUser: 1})
			w.Store.AddDevice(device.Device{ID: "other", Tenant: Contoso, Owner: Pilot})
		}, 50131, ""},
		{"a store that fails", func(w *World, _ *registration.Request) { w.Store.Broken = errors.New("disk full") }, 90033, "temporarily"}, // P19
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := NewWorld(t)
			req := joinRequest(t, w, sharedKey(t))
			before := len(w.Store.Devices(Contoso))
			tt.change(w, &req)
			before = max(before, len(w.Store.Devices(Contoso)))
			_, err := w.Registrar.Join(ctx, req)
			var refusal *aadsts.Error
			if !errors.As(err, &refusal) || refusal.Code != tt.code || !strings.Contains(refusal.Message, tt.says) {
				t.Errorf("Join: %v; want AADSTS%d that says %q", err, tt.code, tt.says)
			}
			if n := len(w.Store.Devices(Contoso)); n != before {
				t.Errorf("the tenant has %d devices, want %d", n, before)
			}
			// The honest twin.
			w = NewWorld(t)
			if _, err := w.Registrar.Join(ctx, joinRequest(t, w, sharedKey(t))); err != nil {
				t.Errorf("the honest join is refused: %v", err)
			}
		})
	}
}

func TestOneSignInRegistersOneDevice(t *testing.T) { // P08
	w, ctx := NewWorld(t), context.Background()
	first := joinRequest(t, w, sharedKey(t))
	if _, err := w.Registrar.Join(ctx, first); err != nil {
		t.Fatalf("Join: %v", err)
	}
	second := joinRequest(t, w, devicetest.Key(t))
	second.Authorization = first.Authorization
	if _, err := w.Registrar.Join(ctx, second); !errors.Is(err, aadsts.RegistrationNotFresh) {
		t.Errorf("a second device with the same token: %v, want %v", err, aadsts.RegistrationNotFresh)
	}
	second.Authorization = w.SignIn(Contoso, Pilot)
	if _, err := w.Registrar.Join(ctx, second); err != nil {
		t.Errorf("a second device with a sign-in of its own: %v", err)
	}
}

func TestEveryRegistrationIsNew(t *testing.T) { // P05
	w, ctx := NewWorld(t), context.Background()
	first, err := w.Registrar.Join(ctx, joinRequest(t, w, devicetest.Key(t)))
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	again, err := w.Registrar.Join(ctx, joinRequest(t, w, devicetest.Key(t)))
	if err != nil {
		t.Fatalf("Join again: %v", err)
	}
	if first.Device.ID == again.Device.ID || first.Device.Registration == again.Device.Registration || first.Device.Registration == "" {
		t.Errorf("registrations %q of %q and %q of %q are not two", first.Device.Registration, first.Device.ID, again.Device.Registration, again.Device.ID)
	}
}

func TestAKeyBelongsToOneDevice(t *testing.T) {
	w, ctx := NewWorld(t), context.Background()
	if _, err := w.Registrar.Join(ctx, joinRequest(t, w, sharedKey(t))); err != nil {
		t.Fatalf("Join: %v", err)
	}
	_, err := w.Registrar.Join(ctx, joinRequest(t, w, sharedKey(t)))
	if err == nil || !strings.Contains(err.Error(), "belongs to a registered device") {
		t.Errorf("a second device with the same key: %v", err)
	}
	elsewhere := joinRequest(t, w, sharedKey(t))
	elsewhere.Authorization = w.SignIn(Fabrikam, Rival)
	if _, err := w.Registrar.Join(ctx, elsewhere); err != nil { // P13: another tenant's devices are no obstacle
		t.Errorf("the same key in another tenant: %v", err)
	}
}

func TestBulkEnrolmentIsKnownAsSuch(t *testing.T) { // S24
	for _, tt := range []struct {
		name   string
		client directory.AppID
		upn    string
		want   device.Method
	}{
		{"a person through the broker", directory.AuthenticationBroker, "pilot@contoso.test", device.Interactive},
		{"a person with a curious name", directory.AuthenticationBroker, "package_holiday@contoso.test", device.Interactive},
		{"the bulk enrolment client", "b90d5b8f-5503-4153-b545-b31cecfaece2", "pilot@contoso.test", device.BulkEnrolment},
		{"the account of a provisioning package", directory.AuthenticationBroker, "package_0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0@contoso.test", device.BulkEnrolment},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := NewWorld(t)
			w.Store.AddUser(directory.User{ID: Pilot, Tenant: Contoso, Enabled: true, UPN: tt.upn})
			req := joinRequest(t, w, sharedKey(t))
			req.Authorization.Client = tt.client
			got, err := w.Registrar.Join(context.Background(), req)
			if err != nil {
				t.Fatalf("Join: %v", err)
			}
			labelled := len(got.Device.SystemLabels) == 1 && got.Device.SystemLabels[0] == device.LabelBulkEnrolment
			if got.Device.Method != tt.want || labelled != (tt.want == device.BulkEnrolment) {
				t.Errorf("method %q, labels %v; want %q", got.Device.Method, got.Device.SystemLabels, tt.want)
			}
		})
	}
}

func TestEveryAttemptLeavesAnAuditRow(t *testing.T) { // P08
	w, ctx := NewWorld(t), context.Background()
	if _, err := w.Registrar.Join(ctx, joinRequest(t, w, sharedKey(t))); err != nil {
		t.Fatalf("Join: %v", err)
	}
	refused := joinRequest(t, w, devicetest.Key(t))
	refused.Authorization.Fresh = false
	refused.Claims.DisplayName = "EVIL\u202e\n" + strings.Repeat("x", 1000)
	if _, err := w.Registrar.Join(ctx, refused); err == nil {
		t.Fatal("a stale join succeeded")
	}

	rows := w.Store.AuditRows(Contoso)
	if len(rows) != 2 {
		t.Fatalf("%d audit rows, want 2: %+v", len(rows), rows)
	}
	for i, want := range []struct{ activity, result string }{{"Register device", ""}, {"Register device (refused)", "failure"}} {
		row := rows[i]
		var after struct {
			Result           string `json:"result"`
			Code             int    `json:"code"`
			KeyProtection    string `json:"keyProtection"`
			FreshCredentials bool   `json:"freshCredentials"`
		}
		if err := json.Unmarshal(row.After, &after); err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
		if row.Activity != want.activity || after.Result != want.result || row.Actor.User != Pilot || row.Actor.IPAddress != "192.0.2.1" {
			t.Errorf("row %d = %+v, result %q", i, row, after.Result)
		}
		if i == 0 && (after.KeyProtection != "software" || !after.FreshCredentials) {
			t.Errorf("the row does not tell attestation and freshness: %s", row.After)
		}
		if i == 1 && after.Code != aadsts.RegistrationNotFresh.Code {
			t.Errorf("the refusal's row has code %d", after.Code)
		}
		if len(row.TargetName) > 256 || strings.ContainsAny(row.TargetName, "\n\u202e") {
			t.Errorf("row %d has the name %q", i, row.TargetName)
		}
	}
}

func TestHammeringIsHeldBackAndNotRecorded(t *testing.T) { // P14
	w, ctx := NewWorld(t), context.Background()
	req := joinRequest(t, w, sharedKey(t))
	req.Authorization.Fresh = false
	var err error
	for range 100 {
		_, err = w.Registrar.Join(ctx, req)
	}
	if !errors.Is(err, aadsts.TooManyRequests) {
		t.Errorf("after 100 refusals: %v, want %v", err, aadsts.TooManyRequests)
	}
	if n := len(w.Store.AuditRows(Contoso)); n > 20 {
		t.Errorf("100 refusals left %d rows", n)
	}
	other := joinRequest(t, w, sharedKey(t))
	other.Authorization = w.SignIn(Contoso, CoPilot)
	if _, err := w.Registrar.Join(ctx, other); err != nil {
		t.Errorf("another user is held back too: %v", err)
	}
	w.At = w.At.Add(time.Minute)
	if _, err := w.Registrar.Join(ctx, joinRequest(t, w, devicetest.Key(t))); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

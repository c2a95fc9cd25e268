package broker_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"boundgate/internal/broker"
	"boundgate/internal/broker/brokertest"
	"boundgate/internal/device"
	"boundgate/internal/tpm"
)

var windows11 = broker.OS{Type: "Windows", Version: "10.0.22631.3593"}

const office = "d3590ed6-52b3-4102-aeff-aad2292ab01c"

// A laptop is one device's directory with the broker on it.
type laptop struct {
	*broker.Broker
	dir    string
	server *brokertest.Server
}

// newLaptop opens a broker in a new directory.
func newLaptop(t *testing.T, server *brokertest.Server) laptop {
	t.Helper()
	return openLaptop(t, server, filepath.Join(t.TempDir(), "broker"))
}

func openLaptop(t *testing.T, server *brokertest.Server, dir string) laptop {
	t.Helper()
	b, err := broker.Open(broker.Options{
		Dir: dir, HTTP: server.Client(), Keys: tpm.NewSoftwareStore(filepath.Join(dir, "keys")), Now: server.Now,
	})
	if err != nil {
		t.Fatalf("open the broker: %v", err)
	}
	return laptop{b, dir, server}
}

// register registers the laptop for Alice and signs her in.
func (l laptop) register(t *testing.T, workplace bool) {
	t.Helper()
	err := l.Register(t.Context(), broker.Registration{
		Server: l.server.URL, Username: brokertest.Alice, Password: brokertest.Password, Workplace: workplace,
		DeviceName: "laptop", OS: windows11,
	})
	if err != nil {
		t.Fatalf("register: %v", err)
	}
	if err := l.SignIn(t.Context(), brokertest.Alice, brokertest.Password); err != nil {
		t.Fatalf("sign in: %v", err)
	}
}

func (l laptop) exchange(ctx context.Context, user string) (broker.Tokens, error) {
	return l.Token(ctx, broker.TokenRequest{Username: user, Client: office, Resource: brokertest.Exchange})
}

func (l laptop) leave(ctx context.Context) error {
	return l.Leave(ctx, func(certificate []byte, key tpm.Key) (*http.Client, error) {
		return l.server.DeviceClient(tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: crypto.Signer(key)}), nil
	})
}

func (l laptop) status(t *testing.T) broker.Status {
	t.Helper()
	s, err := l.Status()
	if err != nil {
		t.Fatalf("status: %v", err)
	}
	return s
}

// wantCode checks that an error is the server's refusal with this AADSTS code.
func wantCode(t *testing.T, what string, err error, code int) {
	t.Helper()
	var refusal *broker.Refusal
	if !errors.As(err, &refusal) || refusal.Code() != code {
		t.Errorf("%s: %v, want a refusal with code %d", what, err, code)
	}
}

func TestJoinedDevice(t *testing.T) { // S30 S60
	server := brokertest.New(t)
	l := newLaptop(t, server)
	l.register(t, false)

	status := l.status(t)
	if status.JoinType != "joined" || status.TenantID != string(brokertest.Tenant) || len(status.Accounts) != 1 {
		t.Errorf("Status() = %+v, want a joined device of %s with one user", status, brokertest.Tenant)
	}
	d, known := server.Device(t, status.DeviceID)
	if !known || d.TrustType != device.Joined {
		t.Errorf("the server knows the device %v as %q, want it joined", known, d.TrustType)
	}
	tokens, err := l.exchange(t.Context(), "")
	if err != nil || tokens.AccessToken == "" || tokens.Resource != brokertest.Exchange {
		t.Fatalf("Token() = %+v, %v, want an access token for Exchange", tokens, err)
	}
	if err := l.Renew(t.Context(), ""); err != nil {
		t.Errorf("Renew() = %v", err)
	}
	if _, err := l.exchange(t.Context(), "ALICE@contoso.example"); err != nil {
		t.Errorf("Token() after a renewal, with the name in capitals: %v", err)
	}
	if err := l.Register(t.Context(), broker.Registration{Server: server.URL}); !errors.Is(err, broker.ErrRegistered) {
		t.Errorf("Register() a second time = %v, want ErrRegistered", err)
	}
}

func TestSecondUserOnJoinedDevice(t *testing.T) {
	l := newLaptop(t, brokertest.New(t))
	l.register(t, false)
	if err := l.SignIn(t.Context(), brokertest.Bob, brokertest.Password); err != nil {
		t.Fatalf("the second user signs in: %v", err)
	}
	for _, user := range []string{brokertest.Alice, brokertest.Bob} {
		if _, err := l.exchange(t.Context(), user); err != nil {
			t.Errorf("Token() of %s: %v", user, err)
		}
	}
	if _, err := l.exchange(t.Context(), ""); !errors.Is(err, broker.ErrWhichUser) {
		t.Errorf("Token() of nobody in particular = %v, want ErrWhichUser", err)
	}
	if err := l.SignIn(t.Context(), brokertest.Bob, brokertest.Password); err != nil || len(l.status(t).Accounts) != 2 {
		t.Errorf("Bob signs in again: %v, %d users, want two", err, len(l.status(t).Accounts))
	}
	if err := l.SignOut(t.Context(), brokertest.Alice); err != nil {
		t.Fatalf("SignOut() = %v", err)
	}
	if _, err := l.exchange(t.Context(), brokertest.Alice); !errors.Is(err, broker.ErrNotSignedIn) {
		t.Errorf("Token() of one who has signed out = %v, want ErrNotSignedIn", err)
	}
	if _, err := l.exchange(t.Context(), ""); err != nil {
		t.Errorf("Token() of the one who is left: %v", err)
	}
}

func TestPersonalDeviceIsItsOwners(t *testing.T) {
	l := newLaptop(t, brokertest.New(t))
	l.register(t, true)
	if got := l.status(t).JoinType; got != "registered" {
		t.Errorf("Status().JoinType = %q, want registered", got)
	}
	wantCode(t, "another user signs in", l.SignIn(t.Context(), brokertest.Bob, brokertest.Password), 50155)
	if _, err := l.exchange(t.Context(), ""); err != nil {
		t.Errorf("Token() of the owner afterwards: %v", err)
	}
}

func TestLeave(t *testing.T) { // P06
	server := brokertest.New(t)
	l := newLaptop(t, server)
	l.register(t, false)
	id := l.status(t).DeviceID
	if err := l.leave(t.Context()); err != nil {
		t.Fatalf("Leave() = %v", err)
	}
	if _, known := server.Device(t, id); known {
		t.Error("the server still knows the device")
	}
	if keys, err := filepath.Glob(filepath.Join(l.dir, "keys", "*")); err != nil || len(keys) != 0 {
		t.Errorf("keys are left: %v %v", keys, err)
	}
	if status := l.status(t); status.Registered {
		t.Errorf("Status() = %+v, want an unregistered device", status)
	}
	if _, err := l.exchange(t.Context(), ""); !errors.Is(err, broker.ErrNotRegistered) {
		t.Errorf("Token() afterwards = %v, want ErrNotRegistered", err)
	}
	l.register(t, false) // and the device can come back
}

// The server may have forgotten the device already: an administrator deleted it, or a crash came between the two halves.
func TestForgetWhatTheServerForgot(t *testing.T) {
	server := brokertest.New(t)
	l := newLaptop(t, server)
	l.register(t, false)
	copied := openLaptop(t, server, copyOf(t, l.dir, true))
	if err := l.leave(t.Context()); err != nil {
		t.Fatalf("Leave() = %v", err)
	}
	wantCode(t, "leave once more", copied.leave(t.Context()), 50155)
	if err := copied.Forget(t.Context()); err != nil {
		t.Fatalf("Forget() = %v", err)
	}
	if copied.status(t).Registered {
		t.Error("the device is still registered")
	}
}

func TestHybridJoin(t *testing.T) {
	server := brokertest.New(t)
	l := newLaptop(t, server)
	const id, sid = "0D1C4B6E-8F1E-4B5A-9B0A-5A8F8F0B7C11", "S-1-5-21-1004336348-1177238915-682003330-2107"
	request := broker.HybridRegistration{
		Server: server.URL, Domain: brokertest.Domain, DeviceID: id, SID: sid, DeviceName: "computer", OS: windows11,
	}
	if err := l.HybridJoin(t.Context(), request); !errors.Is(err, broker.ErrNotPrepared) {
		t.Errorf("HybridJoin() without preparation = %v, want ErrNotPrepared", err)
	}
	certificate, err := l.SyncedCertificate(id)
	if err != nil {
		t.Fatalf("SyncedCertificate() = %v", err)
	}
	wantCode(t, "before the object is synchronised", l.HybridJoin(t.Context(), request), 50155)
	server.Synchronise(t, "0d1c4b6e-8f1e-4b5a-9b0a-5a8f8f0b7c11", sid, certificate)
	if _, err := l.SyncedCertificate(id); err != nil {
		t.Errorf("SyncedCertificate() a second time = %v", err)
	}
	if err := l.HybridJoin(t.Context(), request); err != nil {
		t.Fatalf("HybridJoin() = %v", err)
	}
	status := l.status(t)
	if status.JoinType != "hybrid joined" || status.TenantID != string(brokertest.Tenant) {
		t.Errorf("Status() = %+v, want a hybrid joined device of %s", status, brokertest.Tenant)
	}
	if err := l.SignIn(t.Context(), brokertest.Bob, brokertest.Password); err != nil {
		t.Fatalf("SignIn() = %v", err)
	}
	if _, err := l.exchange(t.Context(), ""); err != nil {
		t.Errorf("Token() = %v", err)
	}
}

// copyOf copies a broker's directory, with or without the keys, as a thief would.
func copyOf(t *testing.T, dir string, withKeys bool) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatalf("copy: %v", err)
	}
	if !withKeys {
		if err := os.RemoveAll(filepath.Join(to, "keys")); err != nil {
			t.Fatalf("leave the keys out: %v", err)
		}
	}
	private(t, to)
	return to
}

// private gives a copy the modes that the broker demands: a thief has his own umask.
func private(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		t.Fatalf("set modes: %v", err)
	}
}

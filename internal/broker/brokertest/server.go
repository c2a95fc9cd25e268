// Package brokertest is a protocol server for tests of the broker: the real sign-in, the real device registration and the
// real state store, behind TLS that asks for client certificates, without the administration and the log engine.
package brokertest

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"boundgate/internal/clientauth"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/factor"
	"boundgate/internal/inforce"
	"boundgate/internal/journal"
	"boundgate/internal/pages"
	"boundgate/internal/password"
	"boundgate/internal/prt"
	"boundgate/internal/registration"
	"boundgate/internal/seal"
	"boundgate/internal/selfservice"
	"boundgate/internal/signin"
	"boundgate/internal/signinlog"
	"boundgate/internal/store"
	"boundgate/internal/token"
	"boundgate/internal/wire/drs"
	"boundgate/internal/wire/oauth"
	"boundgate/internal/wire/portal"
)

// A Server serves one organisation, Contoso, on a loopback address. Devices and server share its clock.
type Server struct {
	URL       string
	Store     *store.DB
	tls       *httptest.Server
	passwords *password.Pool

	mu      sync.Mutex
	clock   time.Time
	through func(http.Handler) http.Handler
	fails   error
}

// PasskeyOrigin is where passkeys are used: there are none at an address without a name.
const PasskeyOrigin = "https://login.contoso.example"

// New starts a server that ends with the test, on the morning of 2 March 2026.
func New(t testing.TB) *Server {
	t.Helper()
	return NewAt(t, time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
}

// NewAt starts a server whose clock stands at a time.
func NewAt(t testing.TB, at time.Time) *Server {
	t.Helper()
	s := &Server{clock: at.UTC().Truncate(time.Microsecond)}
	ctx := context.Background()
	var err error
	s.Store, err = store.Open(ctx, store.Options{
		Path: filepath.Join(t.TempDir(), "state.db"), Sealer: sealer{seal.Generate()}, Now: s.Now, Writer: "brokertest",
	})
	if err != nil {
		t.Fatalf("open the state store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Store.Close(); err != nil {
			t.Errorf("close the state store: %v", err)
		}
	})
	if s.passwords, err = password.NewPool(2, 64); err != nil {
		t.Fatalf("start the password pool: %v", err)
	}
	s.tls = httptest.NewUnstartedServer(nil)
	s.tls.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	s.tls.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.tls.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	s.tls.StartTLS()
	t.Cleanup(s.tls.Close)
	s.URL = s.tls.URL
	handler, err := s.wire(ctx)
	if err != nil {
		t.Fatalf("wire the server: %v", err)
	}
	s.tls.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.handler(handler).ServeHTTP(w, folded(r)) })
	s.organisation(t)
	return s
}

// wire puts the protocols over the domain, as package server does.
func (s *Server) wire(ctx context.Context) (http.Handler, error) {
	keys, err := token.LoadKeys(ctx, s.Store, s.Now())
	if err != nil {
		return nil, err
	}
	nonceKey, err := s.Store.NonceKey(ctx)
	if err != nil {
		return nil, err
	}
	epoch, err := s.Store.NonceEpoch(ctx)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	issuer := &token.Issuer{URL: s.URL, Keys: keys}
	passkeys, err := factor.NewPasskeys(PasskeyOrigin)
	if err != nil {
		return nil, err
	}
	signIns := &signin.Service{
		Directory: s.Store, Devices: s.Store, Sessions: s.Store, Policies: inforce.New(s.Store), Journal: s,
		Factors: s.Store, Passkeys: passkeys, Clients: &clientauth.Verifier{URL: s.URL}, Verifier: &token.Verifier{Issuer: issuer, Now: s.Now},
		Passwords: s.passwords, Tokens: issuer, Nonces: &prt.Nonces{Key: nonceKey, Epoch: epoch}, Attempts: signin.NewAttempts(),
		Now: s.Now, Log: log,
	}
	address := func(r *http.Request) string { return "192.0.2.1" }
	mux := http.NewServeMux()
	oauth.Register(mux, oauth.Service{SignIns: signIns, Tenants: s.Store, Issuer: issuer, Keys: keys.Public, ClientAddress: address})
	drs.Register(mux, drs.Handlers{
		Registrar: &registration.Registrar{
			Directory: s.Store, Devices: s.Store, Trail: s.Store, Authority: &device.Authority{Secrets: s.Store}, Now: s.Now, Log: log,
		},
		Tokens: &token.Verifier{Issuer: issuer, Now: s.Now}, Tenants: s.Store, Nonce: signIns.Nonce, SignInURL: s.URL,
		RegistrationURL: s.URL, ClientAddress: address,
	})
	drawn, err := pages.New()
	if err != nil {
		return nil, err
	}
	portal.Register(mux, portal.Service{
		SignIns: signIns, Self: &selfservice.Service{Store: s.Store, SignIns: s, Now: s.Now}, Pages: drawn, Issuer: issuer,
		Key: [32]byte{1}, Now: s.Now, Log: log, ClientAddress: address,
	})
	return mux, nil
}

// Recent serves selfservice.SignIns from the intake: the column store is left out here.
func (s *Server) Recent(ctx context.Context, tenant directory.TenantID, user directory.ObjectID, limit int) ([]signinlog.Row, error) {
	records, err := s.Store.Intake(ctx, 0, 10_000)
	if err != nil {
		return nil, err
	}
	var list []signinlog.Row
	for _, r := range slices.Backward(records) {
		row, err := r.Row()
		if err != nil {
			return nil, err
		}
		if row.AADTenantID == string(tenant) && row.UserID == string(user) && len(list) < limit {
			list = append(list, *row)
		}
	}
	return list, nil
}

// Client returns a client that trusts the server.
func (s *Server) Client() *http.Client { return s.tls.Client() }

// DeviceClient returns a client that trusts the server and shows a device's certificate.
func (s *Server) DeviceClient(certificate tls.Certificate) *http.Client {
	transport := s.tls.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.Certificates = []tls.Certificate{certificate}
	transport.DisableKeepAlives = true // a connection belongs to one certificate
	return &http.Client{Transport: transport}
}

// CertificateAuthority returns the DER of the certificate that the server's TLS rests on.
func (s *Server) CertificateAuthority() []byte { return s.tls.Certificate().Raw }

// Now returns the time of the server's clock, which stands still until Advance.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock
}

// Advance moves the clock.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = s.clock.Add(d)
}

// CommitsFail makes every sign-in's commit fail with err from now on, as a broken disk does; nil mends it.
func (s *Server) CommitsFail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = err
}

// Commit serves signin.Journal.
func (s *Server) Commit(ctx context.Context, r journal.Record) error {
	s.mu.Lock()
	err := s.fails
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.Store.Commit(ctx, r)
}

// Through puts a handler in front of the protocols, such as one that fails or records; nil takes it away.
func (s *Server) Through(middle func(http.Handler) http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.through = middle
}

func (s *Server) handler(h http.Handler) http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.through != nil {
		return s.through(h)
	}
	return h
}

// folded returns r with its path in lower case, as the protocols want it.
func folded(r *http.Request) *http.Request {
	f := new(http.Request)
	*f = *r
	f.URL = new(url.URL)
	*f.URL = *r.URL
	f.URL.Path, f.URL.RawPath = strings.ToLower(r.URL.Path), ""
	return f
}

// sealer lets the store seal under a keyring of the test's own.
type sealer struct{ keys *seal.Keyring }

func (s sealer) Seal(plaintext []byte, tenant, table, row, column string) ([]byte, error) {
	return s.keys.Seal(plaintext, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

func (s sealer) Open(sealed []byte, tenant, table, row, column string) ([]byte, error) {
	return s.keys.Open(sealed, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

// Package bench measures what a token costs against what the machine can do at best, in one run: the figures are ratios,
// for times depend on the machine. `make bench` prints them.
package bench

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/inforce"
	"boundgate/internal/journal"
	"boundgate/internal/password"
	"boundgate/internal/policy"
	"boundgate/internal/prt"
	"boundgate/internal/seal"
	"boundgate/internal/session"
	"boundgate/internal/signin"
	"boundgate/internal/store"
	"boundgate/internal/token"
)

type sealer struct{ keys *seal.Keyring }

func (s sealer) Seal(b []byte, tenant, table, row, column string) ([]byte, error) {
	return s.keys.Seal(b, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

func (s sealer) Open(b []byte, tenant, table, row, column string) ([]byte, error) {
	return s.keys.Open(b, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

const (
	tenant = directory.TenantID("9f2b6c1d-7a44-4c0e-8b7e-0c6a1f3d2e55")
	user   = directory.ObjectID("6c1f3a0e-5f5b-4a57-9a3a-2f0f9f1b7c10")
	office = "d3590ed6-52b3-4102-aeff-aad2292ab01c"
)

// A world is a service with one user, one device, one session and many policies.
type world struct {
	service *signin.Service
	db      *store.DB
	key     prt.SessionKey
	prt     string
}

func newWorld(b *testing.B, policies int) world {
	b.Helper()
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{
		Path: filepath.Join(b.TempDir(), "state.db"), Sealer: sealer{seal.Generate()}, Now: time.Now, Writer: "bench",
	})
	check(b, err)
	b.Cleanup(func() { check(b, db.Close()) })
	w := world{db: db}
	at := time.Now().UTC().Truncate(time.Microsecond).Add(-time.Minute)
	row := func() audit.Entry { return audit.Entry{ID: uuid.NewString(), Tenant: tenant, At: at} }
	check(b, db.FoundTenant(ctx, directory.Founding{Tenant: directory.Tenant{
		ID: tenant, DisplayName: "Contoso", CreatedAt: at, Domains: []directory.Domain{{Name: "contoso.example", Verified: true, Initial: true}},
	}}, row()))
	check(b, db.CreateUser(ctx, directory.User{
		ID: user, Tenant: tenant, UPN: "alice@contoso.example", DisplayName: "Alice", Enabled: true, Type: directory.Member, CreatedAt: at,
	}, row()))
	w.addPolicies(b, policies, row)
	w.addSession(b, at, row)
	keys, err := token.LoadKeys(ctx, db, time.Now())
	check(b, err)
	pool, err := password.NewPool(1, 1)
	check(b, err)
	w.service = &signin.Service{
		Directory: db, Devices: db, Sessions: db, Policies: inforce.New(db), Journal: db, Passwords: pool,
		Tokens: &token.Issuer{URL: "https://localhost:8443", Keys: keys}, Nonces: &prt.Nonces{Key: [32]byte{1}},
		Attempts: signin.NewAttempts(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	return w
}

// addPolicies adds policies of which one in ten is for everybody and the rest for groups that the user is not in.
func (w *world) addPolicies(b *testing.B, n int, row func() audit.Entry) {
	for i := range n {
		p := policy.Policy{ID: uuid.NewString(), DisplayName: fmt.Sprintf("TP%03d", i), State: policy.ReportOnly}
		p.Conditions.Users.IncludeGroups = []string{uuid.NewString()}
		if i%10 == 0 {
			p.Conditions.Users.IncludeGroups, p.Conditions.Users.IncludeUsers = nil, []string{"All"}
		}
		p.Conditions.Applications.IncludeApplications = []string{string(directory.ExchangeOnline)}
		p.Conditions.ClientAppTypes = []policy.ClientAppType{policy.MobileAppsAndDesktopClients}
		p.Conditions.Platforms = &policy.Platforms{IncludePlatforms: []policy.Platform{policy.Windows}}
		p.SessionControls = &policy.SessionControls{SecureSignInSession: &policy.Switch{IsEnabled: true}}
		check(b, w.db.PutPolicy(context.Background(), tenant, policy.Normalise(p), row()))
	}
}

func (w *world) addSession(b *testing.B, at time.Time, row func() audit.Entry) {
	ctx := context.Background()
	d := device.Device{
		ObjectID: directory.ObjectID(uuid.NewString()), ID: uuid.NewString(), Tenant: tenant, Registration: uuid.NewString(), DisplayName: "laptop",
		OperatingSystem: "Windows", OperatingSystemVersion: "10.0.22631.1", TrustType: device.Joined, Owner: user, FreshCredentials: true,
		Enabled: true, Method: device.Interactive, KeyThumbprint: uuid.NewString(), RegisteredAt: at,
	}
	check(b, w.db.Register(ctx, journal.Registration{Device: d, Quota: 1}, journal.Effects{}, row()))
	var err error
	w.key, err = prt.NewSessionKey()
	check(b, err)
	text, hash, err := prt.NewToken(prt.KindPRT)
	check(b, err)
	w.prt = text
	check(b, w.db.Commit(ctx, journal.Record{Effects: journal.Effects{NewPRTs: []session.PRT{{
		Hash: hash, Session: uuid.NewString(), Tenant: tenant, User: user, Device: d.ID, Registration: d.Registration, Key: w.key, KDF: prt.KDF2,
		Origin: session.Origin{AuthTime: at, Strength: session.Strength{session.Password}, TransferMethod: "none"}, IssuedAt: at, ExpiresAt: at.Add(session.PRTLifetime),
	}}}}))
}

// requests are signed requests for a token, each with a nonce of its own.
func (w *world) requests(b *testing.B, n int) []signin.Request {
	list := make([]signin.Request, n)
	for i := range list {
		jws, err := prt.SignSession(w.key, prt.KDF2, map[string]string{
			"grant_type": "refresh_token", "refresh_token": w.prt, "client_id": office, "resource": "https://outlook.office365.com",
			"scope": "", "request_nonce": w.service.Nonce(), "win_ver": "10.0.22631.1",
		})
		check(b, err)
		list[i] = signin.Request{PathTenant: "common", Version: token.V1, Credential: signin.Signed{JWS: jws}, CorrelationID: uuid.NewString()}
	}
	return list
}

// BenchmarkIssuance issues bound tokens with RS256 under 200 policies, each with its durable row, to 16 clients at once, and
// reports how much of the processor's time goes into the signature: 1 would be the machine's own limit.
func BenchmarkIssuance(b *testing.B) {
	for _, policies := range []int{20, 200} {
		b.Run(fmt.Sprintf("policies=%d", policies), func(b *testing.B) {
			w := newWorld(b, policies)
			list := w.requests(b, b.N)
			b.ResetTimer()
			began := processorTime()
			sixteen(b, list, w.service)
			each := (processorTime() - began) / time.Duration(b.N)
			b.StopTimer()
			sign := signature(b)
			b.ReportMetric(float64(each.Microseconds()), "cpu-us/token")
			b.ReportMetric(float64(sign)/float64(each), "of-sign-limit")
		})
	}
}

func sixteen(b *testing.B, list []signin.Request, s *signin.Service) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(list) {
					return
				}
				if _, err := s.SignIn(context.Background(), list[n]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// signature returns the processor time of one RSA-2048 signature, measured now.
func signature(b *testing.B) time.Duration {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(b, err)
	_, err = x509.MarshalPKCS8PrivateKey(key)
	check(b, err)
	digest := sha256.Sum256([]byte("claims"))
	const rounds = 500
	began := processorTime()
	for range rounds {
		_, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
		check(b, err)
	}
	return (processorTime() - began) / rounds
}

// processorTime is what this process has used of the processors so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func check(b *testing.B, err error) {
	if err != nil {
		b.Helper()
		b.Fatal(err)
	}
}

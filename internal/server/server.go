// Package server wires Boundgate: disk first, then the domain, then the wire. New is the only function that knows which
// implementation stands behind an interface.
package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"boundgate/internal/admin"
	"boundgate/internal/clientauth"
	"boundgate/internal/config"
	"boundgate/internal/device"
	"boundgate/internal/factor"
	"boundgate/internal/geoip"
	"boundgate/internal/inforce"
	"boundgate/internal/logquery"
	"boundgate/internal/logstore"
	"boundgate/internal/pages"
	"boundgate/internal/password"
	"boundgate/internal/prt"
	"boundgate/internal/registration"
	"boundgate/internal/seal"
	"boundgate/internal/selfservice"
	"boundgate/internal/servertls"
	"boundgate/internal/setup"
	"boundgate/internal/signin"
	"boundgate/internal/store"
	"boundgate/internal/telemetry"
	"boundgate/internal/token"
	"boundgate/internal/wire/drs"
	"boundgate/internal/wire/graph"
	"boundgate/internal/wire/loganalytics"
	"boundgate/internal/wire/oauth"
	"boundgate/internal/wire/portal"
)

// A Server is a running service.
type Server struct {
	config       config.Config
	log          *slog.Logger
	db           *store.DB
	logs         *logstore.DB
	feeder       *logstore.Feeder
	passwords    *password.Pool
	keys         *token.Keys
	certificates *servertls.Certificates
	main         net.Listener
	registration net.Listener
	handler      http.Handler
}

// New opens the stores and the listeners and wires the service. Serve runs it; Close gives everything back.
func New(ctx context.Context, cfg config.Config, log *slog.Logger) (s *Server, err error) {
	s = &Server{log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.listen(ctx, cfg); err != nil {
		return s, err
	}
	keys, err := seal.Open(ctx, s.config.DataDir, s.config.MasterKey)
	if err != nil {
		return s, err
	}
	if s.db, err = openStore(ctx, s.config, keys); err != nil {
		return s, fmt.Errorf("open state store: %w", err)
	}
	if s.logs, err = logstore.Open(ctx, logstore.Options{Path: s.config.Logs.Path, Log: log}); err != nil {
		return s, fmt.Errorf("open log store: %w", err)
	}
	if s.certificates, err = servertls.Open(s.config, servertls.Options{Keys: keys, Log: log}); err != nil {
		return s, err
	}
	limits := s.config.Limits
	if s.passwords, err = password.NewPool(limits.PasswordWorkers, limits.PasswordQueue); err != nil {
		return s, err
	}
	s.handler, err = s.wire(ctx)
	return s, err
}

// listen binds both listeners, so that a configuration with port 0 learns its addresses.
func (s *Server) listen(ctx context.Context, cfg config.Config) (err error) {
	var lc net.ListenConfig
	if s.main, err = lc.Listen(ctx, "tcp", cfg.Listen); err != nil {
		return cannotListen("listen", cfg.Listen, err)
	}
	if s.registration, err = lc.Listen(ctx, "tcp", cfg.DeviceRegistration.Listen); err != nil {
		return cannotListen("[device_registration] listen", cfg.DeviceRegistration.Listen, err)
	}
	cfg.Listen = s.main.Addr().String()
	cfg.DeviceRegistration.Listen = s.registration.Addr().String()
	s.config = cfg.WithDefaults()
	return nil
}

func cannotListen(key, address string, cause error) error {
	return &config.Problem{
		Where: key, What: "cannot listen on " + address, Cause: cause,
		Remedy: "Stop the program that uses the address, or set " + key + " to another one in the configuration file or its variable.",
	}
}

// wire builds the domain over the stores, and the protocols over the domain.
func (s *Server) wire(ctx context.Context) (http.Handler, error) {
	metrics := telemetry.NewMetrics()
	signingKeys, err := token.LoadKeys(ctx, s.db, now())
	if err != nil {
		return nil, err
	}
	nonces, err := s.nonces(ctx)
	if err != nil {
		return nil, err
	}
	s.keys = signingKeys
	issuer := &token.Issuer{URL: s.config.PublicURL, Keys: signingKeys}
	verifier := &token.Verifier{Issuer: issuer, Now: time.Now}
	passkeys, err := factor.NewPasskeys(s.config.PublicURL)
	if err != nil {
		return nil, err
	}
	signIns := &signin.Service{
		Directory: s.db, Devices: s.db, Sessions: s.db, Policies: inforce.New(s.db), Journal: s.db, Passwords: s.passwords,
		Factors: s.db, Passkeys: passkeys, Clients: &clientauth.Verifier{URL: s.config.PublicURL}, Verifier: verifier,
		Tokens: issuer, Nonces: nonces, Attempts: signin.NewAttempts(), Now: now, Log: s.log,
		Observe: countOutcomes(metrics.Registry, "boundgate_sign_ins_total", "Sign-in requests by AADSTS code; 0 is success."),
	}
	if file := s.config.CountryDatabase; file != "" {
		countries, err := geoip.Open(file, s.log)
		if err != nil {
			return nil, err
		}
		signIns.Countries = countries
	}
	registrar := &registration.Registrar{
		Directory: s.db, Devices: s.db, Trail: s.db, Authority: &device.Authority{Secrets: s.db}, Now: now, Log: s.log,
		Observe: countRegistrations(metrics.Registry),
	}
	operator, _, err := setup.Operator(ctx, s.db)
	if err != nil {
		return nil, err
	}
	knowsCountries := signIns.Countries != nil
	administration := &admin.Service{Store: s.db, Passwords: s.passwords, Operator: operator, Keys: signingKeys, Now: time.Now,
		History:  history{s.logs, s.db},
		Evidence: policyEvidence{&logquery.Engine{Logs: s.logs, Now: time.Now}, s.db}, Countries: &knowsCountries}
	who := authenticator{tokens: verifier, admin: administration}
	s.feeder = &logstore.Feeder{Source: s.db, Sink: s.logs, Name: "state", Log: s.log, Alarm: func(err error) {
		if err != nil {
			metrics.Raise(s.log, "log-store", err, "Look at the disk of the log store; sign-ins go on meanwhile.")
			return
		}
		metrics.Clear(s.log, "log-store")
	}}

	tenants, graphAPI, logsAPI, operations := http.NewServeMux(), http.NewServeMux(), http.NewServeMux(), http.NewServeMux()
	oauth.Register(tenants, oauth.Service{
		SignIns: signIns, Tenants: s.db, Issuer: issuer, Keys: signingKeys.Public, ClientAddress: s.clientAddress,
	})
	drs.Register(tenants, drs.Handlers{
		Registrar: registrar, Tokens: verifier, Tenants: s.db, Nonce: signIns.Nonce, SignInURL: s.config.PublicURL,
		RegistrationURL: s.config.DeviceRegistration.URL, ClientAddress: s.clientAddress,
	})
	visits, err := s.visitKey(ctx)
	if err != nil {
		return nil, err
	}
	drawn, err := pages.New()
	if err != nil {
		return nil, err
	}
	signInPages := portal.Service{
		SignIns: signIns, Self: &selfservice.Service{Store: s.db, SignIns: graphSignIns{s.logs, s.db}, Now: now}, Pages: drawn, Issuer: issuer,
		Key: visits, Now: now, Log: s.log, ClientAddress: s.clientAddress,
	}
	portal.Register(tenants, signInPages)
	graph.Register(graphAPI, graph.Deps{
		Admin: administration, Auth: graphAuth{who}, SignIns: graphSignIns{s.logs, s.db}, PublicURL: s.config.PublicURL,
		ClientIP: s.clientAddress, Log: s.log,
	})
	loganalytics.Register(logsAPI, loganalytics.Service{
		Access: logAccess{who, s.db}, Engine: &logquery.Engine{Logs: s.logs, Now: time.Now}, Now: time.Now, Log: s.log,
	})
	operations.Handle("GET /healthz", telemetry.Healthz(s.log))
	operations.Handle("GET /readyz", telemetry.Readyz(s.log, telemetry.Check{Name: "state store", Run: s.db.Ping}))
	operations.Handle("GET /metrics", s.onlyFor(s.config.Metrics.Prefixes(), metrics.Handler()))

	watch := &telemetry.Observer{Log: s.log, Metrics: metrics, Trusted: s.config.Proxy.Prefixes()}
	return routes{
		operations: operations, graph: watch.Observe(graphAPI), logAnalytics: watch.Observe(logsAPI), tenants: watch.Observe(newLimiter(s.config, tenants, signInPages.Refuse, time.Now)),
	}, nil
}

// Serve answers requests until ctx ends, then lets those under way finish.
func (s *Server) Serve(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	main, devices := s.httpServer(), s.httpServer()
	main.TLSConfig, devices.TLSConfig = s.certificates.Main(), s.certificates.DeviceRegistration()
	ended := make(chan error, 3)
	go func() { ended <- main.ServeTLS(bounded(s.main, s.config), "", "") }()
	go func() { ended <- devices.ServeTLS(bounded(s.registration, s.config), "", "") }()
	var background sync.WaitGroup
	background.Go(func() { s.feeder.Run(ctx) })
	background.Go(func() { s.sweep(ctx) })
	background.Go(func() { s.rotateKeys(ctx) })
	retention := &logstore.Retention{Logs: s.logs, Days: s.config.Logs.RetentionDays, Now: time.Now, Log: s.log}
	background.Go(func() { retention.Run(ctx) })

	var err error
	select {
	case <-ctx.Done():
	case err = <-ended:
	}
	const grace = 10 * time.Second
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err = errors.Join(err, main.Shutdown(closing), devices.Shutdown(closing))
	stop()
	background.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (s *Server) httpServer() *http.Server {
	l := s.config.Limits
	return &http.Server{
		Handler: s.handler, ReadHeaderTimeout: l.ReadTimeout.Std(), ReadTimeout: l.ReadTimeout.Std(),
		IdleTimeout: l.IdleTimeout.Std(), MaxHeaderBytes: l.HeaderBytes, ErrorLog: telemetry.ServerErrorLog(s.log),
		WriteTimeout: writeTimeout,
	}
}

// writeTimeout bounds how long an answer may take; a query may run for ten minutes.
const writeTimeout = 11 * time.Minute

// Close closes listeners and stores.
func (s *Server) Close() error {
	var errs []error
	for _, l := range []net.Listener{s.main, s.registration} {
		if l != nil {
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if s.logs != nil {
		errs = append(errs, s.logs.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(errs...)
}

// URL returns the public address of the server.
func (s *Server) URL() string { return s.config.PublicURL }

// CAFile returns the path of the development certificate authority that clients have to trust; "" where there is none.
func (s *Server) CAFile() string { return s.certificates.CAFile() }

// First makes the operator's tenant on an empty store. The server must be opened anew afterwards: which tenant is the
// operator's is wired in.
func (s *Server) First(ctx context.Context, o setup.Organisation) (setup.Administrator, error) {
	return setup.First(ctx, s.db, s.passwords, o, time.Now().UTC().Truncate(time.Microsecond))
}

// Restored voids what was given out before a backup was restored. The server must be opened anew afterwards.
func (s *Server) Restored(ctx context.Context) error { return s.db.BumpEpoch(ctx) }

// Empty reports whether the first start has not happened yet.
func (s *Server) Empty(ctx context.Context) (bool, error) {
	_, done, err := setup.Operator(ctx, s.db)
	return !done, err
}

func (s *Server) nonces(ctx context.Context) (*prt.Nonces, error) {
	key, err := s.db.NonceKey(ctx)
	if err != nil {
		return nil, fmt.Errorf("nonce key: %w", err)
	}
	epoch, err := s.db.NonceEpoch(ctx)
	if err != nil {
		return nil, fmt.Errorf("nonce epoch: %w", err)
	}
	return &prt.Nonces{Key: key, Epoch: epoch}, nil
}

// visitKey is the key that seals the forms of the sign-in pages.
func (s *Server) visitKey(ctx context.Context) (key [32]byte, err error) {
	if _, err := rand.Read(key[:]); err != nil {
		return key, fmt.Errorf("draw the key of the sign-in pages: %w", err)
	}
	kept, err := s.db.PutSecret(ctx, "visit-key", key[:])
	if err != nil {
		return key, fmt.Errorf("key of the sign-in pages: %w", err)
	}
	if copy(key[:], kept) != len(key) {
		return key, errors.New("the key of the sign-in pages on record is too short")
	}
	return key, nil
}

func (s *Server) clientAddress(r *http.Request) string {
	addr := telemetry.ClientAddress(r, s.config.Proxy.Prefixes())
	if addr == (netip.Addr{}) {
		return ""
	}
	return addr.String()
}

// onlyFor answers to clients in networks; for others there is nothing here.
func (s *Server) onlyFor(networks []netip.Prefix, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addr := telemetry.ClientAddress(r, s.config.Proxy.Prefixes()).Unmap()
		if !slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// openStore opens the state store. The writer's name numbers its chain of rows.
func openStore(ctx context.Context, cfg config.Config, keys *seal.Keyring) (*store.DB, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name of this node: %w", err)
	}
	return store.Open(ctx, store.Options{Path: cfg.Database.Path, Sealer: sealer{keys}, Now: time.Now, Writer: host})
}

// now is the clock of the service, in the precision that the stores keep.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// countRegistrations returns a counter of device registrations by code.
func countRegistrations(registry prometheus.Registerer) func(code int) {
	count := countOutcomes(registry, "boundgate_device_registrations_total", "Device registrations by AADSTS code; 0 is success.")
	return func(code int) { count(code, true) }
}

// countOutcomes returns a counter of outcomes by code. Codes come from the catalogue of refusals: a short list.
func countOutcomes(registry prometheus.Registerer, name, help string) func(code int, interactive bool) {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"code", "interactive"})
	registry.MustRegister(counter)
	return func(code int, interactive bool) {
		counter.WithLabelValues(strconv.Itoa(code), strconv.FormatBool(interactive)).Inc()
	}
}

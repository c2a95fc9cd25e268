package setup_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"boundgate/internal/audit"
	"boundgate/internal/directory"
	"boundgate/internal/password"
	"boundgate/internal/seal"
	"boundgate/internal/setup"
	"boundgate/internal/store"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

type sealer struct{ keys *seal.Keyring }

func (s sealer) Seal(b []byte, tenant, table, row, column string) ([]byte, error) {
	return s.keys.Seal(b, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

func (s sealer) Open(b []byte, tenant, table, row, column string) ([]byte, error) {
	return s.keys.Open(b, seal.AssociatedData{Tenant: tenant, Table: table, Row: row, Column: column})
}

func open(t *testing.T) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{
		Path: filepath.Join(t.TempDir(), "state.db"), Sealer: sealer{seal.Generate()}, Now: func() time.Time { return noon }, Writer: "test",
	})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() }) // a test may have closed it
	return db
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func passwords(t *testing.T) *password.Pool {
	t.Helper()
	pool, err := password.NewPool(2, 16)
	must(t, err)
	return pool
}

var contoso = setup.Organisation{DisplayName: "Contoso", Domain: "Contoso.Example", Licensed: 5}

// tenants returns how many tenants there are.
func tenants(t *testing.T, db *store.DB) int {
	t.Helper()
	all, err := db.Tenants(t.Context())
	must(t, err)
	return len(all)
}

// The first start makes a whole tenant: an administrator who can sign in, the licence, the operator's right, an audit row for
// each. It happens once.
func TestFirst(t *testing.T) {
	ctx, db, pool := t.Context(), open(t), passwords(t)
	if _, done, err := setup.Operator(ctx, db); done || err != nil {
		t.Fatalf("Operator of an empty store = %t, %v", done, err)
	}
	admin, err := setup.First(ctx, db, pool, contoso, noon)
	must(t, err)
	if operator, done, err := setup.Operator(ctx, db); operator != admin.Tenant || !done || err != nil {
		t.Errorf("Operator = %q, %t, %v; want %q", operator, done, err, admin.Tenant)
	}
	user, err := db.UserByName(ctx, admin.Tenant, "admin@contoso.example")
	must(t, err)
	if ok, err := pool.Verify(ctx, user.PasswordHash, admin.Password); !ok || err != nil || !user.Enabled || !user.EmergencyAccess {
		t.Errorf("the administrator cannot sign in: password %t, %v, enabled %t, emergency access %t", ok, err, user.Enabled, user.EmergencyAccess)
	}
	_, roles, err := db.Memberships(ctx, admin.Tenant, user.ID)
	must(t, err)
	licences, err := db.Licences(ctx, admin.Tenant)
	must(t, err)
	rows, err := db.AuditEntries(ctx, admin.Tenant, audit.Query{Limit: 10})
	must(t, err)
	if !roles[directory.GlobalAdministrator] || len(licences) != 1 || licences[0].Units != 5 || len(rows) != 4 {
		t.Errorf("roles %v, licences %v, %d audit rows; want a Global Administrator, 5 units, 4 rows", roles, licences, len(rows))
	}
	if _, err := setup.First(ctx, db, pool, setup.Organisation{Domain: "fabrikam.example"}, noon); !errors.Is(err, setup.ErrDone) {
		t.Errorf("First again = %v, want ErrDone", err)
	}
	if n := tenants(t, db); n != 1 {
		t.Errorf("%d tenants after a second first start, want 1", n)
	}
}

// A barrier is a store in which first starts wait for each other where each has seen that there is no operator yet.
type barrier struct {
	*store.DB
	all *sync.WaitGroup
}

func (b barrier) FoundTenant(ctx context.Context, f directory.Founding, rows ...audit.Entry) error {
	b.all.Done()
	b.all.Wait()
	return b.DB.FoundTenant(ctx, f, rows...)
}

// Two first starts at once make one operator, and the other leaves nothing.
func TestTwoFirstStartsAtOnce(t *testing.T) {
	for _, tt := range []struct{ name, domain string }{
		{"of the same organisation", contoso.Domain},
		{"of different organisations", "fabrikam.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db, pool := open(t), passwords(t)
			gate := barrier{DB: db, all: new(sync.WaitGroup)}
			gate.all.Add(2)
			var made [2]setup.Administrator
			var errs [2]error
			var both sync.WaitGroup
			for n, o := range []setup.Organisation{contoso, {DisplayName: "Other", Domain: tt.domain}} {
				both.Go(func() { made[n], errs[n] = setup.First(t.Context(), gate, pool, o, noon) })
			}
			both.Wait()
			won, lost := 0, 1
			if errs[0] != nil {
				won, lost = 1, 0
			}
			if errs[won] != nil || !errors.Is(errs[lost], setup.ErrDone) {
				t.Fatalf("First = %v and %v; want one to succeed and one ErrDone", errs[won], errs[lost])
			}
			operator, _, err := setup.Operator(t.Context(), db)
			if n := tenants(t, db); operator != made[won].Tenant || err != nil || n != 1 || made[lost] != (setup.Administrator{}) {
				t.Errorf("operator %q, %v, of %d tenants; want %q alone. The other start made %v", operator, err, n, made[won].Tenant, made[lost])
			}
		})
	}
}

// A torn store fails in the last step of a founding.
type torn struct{ *store.DB }

func (s torn) FoundTenant(ctx context.Context, f directory.Founding, rows ...audit.Entry) error {
	return s.DB.FoundTenant(ctx, f, append(rows, rows[0])...) // the second of two rows with one id
}

type noHash struct{}

func (noHash) Hash(context.Context, string) (string, error) { return "", password.ErrBusy }

// A first start that fails leaves nothing, does not say that it has happened, and can be tried again.
func TestAFirstStartThatFailsCanBeTriedAgain(t *testing.T) {
	for _, tt := range []struct {
		name string
		try  func(t *testing.T, db *store.DB) error
		want error
	}{
		{"its last step fails", func(t *testing.T, db *store.DB) error {
			_, err := setup.First(t.Context(), torn{db}, passwords(t), contoso, noon)
			return err
		}, directory.ErrExists},
		{"no password can be hashed", func(t *testing.T, db *store.DB) error {
			_, err := setup.First(t.Context(), db, noHash{}, contoso, noon)
			return err
		}, password.ErrBusy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := open(t)
			if err := tt.try(t, db); !errors.Is(err, tt.want) || errors.Is(err, setup.ErrDone) {
				t.Errorf("First = %v, want %v", err, tt.want)
			}
			if _, done, err := setup.Operator(t.Context(), db); done || err != nil || tenants(t, db) != 0 {
				t.Errorf("it left %d tenants, an operator's: %t, %v", tenants(t, db), done, err)
			}
			if _, err := setup.First(t.Context(), db, passwords(t), contoso, noon); err != nil {
				t.Errorf("another try: %v", err)
			}
		})
	}
}

// A domain that a tenant has is no first start that has happened: who reads the error must not look for an operator.
func TestADomainThatIsTakenIsNotAFirstStart(t *testing.T) {
	ctx, db, pool := t.Context(), open(t), passwords(t)
	must(t, db.FoundTenant(ctx, directory.Founding{Tenant: directory.Tenant{ID: "d0000000-0000-4000-8000-000000000001", DisplayName: "Left over", CreatedAt: noon,
		Domains: []directory.Domain{{Name: "contoso.example", Verified: true, Initial: true}}}}, audit.Entry{ID: "1", At: noon}))
	_, err := setup.First(ctx, db, pool, contoso, noon)
	if !errors.Is(err, directory.ErrExists) || errors.Is(err, setup.ErrDone) || !strings.Contains(err.Error(), "choose another domain") {
		t.Errorf("First in a domain that is taken = %v; want an error that says what to do, and not ErrDone", err)
	}
	if _, err := setup.First(ctx, db, pool, setup.Organisation{DisplayName: "Fabrikam", Domain: "fabrikam.example"}, noon); err != nil {
		t.Errorf("First in another domain: %v", err)
	}
}

// Where it cannot be known whether there was a first start, there is none. // P19
func TestAStoreThatCannotBeReadHasNoFirstStart(t *testing.T) {
	db := open(t)
	must(t, db.Close())
	if admin, err := setup.First(t.Context(), db, passwords(t), contoso, noon); err == nil || errors.Is(err, setup.ErrDone) || admin != (setup.Administrator{}) {
		t.Errorf("First on a closed store = %v, %v; want an error", admin, err)
	}
}

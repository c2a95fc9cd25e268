package inforce_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/audit"
	"boundgate/internal/directory"
	"boundgate/internal/inforce"
	"boundgate/internal/policy"
	"boundgate/internal/store"
)

const tenant = directory.TenantID("9f2b6c1d-7a44-4c0e-8b7e-0c6a1f3d2e55")

func entry() audit.Entry { return audit.Entry{ID: uuid.NewString(), Tenant: tenant, At: time.Now()} }

func blockAll(state policy.State) policy.Policy {
	p := policy.Policy{ID: "11111111-1111-4111-8111-111111111111", DisplayName: "Block", State: state}
	p.Conditions.Users.IncludeUsers = []string{"All"}
	p.Conditions.Applications.IncludeApplications = []string{"All"}
	p.Conditions.ClientAppTypes = []policy.ClientAppType{"all"}
	p.GrantControls = &policy.GrantControls{Operator: "OR", BuiltInControls: []string{"block"}}
	return policy.Normalise(p)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens a store with one tenant.
func open(t *testing.T) *store.DB {
	t.Helper()
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{Path: filepath.Join(t.TempDir(), "state.db"), Now: time.Now, Writer: "test"})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() }) // a test may have closed it
	must(t, db.FoundTenant(ctx, directory.Founding{Tenant: directory.Tenant{ID: tenant, DisplayName: "Contoso", CreatedAt: time.Now()}}, entry()))
	return db
}

// refuses reports whether the policies in force refuse somebody whom blockAll is about.
func refuses(t *testing.T, policies *inforce.Cache) bool {
	t.Helper()
	set, err := policies.PoliciesInForce(context.Background(), tenant)
	must(t, err)
	return set.Decide(policy.Facts{Tenant: tenant, User: "u", Audiences: []directory.AppID{"a"}}).Err() != nil
}

// A change is in force for the next request, in either direction, and a store that cannot be read decides nothing. // P06 P19
func TestAChangeIsInForceForTheNextRequest(t *testing.T) {
	ctx := context.Background()
	db := open(t)
	policies := inforce.New(db)
	if refuses(t, policies) {
		t.Error("refused without a policy")
	}
	for range 3 {
		must(t, db.PutPolicy(ctx, tenant, blockAll(policy.Enabled), entry()))
		if !refuses(t, policies) {
			t.Error("a policy that was switched on is not in force")
		}
		must(t, db.PutPolicy(ctx, tenant, blockAll(policy.ReportOnly), entry()))
		if refuses(t, policies) {
			t.Error("a policy that was set to report-only is still in force")
		}
	}
	must(t, db.PutPolicy(ctx, tenant, blockAll(policy.Enabled), entry()))
	must(t, db.DeletePolicy(ctx, tenant, blockAll(policy.Enabled).ID, entry()))
	if refuses(t, policies) {
		t.Error("a policy that was deleted is still in force")
	}
	must(t, db.Close())
	if set, err := policies.PoliciesInForce(ctx, tenant); err == nil || set != nil {
		t.Errorf("without its store: %v, %v", set, err)
	}
	if _, err := policies.PoliciesInForce(ctx, tenant); errors.Is(err, directory.ErrNotFound) {
		t.Error("a store that is gone looks like a tenant without policies")
	}
}

// unreadable is a store that knows that there are policies and cannot say which.
type unreadable struct {
	*store.DB
	broken error
}

func (s *unreadable) Policies(ctx context.Context, tenant directory.TenantID) ([]policy.Policy, error) {
	if s.broken != nil {
		return nil, s.broken
	}
	return s.DB.Policies(ctx, tenant)
}

// Policies that cannot be read are not the same as none, and nothing is remembered of the failure. // P06 P19
func TestPoliciesThatCannotBeReadAreNotNone(t *testing.T) {
	ctx := context.Background()
	db := open(t)
	must(t, db.PutPolicy(ctx, tenant, blockAll(policy.Enabled), entry()))
	failing := &unreadable{DB: db, broken: errors.New("the disk does not answer")}
	policies := inforce.New(failing)
	if set, err := policies.PoliciesInForce(ctx, tenant); set != nil || !errors.Is(err, failing.broken) {
		t.Errorf("PoliciesInForce of policies that cannot be read = %v, %v; want the store's error", set, err)
	}
	failing.broken = nil
	if !refuses(t, policies) {
		t.Error("once the store answers, its policy is not in force")
	}
	must(t, db.PutPolicy(ctx, tenant, blockAll(policy.ReportOnly), entry()))
	failing.broken = errors.New("the disk does not answer again")
	if set, err := policies.PoliciesInForce(ctx, tenant); set != nil || !errors.Is(err, failing.broken) {
		t.Errorf("PoliciesInForce after a change that cannot be read = %v, %v; want the store's error, not the policies before it", set, err)
	}
}

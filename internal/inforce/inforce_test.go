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

// A change is in force for the next request, in either direction, and a store that cannot be read decides nothing. // P06 P19
func TestAChangeIsInForceForTheNextRequest(t *testing.T) {
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{Path: filepath.Join(t.TempDir(), "state.db"), Now: time.Now, Writer: "test"})
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(db.CreateTenant(ctx, directory.Tenant{ID: tenant, DisplayName: "Contoso", CreatedAt: time.Now()}, entry()))
	policies := inforce.New(db)
	refuses := func() bool {
		t.Helper()
		set, err := policies.PoliciesInForce(ctx, tenant)
		must(err)
		return set.Decide(policy.Facts{Tenant: tenant, User: "u", Audiences: []directory.AppID{"a"}}).Err() != nil
	}
	if refuses() {
		t.Error("refused without a policy")
	}
	for range 3 {
		must(db.PutPolicy(ctx, tenant, blockAll(policy.Enabled), entry()))
		if !refuses() {
			t.Error("a policy that was switched on is not in force")
		}
		must(db.PutPolicy(ctx, tenant, blockAll(policy.ReportOnly), entry()))
		if refuses() {
			t.Error("a policy that was set to report-only is still in force")
		}
	}
	must(db.PutPolicy(ctx, tenant, blockAll(policy.Enabled), entry()))
	must(db.DeletePolicy(ctx, tenant, blockAll(policy.Enabled).ID, entry()))
	if refuses() {
		t.Error("a policy that was deleted is still in force")
	}
	must(db.Close())
	if set, err := policies.PoliciesInForce(ctx, tenant); err == nil || set != nil {
		t.Errorf("without its store: %v, %v", set, err)
	}
	if _, err := policies.PoliciesInForce(ctx, tenant); errors.Is(err, directory.ErrNotFound) {
		t.Error("a store that is gone looks like a tenant without policies")
	}
}

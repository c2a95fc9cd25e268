package admin_test

import (
	"context"
	"errors"
	"testing"

	"boundgate/internal/admin"
	"boundgate/internal/admin/admintest"
	"boundgate/internal/audit"
	"boundgate/internal/directory"
)

// A torn store fails in the last step of a founding.
type torn struct{ admin.Store }

func (s torn) FoundTenant(ctx context.Context, f directory.Founding, rows ...audit.Entry) error {
	return s.Store.FoundTenant(ctx, f, append(rows, rows[0])...) // the second of two rows with one id
}

// A tenant that cannot be made whole is not made, and its domain is free for another try, which gives it its administrator.
func TestATenantBeginsWholeOrNotAtAll(t *testing.T) {
	ctx, o := t.Context(), admintest.NewOrganisation(t)
	c := admintest.Caller(contoso, directory.GlobalAdministrator)
	wanted := admin.NewTenant{DisplayName: "New", Domain: "new.example", Administrator: admin.NewUser{UPN: "admin@new.example", DisplayName: "Admin"}}
	o.Service.Store = torn{o.Store}
	if made, _, _, err := o.Service.CreateTenant(ctx, c, wanted); err == nil {
		t.Errorf("CreateTenant in a store that fails = %+v", made)
	}
	if _, err := o.Store.TenantByName(ctx, wanted.Domain); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("after a failure there is a tenant: %v", err)
	}
	if n := len(o.Entries(t)); n != 0 {
		t.Errorf("after a failure there are %d audit rows", n)
	}

	o.Service.Store = o.Store
	made, first, password, err := o.Service.CreateTenant(ctx, c, wanted)
	if err != nil || password == "" {
		t.Fatalf("another try: password %q, %v", password, err)
	}
	if _, roles, err := o.Store.Memberships(ctx, made.ID, first.ID); err != nil || !roles[directory.GlobalAdministrator] {
		t.Errorf("the first user's roles: %v, %v", roles, err)
	}
	for tenant, want := range map[directory.TenantID]int{contoso: 1, made.ID: 2} {
		rows, err := o.Store.AuditEntries(ctx, tenant, audit.Query{Limit: 100})
		if got := caused(rows, c); err != nil || got != want {
			t.Errorf("audit rows of the caller in %s: %d, %v; want %d", tenant, got, err, want)
		}
	}
}

// caused counts the rows of changes that a caller made.
func caused(rows []audit.Entry, c admin.Caller) (n int) {
	for _, row := range rows {
		if row.Actor.User == c.User {
			n++
		}
	}
	return n
}

package admin_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"boundgate/internal/admin/admintest"
	"boundgate/internal/directory"
	"boundgate/internal/factor"
)

// A lost phone is removed, with a row that tells what it was and no secret; the person's other factors, and those of others,
// stay. // P11
func TestRemoveFactor(t *testing.T) {
	o := admintest.NewOrganisation(t)
	phone := id("mika's phone")
	before, err := o.Store.UserByID(ctx, contoso, admintest.ID(contoso, "mika"))
	if err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]struct {
		kind     factor.Kind
		user, id string
	}{
		"by another kind": {factor.PassKey, "mika", phone}, "of another user": {factor.TOTP, "breakglass", phone}, "twice removed": {factor.TOTP, "mika", id("nothing")},
	} {
		if err := o.Service.RemoveFactor(ctx, global, id(try.user), try.kind, try.id); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s: %v, want not found", name, err)
		}
	}
	if err := o.Service.RemoveFactor(ctx, global, "MIKA@contoso.example", factor.TOTP, strings.ToUpper(phone)); err != nil {
		t.Fatal(err)
	}
	if left := kinds(t, o, "mika"); !slices.Equal(left, []factor.Kind{factor.PassKey}) {
		t.Errorf("left: %v", left)
	}
	if left := kinds(t, o, "admin"); !slices.Equal(left, []factor.Kind{factor.TOTP}) {
		t.Errorf("left to another: %v", left)
	}
	after, err := o.Store.UserByID(ctx, contoso, before.ID)
	if err != nil || !after.SessionsValidFrom.Equal(before.SessionsValidFrom) {
		t.Errorf("the user's sessions have ended: %v", err)
	}
	rows := o.Entries(t)
	if len(rows) != 1 || rows[0].Activity != "Admin deleted security info" || rows[0].TargetID != id("mika") || rows[0].After != nil {
		t.Fatalf("rows: %+v", rows)
	}
	if row := string(rows[0].Before); !strings.Contains(row, phone) || !strings.Contains(row, `"kind":"softwareOath"`) || strings.Contains(row, admintest.TOTPKey) {
		t.Errorf("before: %s", row)
	}
}

func kinds(t *testing.T, o *admintest.Organisation, who string) (list []factor.Kind) {
	t.Helper()
	factors, err := o.Service.Factors(ctx, global, id(who))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range factors {
		if f.Secret != "" || f.Credential != nil {
			t.Errorf("%s is listed with what it proves itself with", f.ID)
		}
		list = append(list, f.Kind)
	}
	return list
}

// Everybody may read their own, whatever their role.
func TestOwnFactors(t *testing.T) {
	o := admintest.NewOrganisation(t)
	mika := admintest.Caller(contoso)
	mika.User = admintest.ID(contoso, "mika")
	if list, err := o.Service.Factors(ctx, mika, id("mika")); err != nil || len(list) != 2 {
		t.Errorf("own factors: %d, %v", len(list), err)
	}
	if err := o.Service.RemoveFactor(ctx, mika, id("mika"), factor.TOTP, id("mika's phone")); err == nil {
		t.Error("a thief of the session removes the owner's factor")
	}
}

package registrationtest

import (
	"log/slog"
	"strconv"
	"testing"
	"time"

	"boundgate/internal/device"
	"boundgate/internal/device/devicetest"
	"boundgate/internal/directory"
	"boundgate/internal/registration"
	"boundgate/internal/session"
)

// The tenants, and a user of each, that a World begins with.
const (
	Contoso  directory.TenantID = "11111111-2222-4333-8444-555555555555"
	Fabrikam directory.TenantID = "66666666-7777-4888-9999-aaaaaaaaaaaa"

	Pilot   directory.ObjectID = "0a0b0c0d-0e0f-4a0b-8c0d-0e0f0a0b0c0d" // of Contoso
	CoPilot directory.ObjectID = "1a1b1c1d-1e1f-4a1b-8c1d-1e1f1a1b1c1d" // of Contoso
	Rival   directory.ObjectID = "2a2b2c2d-2e2f-4a2b-8c2d-2e2f2a2b2c2d" // of Fabrikam
)

// Noon is when a World begins.
var Noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A World is a registrar over a store with two tenants, and a clock that the test moves.
type World struct {
	Store     *Store
	Authority *device.Authority
	Registrar *registration.Registrar
	Secrets   *devicetest.Secrets
	At        time.Time
	tokens    int // that were issued, so that each has an id of its own
}

// NewWorld returns a world in which nothing has happened.
func NewWorld(t testing.TB) *World {
	t.Helper()
	w := &World{Store: &Store{}, Secrets: &devicetest.Secrets{}, At: Noon}
	w.Authority = &device.Authority{Secrets: w.Secrets}
	w.Registrar = &registration.Registrar{
		Directory: w.Store, Devices: w.Store, Trail: w.Store, Authority: w.Authority,
		Now: func() time.Time { return w.At }, Log: slog.New(slog.DiscardHandler),
	}
	w.Set(Contoso, directory.Settings{})
	w.Set(Fabrikam, directory.Settings{})
	made := Noon.Add(-24 * time.Hour)
	for _, u := range []directory.User{
		{ID: Pilot, Tenant: Contoso, UPN: "pilot@contoso.test"},
		{ID: CoPilot, Tenant: Contoso, UPN: "copilot@contoso.test"},
		{ID: Rival, Tenant: Fabrikam, UPN: "rival@fabrikam.test"},
	} {
		u.Enabled, u.Type, u.CreatedAt, u.PasswordChangedAt, u.SessionsValidFrom = true, directory.Member, made, made, made
		w.Store.AddUser(u)
	}
	return w
}

// Set gives a tenant its settings.
func (w *World) Set(id directory.TenantID, settings directory.Settings) {
	name := map[directory.TenantID]string{Contoso: "contoso.test", Fabrikam: "fabrikam.test"}[id]
	w.Store.AddTenant(directory.Tenant{
		ID: id, DisplayName: name, Settings: settings,
		Domains: []directory.Domain{{Name: name, Verified: true, Initial: true}},
	})
}

// SignIn returns what the access token of a fresh sign-in with a password says.
func (w *World) SignIn(tenant directory.TenantID, user directory.ObjectID) registration.Authorization {
	w.tokens++
	return registration.Authorization{
		Tenant: tenant, User: user, Client: directory.AuthenticationBroker,
		TokenID: "token-" + strconv.Itoa(w.tokens), SignIn: "sign-in",
		AuthTime: w.At, Strength: session.Strength{session.Password}, Fresh: true, TransferMethod: "none",
	}
}

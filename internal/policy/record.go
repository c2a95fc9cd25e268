package policy

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"boundgate/internal/devicefilter"
	"boundgate/internal/directory"
)

// recordVersion is that of the form in which facts are kept.
const recordVersion = 1

// A record is Facts as the sign-in log keeps them: what a later release needs to decide again. Of the user's groups and
// roles it has nothing: they are looked up when the decision is made again.
type record struct {
	Version          int                  `json:"v"`
	At               int64                `json:"at"` // microseconds since 1970
	User             directory.ObjectID   `json:"user,omitempty"`
	Guest            bool                 `json:"guest,omitempty"`
	ExternalKind     ExternalKind         `json:"kind,omitempty"`
	HomeTenant       directory.TenantID   `json:"home,omitempty"`
	ServicePrincipal directory.ObjectID   `json:"sp,omitempty"`
	Audiences        []directory.AppID    `json:"for,omitempty"`
	UserAction       UserAction           `json:"action,omitempty"`
	Contexts         []string             `json:"acrs,omitempty"`
	Client           directory.AppID      `json:"client,omitempty"`
	ClientApp        ClientAppType        `json:"app,omitempty"`
	Platform         Platform             `json:"os,omitempty"`
	TransferMethod   string               `json:"flow,omitempty"`
	MultiFactor      bool                 `json:"mfa,omitempty"`
	Passkey          bool                 `json:"fido,omitempty"`
	AuthTime         int64                `json:"auth,omitempty"` // microseconds since 1970
	Address          netip.Addr           `json:"ip,omitzero"`
	Country          string               `json:"country,omitempty"`
	SignInRisk       RiskLevel            `json:"risk,omitempty"`
	UserRisk         RiskLevel            `json:"urisk,omitempty"`
	ClientRisk       RiskLevel            `json:"sprisk,omitempty"`
	InsiderRisk      InsiderRisk          `json:"irisk,omitempty"`
	Device           *devicefilter.Device `json:"device,omitempty"`
	Compliant        bool                 `json:"compliant,omitempty"`
	HybridJoined     bool                 `json:"hybrid,omitempty"`
	Status           Status               `json:"bound,omitempty"`
	Code             Code                 `json:"code,omitempty"`
	Reason           Reason               `json:"why,omitempty"`
}

// Record returns the facts in the form in which the sign-in log keeps them. RestoreFacts gives them back, but for the
// tenant, groups and roles.
func (f Facts) Record() (string, error) {
	r := record{
		Version: recordVersion, At: f.At.UnixMicro(), User: f.User, Guest: f.Guest, ExternalKind: f.ExternalKind, HomeTenant: f.HomeTenant,
		ServicePrincipal: f.ServicePrincipal, Audiences: f.Audiences, UserAction: f.UserAction, Contexts: f.Contexts, Client: f.Client,
		ClientApp: f.ClientApp, Platform: f.Platform, TransferMethod: f.TransferMethod, MultiFactor: f.MultiFactor, Passkey: f.Passkey,
		Address: f.Address, Country: f.Country, SignInRisk: f.SignInRisk, UserRisk: f.UserRisk, ClientRisk: f.ServicePrincipalRisk,
		InsiderRisk: f.InsiderRisk, Device: f.Device, Compliant: f.Compliant, HybridJoined: f.HybridJoined,
		Status: f.Binding.Status, Code: f.Binding.Code, Reason: f.Binding.Reason,
	}
	if !f.AuthTime.IsZero() {
		r.AuthTime = f.AuthTime.UnixMicro()
	}
	text, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode the facts of a sign-in: %w", err)
	}
	return string(text), nil
}

// RestoreFacts returns the facts that a record holds. They have no tenant, groups and roles. A record of a later form is an
// error: what it says more could change the decision.
func RestoreFacts(text string) (Facts, error) {
	var r record
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return Facts{}, fmt.Errorf("decode the facts of a sign-in: %w", err)
	}
	if r.Version != recordVersion {
		return Facts{}, fmt.Errorf("the facts of a sign-in have the form %d, and this release reads %d", r.Version, recordVersion)
	}
	f := Facts{
		At: time.UnixMicro(r.At).UTC(), User: r.User, Guest: r.Guest, ExternalKind: r.ExternalKind, HomeTenant: r.HomeTenant,
		ServicePrincipal: r.ServicePrincipal, Audiences: r.Audiences, UserAction: r.UserAction, Contexts: r.Contexts, Client: r.Client,
		ClientApp: r.ClientApp, Platform: r.Platform, TransferMethod: r.TransferMethod, MultiFactor: r.MultiFactor, Passkey: r.Passkey,
		Address: r.Address, Country: r.Country, SignInRisk: r.SignInRisk, UserRisk: r.UserRisk, ServicePrincipalRisk: r.ClientRisk,
		InsiderRisk: r.InsiderRisk, Device: r.Device, Compliant: r.Compliant, HybridJoined: r.HybridJoined,
		Binding: Binding{Status: r.Status, Code: r.Code, Reason: r.Reason},
	}
	if r.AuthTime != 0 {
		f.AuthTime = time.UnixMicro(r.AuthTime).UTC()
	}
	return f, nil
}

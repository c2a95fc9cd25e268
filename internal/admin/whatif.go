package admin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"boundgate/internal/device"
	"boundgate/internal/devicefilter"
	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

// A Hypothetical is a sign-in that nobody has made, for What-If. What is "" or nil is not known, and never in favour of the
// one who signs in (P07).
type Hypothetical struct {
	// User or ServicePrincipal asks, by object id. An external user whose account is not in the tenant has an ExternalKind
	// and a HomeTenant in place of an id.
	User             string
	ServicePrincipal string
	ExternalKind     policy.ExternalKind
	HomeTenant       directory.TenantID

	Applications []string // application ids of resources
	UserAction   policy.UserAction
	Contexts     []string

	Client         string // application id of the client
	ClientApp      policy.ClientAppType
	Platform       policy.Platform
	TransferMethod string
	Address        string
	Country        string

	SignInRisk, UserRisk, ServicePrincipalRisk policy.RiskLevel
	InsiderRisk                                policy.InsiderRisk

	// DeviceID names a device of the tenant. Properties are those of a device under the names of the filter's language; they
	// count before what the tenant has recorded.
	DeviceID   string
	Properties map[devicefilter.Property][]string

	// What the session would have: a second factor, a passkey, a binding, and how old it is. Bound is true, false, or nil.
	MultiFactor, Passkey bool
	Bound                *bool
	Age                  *time.Duration
}

// An Analysis is what the policies would say of a hypothetical sign-in.
type Analysis struct {
	Facts   policy.Facts
	Verdict policy.Verdict
	// Policies are those of Verdict.Applied, in its order.
	Policies []policy.Policy
}

// WhatIf evaluates a hypothetical sign-in with the policies of the caller's tenant, by the function that decides on real
// ones (P18).
func (s *Service) WhatIf(ctx context.Context, c Caller, h Hypothetical) (Analysis, error) {
	for _, op := range []Operation{ReadPolicies, ReadDirectory} {
		if err := Authorize(c, op); err != nil {
			return Analysis{}, err
		}
	}
	policies, err := s.Store.Policies(ctx, c.Tenant)
	if err != nil {
		return Analysis{}, fmt.Errorf("list policies: %w", err)
	}
	locations, err := s.Store.Locations(ctx, c.Tenant)
	if err != nil {
		return Analysis{}, fmt.Errorf("list named locations: %w", err)
	}
	set, err := policy.NewSet(policies, locations)
	if err != nil {
		return Analysis{}, fmt.Errorf("compile the policies: %w", err)
	}
	facts, err := s.factsOf(ctx, c.Tenant, h)
	if err != nil {
		return Analysis{}, err
	}
	return Analysis{Facts: facts, Verdict: set.Evaluate(facts), Policies: policies}, nil
}

// factsOf gathers what the policies look at. Everything that is wrong with h is told at once.
func (s *Service) factsOf(ctx context.Context, tenant directory.TenantID, h Hypothetical) (policy.Facts, error) {
	f := policy.Facts{
		At: s.now(), Tenant: tenant, HomeTenant: tenant, UserAction: h.UserAction, Contexts: h.Contexts, ClientApp: h.ClientApp,
		Platform: h.Platform, TransferMethod: h.TransferMethod, Country: h.Country, MultiFactor: h.MultiFactor || h.Passkey, Passkey: h.Passkey,
		SignInRisk: h.SignInRisk, UserRisk: h.UserRisk, ServicePrincipalRisk: h.ServicePrincipalRisk, InsiderRisk: h.InsiderRisk,
	}
	if h.Age != nil {
		f.AuthTime = f.At.Add(-*h.Age)
	}
	var found problems
	for _, step := range []func(context.Context, Hypothetical, *policy.Facts, *problems) error{s.hypotheticalIdentity, s.hypotheticalTarget, s.hypotheticalDevice} {
		if err := step(ctx, h, &f, &found); err != nil {
			return f, err
		}
	}
	if h.Address != "" {
		address, err := netip.ParseAddr(h.Address)
		if err != nil {
			found.add("/signInConditions/ipAddress", fmt.Sprintf("%q is no IP address.", clip(h.Address)), "Write it like 203.0.113.7 or 2001:db8::1.")
		}
		f.Address = address.Unmap().WithZone("")
	}
	return f, found.err()
}

func (s *Service) hypotheticalIdentity(ctx context.Context, h Hypothetical, f *policy.Facts, found *problems) error {
	if h.ServicePrincipal != "" {
		id, ok := objectID(h.ServicePrincipal)
		if !ok {
			found.add("/signInIdentity/servicePrincipalId", "This is no object id of a service principal.", "List them with GET /servicePrincipals.")
		}
		f.ServicePrincipal = id
		return nil
	}
	f.ExternalKind, f.Guest = h.ExternalKind, h.ExternalKind != ""
	if h.HomeTenant != "" {
		f.HomeTenant = h.HomeTenant
	}
	if h.User == "" {
		if !f.Guest {
			found.add("/signInIdentity", "The sign-in has no user and no service principal.", "Name one, or the kind of external user.")
		}
		return nil
	}
	id, ok := objectID(h.User)
	u, err := directory.User{}, directory.ErrNotFound
	if ok {
		u, err = s.Store.UserByID(ctx, f.Tenant, id)
	}
	if errors.Is(err, directory.ErrNotFound) {
		found.add("/signInIdentity/userId", "There is no such user in this tenant.", "Correct the id, or name the kind of external user.")
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up the user: %w", err)
	}
	f.User, f.HomeTenant = u.ID, u.Home()
	switch {
	case h.ExternalKind != "":
	case u.HomeTenant != "" && u.Type == directory.Guest:
		f.ExternalKind = policy.CollaborationGuest
	case u.HomeTenant != "":
		f.ExternalKind = policy.CollaborationMember
	case u.Type == directory.Guest:
		f.ExternalKind = policy.InternalGuest
	}
	f.Guest = f.ExternalKind != ""
	if f.Groups, f.Roles, err = s.Store.Memberships(ctx, f.Tenant, u.ID); err != nil {
		return fmt.Errorf("look up the user's groups: %w", err)
	}
	return nil
}

// hypotheticalTarget adds what is asked for. A resource counts with those that are reached together with it, as in a real
// sign-in.
func (s *Service) hypotheticalTarget(ctx context.Context, h Hypothetical, f *policy.Facts, found *problems) error {
	if id, ok := objectID(h.Client); ok {
		f.Client = directory.AppID(id)
	} else if h.Client != "" {
		found.add("/signInContext/clientApplication", "This is no application id.", "Use the application's appId.")
	}
	if len(h.Applications) == 0 {
		return nil
	}
	resources, err := s.Store.Resources(ctx, f.Tenant)
	if err != nil {
		return fmt.Errorf("list resources: %w", err)
	}
	for i, text := range h.Applications {
		id, ok := objectID(text)
		at := slices.IndexFunc(resources, func(r directory.Resource) bool { return string(r.AppID) == string(id) })
		if !ok || at < 0 {
			found.add(fmt.Sprintf("/signInContext/includeApplications/%d", i), fmt.Sprintf("There is no resource with the id %q in this tenant.", clip(text)),
				"Correct the id; GET /servicePrincipals lists them.")
			continue
		}
		f.Audiences = append(append(f.Audiences, resources[at].AppID), resources[at].EarlyBound...)
	}
	return nil
}

// hypotheticalDevice adds the device, and whether the session would be bound to it: the judgement of real sessions, where a
// device of the tenant is named.
func (s *Service) hypotheticalDevice(ctx context.Context, h Hypothetical, f *policy.Facts, found *problems) error {
	if h.DeviceID == "" && h.Properties == nil {
		s.hypotheticalBinding(ctx, h, nil, f)
		return nil
	}
	var recorded *device.Device
	view := devicefilter.Device{}
	if h.DeviceID != "" {
		d, err := s.findDevice(ctx, f.Tenant, DeviceKey{DeviceID: h.DeviceID})
		switch {
		case err == nil:
			recorded, view = &d, *devicefilter.FromDevice(d)
		case errors.Is(err, device.ErrNotFound) && h.Properties == nil:
			found.add("/signInConditions/deviceInfo/deviceId", "There is no such device in this tenant.", "Correct the id, or describe the device by its properties.")
			return nil
		case !errors.Is(err, device.ErrNotFound):
			return fmt.Errorf("look up the device: %w", err)
		}
	}
	for p, values := range h.Properties {
		if err := view.Set(p, values...); err != nil {
			found.add("/signInConditions/deviceInfo/"+p.String(), strings.TrimPrefix(err.Error(), "devicefilter: ")+".", "See the properties of device filters.")
		}
	}
	f.Device = &view
	f.Compliant = view.Compliant()
	f.HybridJoined = strings.EqualFold(view.Text(devicefilter.TrustType).String(), "ServerAD")
	if recorded != nil && f.Platform == policy.UnknownPlatform {
		f.Platform = policy.PlatformOf(policy.PlatformEvidence{Device: recorded})
	}
	s.hypotheticalBinding(ctx, h, recorded, f)
	return nil
}

// assumedClient is Microsoft Office.
const assumedClient directory.AppID = "d3590ed6-52b3-4102-aeff-aad2292ab01c"

func (s *Service) hypotheticalBinding(ctx context.Context, h Hypothetical, d *device.Device, f *policy.Facts) {
	switch {
	case h.Bound == nil && d == nil:
		return // nothing is known of the session: it is not bound
	case h.Bound != nil && !*h.Bound:
		f.Binding = policy.Judge(policy.Evidence{Device: d, Audiences: f.Audiences})
		return
	case d == nil:
		f.Binding = policy.Binding{Status: policy.Bound, Code: policy.CodeBound}
		return
	}
	evidence := policy.Evidence{ProofHeld: true, Device: d, Audiences: f.Audiences}
	if known, ok := directory.WellKnownApplication(assumedClient); ok { // where no client is named: one that uses the broker
		evidence.Application = &known
	}
	if apps, err := s.Store.Applications(ctx, f.Tenant); err == nil && f.Client != "" {
		if i := slices.IndexFunc(apps, func(a directory.Application) bool { return a.AppID == f.Client }); i >= 0 {
			evidence.Application = &apps[i]
		}
	}
	f.Binding = policy.Judge(evidence)
}

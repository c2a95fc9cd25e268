package signin

import (
	"context"
	"net/netip"

	"boundgate/internal/aadsts"
	"boundgate/internal/clientauth"
	"boundgate/internal/device"
	"boundgate/internal/devicefilter"
	"boundgate/internal/directory"
	"boundgate/internal/policy"
	"boundgate/internal/session"
)

// judge lets the tenant's policies decide, all of them, for the log shows all of them. A PRT is issued and renewed without
// policies: each application's token is judged. A client that asks for itself is judged by the policies for workload
// identities. A person who only looks at the account's own pages is not judged.
func (s *Service) judge(ctx context.Context, a *attempt) error {
	if a.issuesPRT() || a.visiting() {
		return nil
	}
	policies, err := s.Policies.PoliciesInForce(ctx, a.tenant.ID)
	if err != nil {
		return err
	}
	if err := s.gatherFacts(ctx, a); err != nil {
		return err
	}
	a.verdict = policies.Evaluate(a.facts)
	a.judged = true
	return nil
}

// gatherFacts collects what the policies may rest on. Of the device that is what is proven, and for a guest's device what
// this tenant believes of the home tenant.
func (s *Service) gatherFacts(ctx context.Context, a *attempt) error {
	if a.kind == clientCredentialsGrant {
		a.facts = policy.Facts{
			At: a.at, Tenant: a.tenant.ID, HomeTenant: a.tenant.ID, ServicePrincipal: a.servicePrincipal(),
			Audiences: audiencesOf(a.resource), Client: a.client, ClientApp: policy.MobileAppsAndDesktopClients,
		}
		s.place(a)
		return nil
	}
	groups, roles, err := s.Directory.Memberships(ctx, a.tenant.ID, a.user.ID)
	if err != nil {
		return err
	}
	a.facts = policy.Facts{
		At: a.at, Tenant: a.tenant.ID, User: a.user.ID, Groups: groups, Roles: roles, ExternalKind: a.externalKind(), HomeTenant: a.home.ID,
		Audiences: audiencesOf(a.resource), UserAction: a.userAction(), Contexts: a.contexts(), Client: a.client, ClientApp: a.clientApp(),
		Platform: a.platform(), TransferMethod: a.transferMethod(), MultiFactor: a.carries(session.MultiFactor),
		Passkey: a.carries(session.Passkey), AuthTime: a.origin.AuthTime, Binding: a.binding,
	}
	a.facts.Guest = a.facts.ExternalKind != ""
	s.place(a)
	if a.deviceProven() {
		a.deviceFacts()
	}
	return nil
}

// place adds where the request comes from.
func (s *Service) place(a *attempt) {
	address, err := netip.ParseAddr(a.addressJudged())
	if err != nil {
		return // unknown, which is never in a policy's favour of the sender (P07)
	}
	a.facts.Address = address.Unmap().WithZone("")
	if s.Countries != nil {
		a.facts.Country = s.Countries.Country(a.facts.Address)
	}
}

// addressJudged is the address of whoever gets the token. A web application redeems a code from its own server, with its own
// credential: there it is that of the browser which the code was given to. A middle tier speaks for somebody whose address it
// does not show.
func (a *attempt) addressJudged() string {
	switch {
	case a.kind == onBehalfOfGrant:
		return ""
	case a.approves != nil:
		return a.approves.Record.From.Address
	case a.redeemed != nil && a.clientAuth != clientauth.None:
		return a.redeemed.From.Address
	}
	return a.req.From.Address
}

// externalKind is the kind of guest that the user is; "" for a member of the tenant.
func (a *attempt) externalKind() policy.ExternalKind {
	switch {
	case a.guest() && a.user.Type == directory.Guest:
		return policy.CollaborationGuest
	case a.guest():
		return policy.CollaborationMember
	case a.user.Type == directory.Guest:
		return policy.InternalGuest
	}
	return ""
}

// userAction is what the person is about to do with their own account: a token for the registration service is for
// registering a device.
func (a *attempt) userAction() policy.UserAction {
	if a.resource.AppID == directory.DeviceRegistration {
		return policy.RegisterDevice
	}
	return ""
}

// contexts are the authentication contexts that the client asks for.
func (a *attempt) contexts() []string {
	switch {
	case a.redeemed != nil:
		return a.redeemed.Contexts
	case a.deviceCode != nil:
		return a.deviceCode.Contexts
	case a.approves != nil:
		return a.approves.Record.Contexts
	}
	return a.req.Demand.Contexts
}

// deviceFacts adds what is known of the proven device. Token protection itself needs no trust in the home tenant: the
// proof, the registration and the operating system speak for themselves.
func (a *attempt) deviceFacts() {
	compliant := a.device.IsCompliant != nil && *a.device.IsCompliant
	hybridJoined := a.device.TrustType == device.HybridJoined
	if a.guest() {
		trust := a.tenant.Settings.Trusts(a.home.ID)
		a.facts.Device = devicefilter.FromGuest(*a.device, trust)
		a.facts.Compliant = compliant && trust.CompliantDevice
		a.facts.HybridJoined = hybridJoined && trust.HybridJoined
		return
	}
	a.facts.Device, a.facts.Compliant, a.facts.HybridJoined = devicefilter.FromDevice(*a.device), compliant, hybridJoined
}

// platform concludes the platform: from the record of a proven device, else from what the request claims of itself.
func (a *attempt) platform() policy.Platform {
	from := a.from()
	claim := policy.PlatformEvidence{UserAgent: from.UserAgent, ClientOS: from.OS, ClientSKU: from.SKU}
	if a.deviceProven() {
		claim.Device = a.device
	}
	return policy.PlatformOf(claim)
}

// clientApp is the kind of client: a browser where the sign-in goes to a page's redirect URI, as the application is
// registered, and otherwise a native one (P07).
func (a *attempt) clientApp() policy.ClientAppType {
	switch a.signInPlatform() {
	case directory.Web, directory.SPA:
		return policy.Browser
	case directory.PublicClient:
	}
	return policy.MobileAppsAndDesktopClients
}

// transferMethod is how the session reaches the client.
func (a *attempt) transferMethod() string {
	if a.approves != nil {
		return session.DeviceCodeFlow
	}
	return a.origin.TransferMethod
}

// carries reports whether the session has a strength that this tenant accepts.
func (a *attempt) carries(strength string) bool {
	if !a.origin.Strength.Has(strength) {
		return false
	}
	return !a.guest() || a.tenant.Settings.Trusts(a.home.ID).MultiFactor
}

// untrusted returns the refusal of a cause. Where a guest meets the requirement at home and this tenant does not take the
// home tenant's word for it, no prompt helps, and the refusal says who can (S23).
func (a *attempt) untrusted(cause policy.Cause) *aadsts.Error {
	if !a.guest() {
		return cause.Err
	}
	met := false
	switch cause.Requirement {
	case policy.RequireMFA:
		met = a.origin.Strength.Has(session.MultiFactor)
	case policy.RequireCompliantDevice:
		met = a.deviceProven() && a.device.IsCompliant != nil && *a.device.IsCompliant
	case policy.RequireDomainJoinedDevice:
		met = a.deviceProven() && a.device.TrustType == device.HybridJoined
	case policy.RequirePasskey:
		met = a.origin.Strength.Has(session.Passkey)
	case policy.RequireNothing, policy.RequireNoBlock, policy.RequireTokenProtection, policy.RequireRecentSignIn, policy.RequireOther:
	}
	if !met {
		return cause.Err
	}
	return aadsts.HomeNotTrusted.Saying("%s %s does not accept what %s says of it.", cause.Err.Message, a.tenant.DisplayName, a.home.DisplayName).
		WithRemedy("Ask an administrator of " + a.tenant.DisplayName + " to trust " + a.home.DisplayName + " in the cross-tenant access settings.")
}

package signin

import (
	"context"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/devicefilter"
	"boundgate/internal/directory"
	"boundgate/internal/policy"
	"boundgate/internal/session"
)

// judge lets the tenant's policies decide, all of them, for the log shows all of them. A PRT is issued and renewed without
// policies: each application's token is judged. Policies are about people: a client that asks for itself is not judged, and
// neither is a person who only looks at the account's own pages.
func (s *Service) judge(ctx context.Context, a *attempt) error {
	if a.issuesPRT() || a.visiting() || a.kind == clientCredentialsGrant {
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
	groups, roles, err := s.Directory.Memberships(ctx, a.tenant.ID, a.user.ID)
	if err != nil {
		return err
	}
	a.facts = policy.Facts{
		At: a.at, Tenant: a.tenant.ID, User: a.user.ID, Groups: groups, Roles: roles, Guest: a.guest(), HomeTenant: a.home.ID,
		Audiences: audiencesOf(a.resource), Client: a.client, ClientApp: a.clientApp(),
		Platform: a.platform(), TransferMethod: a.transferMethod(), MultiFactor: a.multiFactor(), Binding: a.binding,
	}
	if a.deviceProven() {
		a.deviceFacts()
	}
	return nil
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

// multiFactor reports whether the session carries a second factor that this tenant accepts.
func (a *attempt) multiFactor() bool {
	if !a.origin.Strength.Has(session.MultiFactor) {
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

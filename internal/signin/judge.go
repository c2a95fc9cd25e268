package signin

import (
	"context"

	"boundgate/internal/device"
	"boundgate/internal/devicefilter"
	"boundgate/internal/policy"
)

// judge lets the tenant's policies decide, all of them, for the log shows all of them. A PRT is issued and renewed without
// policies: each application's token is judged.
func (s *Service) judge(ctx context.Context, a *attempt) error {
	if a.issuesPRT() {
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
		Audiences: audiencesOf(a.resource), Client: a.client, ClientApp: policy.MobileAppsAndDesktopClients,
		Platform: a.platform(), TransferMethod: a.origin.TransferMethod, MultiFactor: a.origin.Strength.Has("mfa"),
		Binding: a.binding,
	}
	if a.evidence.ProofHeld {
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
	claim := policy.PlatformEvidence{UserAgent: a.req.From.UserAgent, ClientOS: a.req.From.OS, ClientSKU: a.req.From.SKU}
	if a.evidence.ProofHeld {
		claim.Device = a.device
	}
	return policy.PlatformOf(claim)
}

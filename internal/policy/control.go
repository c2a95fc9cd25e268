package policy

import (
	"math/bits"
	"strings"

	"boundgate/internal/aadsts"
)

// controls is a set of grant controls.
type controls uint16

const (
	controlBlock controls = 1 << iota
	controlMFA
	controlCompliantDevice
	controlDomainJoined
	controlApprovedApp
	controlCompliantApp
	controlPasswordChange
	controlRiskRemediation
	controlTermsOfUse
	controlCustomFactor
	controlStrengthMFA
	controlStrengthPasswordless
	controlStrengthPhishingResistant
	controlStrengthUnknown

	// passkeyControls are those that a passkey alone meets.
	passkeyControls = controlStrengthPasswordless | controlStrengthPhishingResistant
	// strengths are the authentication strengths.
	strengths = controlStrengthMFA | passkeyControls | controlStrengthUnknown
	// promptControls are those that a person can still meet when asked. All others are met by the request as it is, or not
	// at all.
	promptControls = controlMFA | controlStrengthMFA | passkeyControls
	// enforceable are the controls that this server can check. A policy that demands another cannot be set On; where it is
	// evaluated all the same, the control counts as unmet.
	enforceable = controlBlock | controlMFA | controlCompliantDevice | controlDomainJoined | controlStrengthMFA | passkeyControls
)

// The built-in authentication strengths, by their ids in Graph.
const (
	StrengthMFA               = "00000000-0000-0000-0000-000000000002"
	StrengthPasswordless      = "00000000-0000-0000-0000-000000000003"
	StrengthPhishingResistant = "00000000-0000-0000-0000-000000000004"
)

// A Strength is an authentication strength that a policy can demand.
type Strength struct {
	ID, DisplayName, Description string
	// Combinations are the methods of this server that satisfy it, as Graph spells them: a passkey that verifies its user, and
	// a password with a code of an authenticator application.
	Combinations []string
}

// Strengths are the authentication strengths that every tenant has.
var Strengths = []Strength{
	{StrengthMFA, "Multifactor authentication", "Combinations of methods that satisfy strong authentication, such as a password and a code.",
		[]string{"fido2", "password,softwareOath"}},
	{StrengthPasswordless, "Passwordless MFA", "Passwordless methods that satisfy strong authentication, such as a passkey.", []string{"fido2"}},
	{StrengthPhishingResistant, "Phishing-resistant MFA", "Phishing-resistant, passwordless methods, such as a passkey.", []string{"fido2"}},
}

// strengthControls are the controls that the authentication strengths are.
var strengthControls = map[string]controls{
	StrengthMFA: controlStrengthMFA, StrengthPasswordless: controlStrengthPasswordless, StrengthPhishingResistant: controlStrengthPhishingResistant,
}

// A grantControl is one built-in control: its name in policies and in logs.
type grantControl struct {
	bit      controls
	wire     string
	logged   string
	demanded Requirement
	refusal  *aadsts.Error
}

// grantControls lists the built-in controls in the order in which an unmet one is named as the cause.
var grantControls = []grantControl{
	{controlBlock, "block", "Block", RequireNoBlock, aadsts.BlockedByConditionalAccess},
	{controlCompliantDevice, "compliantDevice", "RequireCompliantDevice", RequireCompliantDevice, aadsts.DeviceNotCompliant},
	{controlDomainJoined, "domainJoinedDevice", "RequireDomainJoinedDevice", RequireDomainJoinedDevice, aadsts.DeviceNotHybridJoined},
	{controlApprovedApp, "approvedApplication", "RequireApprovedApp", RequireOther, aadsts.ControlCannotBeMet},
	{controlCompliantApp, "compliantApplication", "RequireCompliantApp", RequireOther, aadsts.ControlCannotBeMet},
	{controlPasswordChange, "passwordChange", "PasswordChange", RequireOther, aadsts.ControlCannotBeMet},
	{controlRiskRemediation, "riskRemediation", "RiskRemediation", RequireOther, aadsts.ControlCannotBeMet},
	{controlMFA, "mfa", "Mfa", RequireMFA, aadsts.MultiFactorRequired},
}

// A Requirement is what a policy demands, under the name that the sign-in log has for the control.
type Requirement string

// The requirements.
const (
	RequireNothing            Requirement = ""
	RequireNoBlock            Requirement = "Block"
	RequireTokenProtection    Requirement = "SignInTokenProtection"
	RequireCompliantDevice    Requirement = "RequireCompliantDevice"
	RequireDomainJoinedDevice Requirement = "RequireDomainJoinedDevice"
	RequireMFA                Requirement = "Mfa"
	// RequirePasskey is an authentication strength that a passkey alone meets (passwordless, phishing-resistant).
	RequirePasskey Requirement = "AuthenticationStrength"
	// RequireRecentSignIn is a sign-in frequency: the person proved who they are too long ago.
	RequireRecentSignIn Requirement = "SignInFrequency"
	// RequireOther is a control that this server cannot perform.
	RequireOther Requirement = "Other"
)

func controlNamed(wire string) (grantControl, bool) {
	for _, c := range grantControls {
		if strings.EqualFold(c.wire, wire) {
			return c, true
		}
	}
	return grantControl{}, false
}

// controls returns what g demands.
func (g *GrantControls) controls() controls {
	if g == nil {
		return 0
	}
	var all controls
	for _, name := range g.BuiltInControls {
		if c, ok := controlNamed(name); ok {
			all |= c.bit
		}
	}
	if len(g.TermsOfUse) > 0 {
		all |= controlTermsOfUse
	}
	if len(g.CustomAuthenticationFactors) > 0 {
		all |= controlCustomFactor
	}
	if g.AuthenticationStrength != nil {
		strength, known := strengthControls[g.AuthenticationStrength.ID]
		if !known {
			strength = controlStrengthUnknown
		}
		all |= strength
	}
	return all
}

// Blocks reports whether the policy refuses access to everybody it is about.
func (p Policy) Blocks() bool { return p.GrantControls.controls()&controlBlock != 0 }

// Unenforceable returns the grant controls that the policy demands and that this server cannot check, under the names that
// logs have for them. hopeless is true where access depends on one of them: nobody can meet the policy here.
func (p Policy) Unenforceable() (names []string, hopeless bool) {
	missing, _ := p.GrantControls.compile().unmet(enforceable)
	return (p.GrantControls.controls() &^ enforceable).names(), missing != 0
}

// logged returns the names of g's controls as the log has them. Terms of use and custom factors have no built-in name and
// appear by their own; an authentication strength does not appear among them.
func (g *GrantControls) logged() []string {
	names := []string{}
	if g == nil {
		return names
	}
	for _, wire := range g.BuiltInControls {
		if c, ok := controlNamed(wire); ok {
			names = append(names, c.logged)
		}
	}
	return append(append(names, g.CustomAuthenticationFactors...), g.TermsOfUse...)
}

// A grant is what a policy demands, ready to be tested.
type grant struct {
	needs controls
	all   bool // AND: every control is needed; otherwise one of them is enough
}

// compile returns what g demands. Nothing stands beside block: an alternative to it would open what it closes.
func (g *GrantControls) compile() grant {
	needs := g.controls()
	if needs&controlBlock != 0 {
		return grant{needs: controlBlock, all: true}
	}
	return grant{needs: needs, all: g == nil || !strings.EqualFold(g.Operator, "OR")}
}

// unmet returns the controls that stand between the request, which meets have, and access; 0 for none. curable is true
// where a prompt could still lead to access.
func (g grant) unmet(have controls) (missing controls, curable bool) {
	if g.needs == 0 || !g.all && g.needs&have != 0 {
		return 0, false
	}
	missing = g.needs &^ have
	if g.all {
		return missing, missing != 0 && missing&^promptControls == 0
	}
	return missing, missing&promptControls != 0
}

// have returns the controls that the facts meet.
func (f *Facts) have() controls {
	var have controls
	if f.MultiFactor || f.Passkey {
		have |= controlMFA | controlStrengthMFA
	}
	if f.Passkey {
		have |= passkeyControls
	}
	if f.Compliant {
		have |= controlCompliantDevice
	}
	if f.HybridJoined {
		have |= controlDomainJoined
	}
	return have
}

// refusalFor returns the requirement and the refusal that name missing. Where a prompt cures it, the prompt is named, and
// otherwise what no prompt cures.
func refusalFor(missing controls, curable bool) (Requirement, *aadsts.Error) {
	switch {
	case curable && missing&passkeyControls != 0:
		return RequirePasskey, aadsts.MultiFactorRequired
	case curable:
		return RequireMFA, aadsts.MultiFactorRequired
	}
	missing &^= promptControls
	for i := range grantControls {
		if c := &grantControls[i]; missing&c.bit != 0 {
			return c.demanded, c.refusal
		}
	}
	return RequireOther, aadsts.ControlCannotBeMet
}

// names lists the controls of s under their names in the log.
func (s controls) names() []string {
	names := make([]string, 0, bits.OnesCount16(uint16(s)))
	for _, c := range grantControls {
		if s&c.bit != 0 {
			names = append(names, c.logged)
		}
	}
	for _, other := range otherControls {
		if s&other.bit != 0 {
			names = append(names, other.name)
		}
	}
	return names
}

// otherControls are the controls that are not built in.
var otherControls = []struct {
	bit  controls
	name string
}{{controlTermsOfUse, "TermsOfUse"}, {controlCustomFactor, "CustomControl"}, {strengths, "AuthenticationStrength"}}

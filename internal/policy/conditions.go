package policy

import (
	"slices"
	"strings"

	"boundgate/internal/directory"
)

// The conditions whose fact has few values. Each value has a slot, the zero slot standing for whatever is unknown, absent
// or contradictory, which satisfies every include list and no exclude list (P07).

const (
	unknownSlot    = 0
	platformCount  = 7
	clientAppCount = 5
	flowCount      = 4
	riskCount      = 5
	insiderCount   = 5
)

var (
	platformSlots  = [platformCount]Platform{UnknownPlatform, Windows, WindowsPhone, MacOS, IOS, Android, Linux}
	clientAppSlots = [clientAppCount]ClientAppType{"", Browser, MobileAppsAndDesktopClients, ExchangeActiveSync, OtherClients}
	flowSlots      = [flowCount]string{"", noTransfer, deviceCodeFlow, authenticationTransfer}
	riskSlots      = [riskCount]RiskLevel{"", RiskNone, RiskLow, RiskMedium, RiskHigh} // what is hidden is unknown
	insiderSlots   = [insiderCount]InsiderRisk{"", InsiderNone, InsiderMinor, InsiderModerate, InsiderElevated}
)

func platformOfSlot(slot int) Platform       { return platformSlots[slot] }
func clientAppOfSlot(slot int) ClientAppType { return clientAppSlots[slot] }
func flowOfSlot(slot int) string             { return flowSlots[slot] }

func slotOfPlatform(p Platform) int { return max(unknownSlot, slices.Index(platformSlots[:], p)) }
func slotOfClientApp(t ClientAppType) int {
	return max(unknownSlot, slices.Index(clientAppSlots[:], t))
}
func slotOfFlow(method string) int    { return max(unknownSlot, slices.Index(flowSlots[:], method)) }
func slotOfRisk(level RiskLevel) int  { return max(unknownSlot, slices.Index(riskSlots[:], level)) }
func slotOfInsider(r InsiderRisk) int { return max(unknownSlot, slices.Index(insiderSlots[:], r)) }

// satisfiedBy reports whether a request from platform is one that the condition is about.
func (p *Platforms) satisfiedBy(platform Platform) bool {
	if p == nil || platform == UnknownPlatform {
		return true
	}
	included := slices.Contains(p.IncludePlatforms, AllPlatforms) || slices.Contains(p.IncludePlatforms, platform)
	return included && !slices.Contains(p.ExcludePlatforms, platform)
}

// unconfigured reports whether a list of client types narrows nothing: all is what an absent condition becomes.
func unconfigured(types []ClientAppType) bool {
	return types == nil || slices.Contains(types, AllClientApps)
}

func clientAppSatisfies(types []ClientAppType, t ClientAppType) bool {
	return unconfigured(types) || t == "" || slices.Contains(types, t) ||
		t == ExchangeActiveSync && slices.Contains(types, EASSupported)
}

// satisfiedBy reports whether a session that was transferred by method is one that the condition is about.
func (f *AuthenticationFlows) satisfiedBy(method string) bool {
	return f == nil || method == "" || slices.Contains(f.methods(), method)
}

// riskSatisfies reports whether a risk is among the levels that a policy is about.
func riskSatisfies(levels []RiskLevel, level RiskLevel) bool {
	return len(levels) == 0 || level == "" || slices.Contains(levels, level)
}

// insiderSatisfies reports whether a risk is among the levels that a policy is about, which are comma-separated.
func insiderSatisfies(levels string, level InsiderRisk) bool {
	return levels == "" || level == "" || slices.Contains(flags(levels), string(level))
}

// flags splits comma-separated flags; none and "" are no flags.
func flags(text string) []string {
	var list []string
	for _, flag := range strings.Split(text, ",") {
		if flag = strings.TrimSpace(flag); flag != "" && !strings.EqualFold(flag, "none") {
			list = append(list, flag)
		}
	}
	return list
}

// kinds returns the kinds of guests that e is about.
func (e *ExternalUsers) kinds() []string {
	if e == nil {
		return nil
	}
	return flags(e.GuestOrExternalUserTypes)
}

// An externalMatch says whether a guest is one of those that a policy names.
type externalMatch uint8

const (
	otherGuest externalMatch = iota
	namedGuest
	maybeGuest // the kind or the home is not known
)

// match compares a guest's kind and home with what e is about.
func (e *ExternalUsers) match(kind ExternalKind, home directory.TenantID) externalMatch {
	byKind, byHome := otherGuest, otherGuest
	switch {
	case kind == "":
		byKind = maybeGuest
	case slices.Contains(e.kinds(), string(kind)):
		byKind = namedGuest
	}
	switch internal := slices.Contains(e.kinds(), string(InternalGuest)); {
	case !e.enumerates() || kind == InternalGuest: // whose home is this tenant
		byHome = namedGuest
	case slices.Contains(e.ExternalTenants.Members, string(home)):
		byHome = namedGuest
	case home == "" || kind == "" && internal:
		byHome = maybeGuest
	}
	if byKind == otherGuest || byHome == otherGuest {
		return otherGuest
	}
	return max(byKind, byHome)
}

// enumerates reports whether e is about some home tenants only.
func (e *ExternalUsers) enumerates() bool {
	return e.ExternalTenants != nil && e.ExternalTenants.MembershipKind == enumeratedTenants
}

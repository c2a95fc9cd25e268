package policy

import "slices"

// The conditions whose fact has few values. Each value has a slot, the zero slot standing for whatever is unknown, absent
// or contradictory, which satisfies every include list and no exclude list (P07).

const (
	unknownSlot    = 0
	platformCount  = 7
	clientAppCount = 5
	flowCount      = 4
)

var (
	platformSlots  = [platformCount]Platform{UnknownPlatform, Windows, WindowsPhone, MacOS, IOS, Android, Linux}
	clientAppSlots = [clientAppCount]ClientAppType{"", Browser, MobileAppsAndDesktopClients, ExchangeActiveSync, OtherClients}
	flowSlots      = [flowCount]string{"", noTransfer, deviceCodeFlow, authenticationTransfer}
)

func platformOfSlot(slot int) Platform       { return platformSlots[slot] }
func clientAppOfSlot(slot int) ClientAppType { return clientAppSlots[slot] }
func flowOfSlot(slot int) string             { return flowSlots[slot] }

func slotOfPlatform(p Platform) int { return max(unknownSlot, slices.Index(platformSlots[:], p)) }
func slotOfClientApp(t ClientAppType) int {
	return max(unknownSlot, slices.Index(clientAppSlots[:], t))
}
func slotOfFlow(method string) int { return max(unknownSlot, slices.Index(flowSlots[:], method)) }

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

package policy

import (
	"strings"

	"boundgate/internal/device"
)

// PlatformEvidence is what a request shows of the platform that it comes from.
type PlatformEvidence struct {
	UserAgent string
	// ClientOS and ClientSKU are the x-client-OS and x-client-SKU headers or parameters of Microsoft's client libraries.
	ClientOS  string
	ClientSKU string
	// Device is a device that the request proves; nil for none. Its record decides over any claim.
	Device *device.Device
}

// PlatformOf returns the platform of a request, or UnknownPlatform where nothing tells it or the claims contradict each
// other. Without a proven device the platform is a claim that anyone can make; policies must not rest on it alone (S48).
func PlatformOf(e PlatformEvidence) Platform {
	if e.Device != nil {
		return agreed(claimOfName(e.Device.RecordedOS), claimOfName(e.Device.OperatingSystem))
	}
	return agreed(claimOfUserAgent(e.UserAgent), claimOfClientOS(e.ClientOS), claimOfSKU(e.ClientSKU))
}

// A claim is what one source says of the platform: nothing, a platform, or something that names none that we know.
type claim struct {
	made     bool
	platform Platform
}

func claims(p Platform) claim { return claim{made: true, platform: p} }

// agreed returns the platform on which all claims agree. One that is made and not understood agrees with none.
func agreed(all ...claim) Platform {
	result, first := UnknownPlatform, true
	for _, c := range all {
		switch {
		case !c.made:
		case c.platform == UnknownPlatform, !first && c.platform != result:
			return UnknownPlatform
		default:
			result, first = c.platform, false
		}
	}
	return result
}

// agentTokens are the words of User-Agent headers that tell a platform, and the other platforms whose words stand beside
// them for compatibility: Android says Linux, an iPhone says "like Mac OS X", and a Windows Phone says all of them.
var agentTokens = []struct {
	platform Platform
	words    []string
	mimics   []Platform
}{
	{WindowsPhone, []string{"windows phone"}, []Platform{Android, IOS, MacOS, Linux}},
	{Windows, []string{"windows nt", "windows-azuread-authentication-provider"}, nil},
	{IOS, []string{"iphone", "ipad", "ios"}, []Platform{MacOS}},
	{Android, []string{"android"}, []Platform{Linux}},
	{UnknownPlatform, []string{"cros"}, []Platform{Linux}},
	{MacOS, []string{"macintosh", "mac os x"}, nil},
	{Linux, []string{"linux", "x11"}, nil},
}

// claimOfUserAgent reads a User-Agent header. One that names no platform claims nothing; one that names two that do not go
// together claims a platform that does not exist.
func claimOfUserAgent(agent string) claim {
	words := strings.ToLower(agent)
	var c claim
	var mimicked []Platform
	for _, t := range agentTokens {
		if !containsWord(words, t.words) || contains(mimicked, t.platform) {
			continue
		}
		if c.made {
			return claims(UnknownPlatform)
		}
		c, mimicked = claims(t.platform), t.mimics
	}
	return c
}

// containsWord reports whether one of words stands in text with no letter on either side: "ios" is not in "Helios".
func containsWord(text string, words []string) bool {
	for _, word := range words {
		for at, rest := 0, text; ; {
			i := strings.Index(rest, word)
			if i < 0 {
				break
			}
			at += i
			end := at + len(word)
			if (at == 0 || !isLetter(text[at-1])) && (end == len(text) || !isLetter(text[end])) {
				return true
			}
			at, rest = end, text[end:]
		}
	}
	return false
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' }

func contains(platforms []Platform, p Platform) bool {
	for _, platform := range platforms {
		if platform == p && p != UnknownPlatform {
			return true
		}
	}
	return false
}

// systemNames are the beginnings of operating system names, in lower case, as client libraries and directories write
// them. "darwin" must not be taken for "win".
var systemNames = []struct {
	prefix   string
	platform Platform
}{
	{"windows phone", WindowsPhone}, {"windows", Windows}, {"microsoft windows", Windows}, {"win32", Windows},
	{"macos", MacOS}, {"mac os", MacOS}, {"darwin", MacOS}, {"ios", IOS}, {"ipados", IOS}, {"iphone", IOS}, {"ipad", IOS},
	{"android", Android}, {"linux", Linux}, {"ubuntu", Linux}, {"unix", Linux},
}

// platformOfName returns the platform of an operating system's name in lower case.
func platformOfName(name string) Platform {
	for _, n := range systemNames {
		if strings.HasPrefix(name, n.prefix) {
			return n.platform
		}
	}
	return UnknownPlatform
}

// claimOfName reads the name of an operating system.
func claimOfName(name string) claim {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" {
		return claim{}
	}
	return claims(platformOfName(name))
}

// claimOfClientOS reads x-client-OS. Libraries on Android send the bare API level, which names no system.
func claimOfClientOS(system string) claim {
	if strings.Trim(system, "0123456789. ") == "" {
		return claim{}
	}
	return claimOfName(system)
}

// skuWords are the parts of x-client-SKU that tell a platform. Most libraries run anywhere and claim nothing.
var skuWords = []struct {
	word     string
	platform Platform
}{
	{"android", Android}, {"ios", IOS}, {"osx", MacOS}, {"macos", MacOS}, {"uap", Windows}, {"winrt", Windows},
	{"msal.desktop", Windows}, {"pcl.desktop", Windows},
}

func claimOfSKU(sku string) claim {
	sku = strings.ToLower(sku)
	var c claim
	for _, w := range skuWords {
		if !strings.Contains(sku, w.word) {
			continue
		}
		if c.made && c.platform != w.platform {
			return claims(UnknownPlatform)
		}
		c = claims(w.platform)
	}
	return c
}

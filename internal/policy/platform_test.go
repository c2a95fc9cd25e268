package policy

import (
	"testing"

	"boundgate/internal/device"
)

func TestPlatformOf(t *testing.T) {
	const chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0"
	for _, tt := range []struct {
		name     string
		evidence PlatformEvidence
		want     Platform
	}{
		{"Windows", PlatformEvidence{UserAgent: chrome}, Windows},
		{"the Windows broker", PlatformEvidence{UserAgent: "Windows-AzureAD-Authentication-Provider/1.0"}, Windows},
		{"a Mac", PlatformEvidence{UserAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Safari/605.1"}, MacOS},
		{"an iPhone, which is like a Mac", PlatformEvidence{UserAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X)"}, IOS},
		{"Android, which is Linux", PlatformEvidence{UserAgent: "Mozilla/5.0 (Linux; Android 14; Pixel 8)"}, Android},
		{"a Windows Phone, which is like them all", PlatformEvidence{UserAgent: "Mozilla/5.0 (Mobile; Windows Phone 8.1; Android 4.0) like iPhone OS 7_0_3 Mac OS X"}, WindowsPhone},
		{"Linux", PlatformEvidence{UserAgent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/127.0"}, Linux},
		{"Chrome OS, which is no platform here", PlatformEvidence{UserAgent: "Mozilla/5.0 (X11; CrOS x86_64 14541) Chrome/126.0"}, UnknownPlatform},
		{"nothing", PlatformEvidence{}, UnknownPlatform},
		{"a library that does not say", PlatformEvidence{UserAgent: "python-requests/2.31"}, UnknownPlatform},
		{"a word inside another", PlatformEvidence{UserAgent: "Helios/1.0"}, UnknownPlatform},
		{"two platforms in one User-Agent", PlatformEvidence{UserAgent: "Mozilla/5.0 (Windows NT 10.0; Linux)"}, UnknownPlatform}, // P07
		{"the library's hint", PlatformEvidence{ClientOS: "Microsoft Windows 10.0.22631", ClientSKU: "MSAL.NetCore"}, Windows},
		{"Darwin is not Windows", PlatformEvidence{ClientOS: "Darwin 23.5.0"}, MacOS},
		{"Node's name for Windows", PlatformEvidence{ClientOS: "win32", ClientSKU: "msal.js.node"}, Windows},
		{"Android's bare API level", PlatformEvidence{ClientOS: "34", ClientSKU: "MSAL.Android"}, Android},
		{"a hint that agrees", PlatformEvidence{UserAgent: chrome, ClientOS: "Windows 11", ClientSKU: "MSAL.Desktop"}, Windows},
		{"a hint that contradicts", PlatformEvidence{UserAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5)", ClientOS: "Windows 11"}, UnknownPlatform}, // P07
		{"a library of another platform", PlatformEvidence{UserAgent: chrome, ClientSKU: "MSAL.iOS"}, UnknownPlatform},                                    // P07
		{"a hint that nobody understands", PlatformEvidence{UserAgent: "Mozilla/5.0 (X11; Linux x86_64)", ClientOS: "Plan 9"}, UnknownPlatform},           // P07
		{"a proven device decides over every claim", PlatformEvidence{UserAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5)", ClientOS: "Darwin", Device: laptop()}, Windows},
		{"a proven device of which no system is known", PlatformEvidence{UserAgent: chrome, Device: &device.Device{}}, UnknownPlatform},
		{"a proven device whose claim contradicts its record", PlatformEvidence{Device: laptop(recordedSystem("Linux"))}, UnknownPlatform},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := PlatformOf(tt.evidence); got != tt.want {
				t.Errorf("PlatformOf = %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzPlatformOf(f *testing.F) {
	f.Add("Mozilla/5.0 (Windows NT 10.0)", "win32", "MSAL.Desktop")
	f.Fuzz(func(t *testing.T, agent, os, sku string) {
		// A proven device decides, whatever is claimed beside it.
		if got := PlatformOf(PlatformEvidence{UserAgent: agent, ClientOS: os, ClientSKU: sku, Device: laptop()}); got != Windows {
			t.Fatalf("a proven Windows device is %q", got)
		}
		// A further claim takes a request to unknown or leaves it where it was; it never moves it to another platform.
		alone, more := PlatformOf(PlatformEvidence{UserAgent: agent}), PlatformOf(PlatformEvidence{UserAgent: agent, ClientOS: os, ClientSKU: sku})
		if alone != UnknownPlatform && more != alone && more != UnknownPlatform {
			t.Fatalf("%q is %q, and %q with more claims", agent, alone, more)
		}
	})
}

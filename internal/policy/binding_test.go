package policy

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"boundgate/internal/device"
	"boundgate/internal/devicefilter"
	"boundgate/internal/directory"
)

// laptop returns a device whose sessions can be bound, changed by changes.
func laptop(changes ...func(*device.Device)) *device.Device {
	d := &device.Device{ID: "0d1e", DisplayName: "CORP-LT-014", TrustType: device.Joined, Method: device.Interactive, FreshCredentials: true, Enabled: true,
		OperatingSystem: "Windows", OperatingSystemVersion: "10.0.22631.3593"}
	for _, change := range changes {
		change(d)
	}
	return d
}

func trust(t device.TrustType) func(*device.Device) {
	return func(d *device.Device) { d.TrustType = t }
}
func osVersion(v string) func(*device.Device) {
	return func(d *device.Device) { d.OperatingSystemVersion = v }
}
func recordedVersion(v string) func(*device.Device) {
	return func(d *device.Device) { d.RecordedOSVersion = v }
}
func system(s string) func(*device.Device) { return func(d *device.Device) { d.OperatingSystem = s } }
func recordedSystem(s string) func(*device.Device) {
	return func(d *device.Device) { d.RecordedOS = s }
}
func edition(e device.Edition) func(*device.Device) { return func(d *device.Device) { d.Edition = e } }
func method(m device.Method) func(*device.Device)   { return func(d *device.Device) { d.Method = m } }
func label(l string) func(*device.Device) {
	return func(d *device.Device) { d.SystemLabels = append(d.SystemLabels, l) }
}
func profileType(p string) func(*device.Device) { return func(d *device.Device) { d.ProfileType = p } }
func stale(d *device.Device)                    { d.FreshCredentials = false }
func disabled(d *device.Device)                 { d.Enabled = false }
func server(changes ...func(*device.Device)) *device.Device {
	return laptop(append([]func(*device.Device){edition(device.Server), trust(device.HybridJoined), osVersion("10.0.17763")}, changes...)...)
}

// application returns an entry of the built-in catalogue.
func application(t testing.TB, name string) *directory.Application {
	t.Helper()
	for _, a := range directory.WellKnownApplications() {
		if a.DisplayName == name {
			return &a
		}
	}
	t.Fatalf("no application %q in the catalogue", name)
	return nil
}

func judgement(code Code, why Reason) Binding {
	if code == CodeBound {
		return Binding{Bound, code, why}
	}
	return Binding{Unbound, code, why}
}

var bound = judgement(CodeBound, ReasonBound)

func TestDevices(t *testing.T) {
	for _, tt := range []struct {
		name   string
		device *device.Device
		want   Binding
	}{
		{"joined", laptop(trust(device.Joined)), bound},                                                                                 // S11
		{"hybrid joined", laptop(trust(device.HybridJoined)), bound},                                                                    // S11
		{"registered", laptop(trust(device.Registered)), bound},                                                                         // S11
		{"the first Windows 10", laptop(osVersion("10.0.10240")), bound},                                                                // S11
		{"Windows 8.1", laptop(osVersion("6.3.9600")), judgement(CodeOSUnsupported, ReasonOSVersion)},                                   // S11
		{"a version that is not known", laptop(osVersion("")), judgement(CodeOSUnsupported, ReasonOSVersion)},                           // P07
		{"a version that cannot be read", laptop(osVersion("eleven")), judgement(CodeOSUnsupported, ReasonOSVersion)},                   // P07
		{"a record that is older than the claim", laptop(recordedVersion("6.3 (9600)")), judgement(CodeOSUnsupported, ReasonOSVersion)}, // P07
		{"a record that agrees, as directories write it", laptop(recordedVersion("10.0 (22631)")), bound},
		{"a record that is newer than the claim", laptop(osVersion("6.1.7601"), recordedVersion("10.0.22631")), judgement(CodeOSUnsupported, ReasonOSVersion)}, // P07
		{"Linux, whose profile is off", laptop(system("Linux"), osVersion("6.8"), func(d *device.Device) { d.KeyProtection = device.TPMKeys }), judgement(CodeOSUnsupported, ReasonOSUnsupported)},
		{"macOS", laptop(system("MacOS")), judgement(CodeOSUnsupported, ReasonOSUnsupported)},
		{"Windows Phone", laptop(system("Windows Phone")), judgement(CodeOSUnsupported, ReasonOSUnsupported)},
		{"no operating system known", laptop(system("")), judgement(CodeOSUnsupported, ReasonOSUnsupported)}, // P07
		{"a record of another system than the claim", laptop(recordedSystem("Linux")), judgement(CodeOSUnsupported, ReasonOSUnsupported)},

		{"Server 2019, hybrid joined", server(), bound},                                                                                     // S12
		{"Server 2022, hybrid joined", server(osVersion("10.0.20348")), bound},                                                              // S12
		{"Server 2016, hybrid joined", server(osVersion("10.0.14393")), judgement(CodeOSUnsupported, ReasonOSVersion)},                      // S12
		{"Server 2019, merely joined", server(trust(device.Joined)), judgement(CodeDeviceUnsupported, ReasonServerNotHybridJoined)},         // S12
		{"Server 2019, merely registered", server(trust(device.Registered)), judgement(CodeDeviceUnsupported, ReasonServerNotHybridJoined)}, // S12
		{"a server by its record alone", laptop(recordedSystem("Windows Server 2019 Standard"), recordedVersion("10.0 (17763)")), // S12
			judgement(CodeDeviceUnsupported, ReasonServerNotHybridJoined)},
		{"Windows 10 1809, which has the build of Server 2019, joined", laptop(osVersion("10.0.17763")), bound}, // S12
		{"a client of a build between", laptop(osVersion("10.0.14393")), bound},

		{"Surface Hub", laptop(edition(device.SurfaceHub)), judgement(CodeDeviceUnsupported, ReasonSurfaceHub)}, // S22
		{"Teams Rooms", laptop(edition(device.TeamsRooms)), judgement(CodeDeviceUnsupported, ReasonTeamsRooms)}, // S22
		{"stale credentials", laptop(stale), judgement(CodeDeviceUnsupported, ReasonStaleRegistration)},         // S52
		{"stale credentials of a hybrid join", laptop(stale, trust(device.HybridJoined)), judgement(CodeDeviceUnsupported, ReasonStaleRegistration)},
		{"disabled", laptop(disabled), judgement(CodeDeviceUnsupported, ReasonDeviceDisabled)},
		{"no trust type", laptop(trust("")), judgement(CodeDeviceUnsupported, ReasonTrustTypeUnknown)}, // P07

		// S24, S25
		{"a Cloud PC by its label", laptop(label("CloudPC")), judgement(CodeDeviceUnsupported, ReasonCloudPC)},
		{"a Cloud PC by its method", laptop(method(device.CloudPC)), judgement(CodeDeviceUnsupported, ReasonCloudPC)},
		{"a Cloud PC that is hybrid joined", laptop(label("CloudPC"), trust(device.HybridJoined)), bound},
		{"a session host by its label", laptop(label("AzureVirtualDesktop")), judgement(CodeDeviceUnsupported, ReasonVirtualDesktop)},
		{"a session host with the sign-in extension", laptop(label("AzureVirtualDesktop"), profileType("SecureVM")), judgement(CodeDeviceUnsupported, ReasonVirtualDesktop)},
		{"a session host that is hybrid joined", laptop(label("AzureVirtualDesktop"), trust(device.HybridJoined)), bound},
		{"a hosted machine group", laptop(label("microsoftpowerautomate")), judgement(CodeDeviceUnsupported, ReasonPowerAutomate)},
		{"a machine with the sign-in extension", laptop(profileType("SecureVM")), judgement(CodeDeviceUnsupported, ReasonVMExtension)},
		{"self-deploying Autopilot", laptop(method(device.SelfDeploying)), judgement(CodeDeviceUnsupported, ReasonSelfDeploying)},
		{"bulk enrolment by its method", laptop(method(device.BulkEnrolment)), judgement(CodeDeviceUnsupported, ReasonBulkEnrolment)},
		{"bulk enrolment by its label", laptop(label("BulkEnrollment")), judgement(CodeDeviceUnsupported, ReasonBulkEnrolment)},
		{"an ordinary label", laptop(label("MultiUser")), bound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Judge(Evidence{ProofHeld: true, Device: tt.device}); got != tt.want {
				t.Errorf("Judge = %+v, want %+v", got, tt.want)
			}
		})
	}
}

// S52: of several that apply, the first of decision order gives the code.
func TestOrderOfCodes(t *testing.T) {
	graph := application(t, "Microsoft Graph Command Line Tools")
	worst := laptop(osVersion("6.1.7601"), label("CloudPC"), stale, disabled)
	for _, tt := range []struct {
		name     string
		evidence Evidence
		want     Binding
	}{
		{"a failed proof before everything", Evidence{ProofFailed: true, ProofHeld: true, Device: worst, Application: graph, AppVersion: "1.0"}, judgement(CodeOther, ReasonProofFailed)},
		{"a failed proof without device", Evidence{ProofFailed: true}, judgement(CodeOther, ReasonProofFailed)},
		{"no proof before the state of the device", Evidence{Device: worst}, judgement(CodeNoBroker, ReasonNoProof)},
		{"no device", Evidence{}, judgement(CodeNoDevice, ReasonNoDevice)},
		{"no device before the application", Evidence{Application: graph, AppVersion: "1.0"}, judgement(CodeNoDevice, ReasonNoDevice)},
		{"a proof of no device", Evidence{ProofHeld: true}, judgement(CodeNoDevice, ReasonNoDevice)},
		{"the system before the registration", Evidence{ProofHeld: true, Device: worst}, judgement(CodeOSUnsupported, ReasonOSVersion)},
		{"the registration before the application", Evidence{ProofHeld: true, Device: laptop(label("CloudPC"), disabled), Application: graph, AppVersion: "1.0"},
			judgement(CodeDeviceUnsupported, ReasonCloudPC)},
		{"stale before disabled", Evidence{ProofHeld: true, Device: laptop(stale, disabled)}, judgement(CodeDeviceUnsupported, ReasonStaleRegistration)},
		{"the application last", Evidence{ProofHeld: true, Device: laptop(), Application: graph, AppVersion: "1.0"}, judgement(CodeNoBroker, ReasonClientTooOld)},
		{"the request's own word of its system only makes it worse", Evidence{ProofHeld: true, Device: laptop(), ClaimedOSVersion: "6.1"}, judgement(CodeOSUnsupported, ReasonOSVersion)},
		{"and never better", Evidence{ProofHeld: true, Device: laptop(osVersion("6.1")), ClaimedOSVersion: "10.0.26100"}, judgement(CodeOSUnsupported, ReasonOSVersion)},
		{"nothing against it", Evidence{ProofHeld: true, Device: laptop(), ClaimedOSVersion: "10.0.26100"}, bound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Judge(tt.evidence); got != tt.want {
				t.Errorf("Judge = %+v, want %+v", got, tt.want)
			}
		})
	}
}

// S13: each supported application below, at and above its minimum version, without one, and with one that says nothing.
func TestMinimumVersions(t *testing.T) {
	tooOld := judgement(CodeNoBroker, ReasonClientTooOld)
	for _, tt := range []struct {
		application, below, at, above string
	}{
		{"OneDrive SyncEngine", "22.216.9999", "22.217", "23.1"},
		{"Microsoft Teams", "1.6.00.1330", "1.6.0.1331", "1.6.00.4472"},
		{"Microsoft Power BI Desktop", "2.116.966.0", "2.117.841.0", "2.117.984"},
		{"Microsoft Exchange REST API Based PowerShell", "3.6", "3.7.0", "3.7.1"},
		{"Microsoft Graph Command Line Tools", "1.28.0", "2.0.0", "2.0.0.1"},
		{"Visual Studio", "16.11.5", "17", "17.10"},
		{"Azure Virtual Desktop Client", "2.0.378.999", "2.0.379.0", "2.0.500"},
	} {
		for _, c := range []struct {
			name, version string
			want          Binding
		}{
			{"below", tt.below, tooOld}, {"at", tt.at, bound}, {"above", tt.above, bound}, {"absent", "", bound},
			{"unreadable", "newest", tooOld}, {"too many parts", "9.9.9.9.9.9.9.9.9", tooOld}, {"negative", "-3", tooOld}, // P07
		} {
			t.Run(tt.application+" "+c.name, func(t *testing.T) {
				e := Evidence{ProofHeld: true, Device: laptop(), Application: application(t, tt.application), AppVersion: c.version}
				if got := Judge(e); got != c.want {
					t.Errorf("Judge with version %q = %+v, want %+v", c.version, got, c.want)
				}
			})
		}
	}
}

// S20, S21: applications that cannot use protected token flows are refused at Exchange and SharePoint even when bound.
func TestUnsupportedApplications(t *testing.T) {
	notSupported := judgement(CodeNoBroker, ReasonNotSupported)
	for _, name := range []string{"Office perpetual", "Microsoft SharePoint Online Management Shell", "Microsoft Power Query for Excel", "Visual Studio Code"} {
		for _, tt := range []struct {
			resource  string
			audiences []directory.AppID
			want      Binding
		}{
			{"Exchange", []directory.AppID{directory.ExchangeOnline}, notSupported},
			{"SharePoint", []directory.AppID{directory.SharePointOnline}, notSupported},
			{"Teams, which reaches Exchange", []directory.AppID{directory.TeamsServices, directory.ExchangeOnline}, notSupported},
			{"an unknown resource", nil, notSupported}, // P07
			{"another resource", []directory.AppID{directory.MicrosoftGraph}, bound},
		} {
			t.Run(name+" at "+tt.resource, func(t *testing.T) {
				e := Evidence{ProofHeld: true, Device: laptop(), Application: application(t, name), Audiences: tt.audiences}
				if got := Judge(e); got != tt.want {
					t.Errorf("Judge = %+v, want %+v", got, tt.want)
				}
			})
		}
	}
}

// The catalogue explains why a client on a registered device offers no proof; it never excuses it.
func TestWhyThereIsNoProof(t *testing.T) {
	for _, tt := range []struct {
		application, version string
		want                 Reason
	}{
		{"Microsoft Azure CLI", "2.60", ReasonNoProof},
		{"Microsoft Teams", "1.5", ReasonClientTooOld},
		{"Microsoft Teams", "1.7", ReasonNoProof},
		{"Microsoft Graph Command Line Tools", "2.19.0", ReasonBrokerOptionOff},
		{"Microsoft Graph Command Line Tools", "", ReasonBrokerOptionOff},
		{"Microsoft Graph Command Line Tools", "1.0", ReasonClientTooOld},
		{"Visual Studio Code", "1.90", ReasonNotSupported},
	} {
		t.Run(tt.application+" "+tt.version, func(t *testing.T) {
			got := Judge(Evidence{Device: laptop(), Application: application(t, tt.application), AppVersion: tt.version})
			if want := judgement(CodeNoBroker, tt.want); got != want {
				t.Errorf("Judge = %+v, want %+v", got, want)
			}
		})
	}
}

// S26, S24: what is refused for its registration can be named by the filter that the remedy proposes.
func TestTheRemedysFilterNamesTheDevice(t *testing.T) {
	filter := regexp.MustCompile(`(systemLabels|profileType|enrollmentProfileName) -.*$`)
	for _, d := range []*device.Device{
		laptop(method(device.CloudPC)), laptop(method(device.VirtualDesktop)), laptop(method(device.PowerAutomate)), laptop(method(device.VMExtension)),
		laptop(method(device.BulkEnrolment)),
		laptop(method(device.SelfDeploying), func(d *device.Device) { d.EnrollmentProfileName = "Autopilot \"自己展開\" `プロファイル`" }),
	} {
		e := Evidence{ProofHeld: true, Device: d}
		b := Judge(e)
		remedy := Explain(b.Reason, e).Remedy
		rule, err := devicefilter.Parse(filter.FindString(remedy))
		if err != nil {
			t.Errorf("%s: the remedy %q holds no rule: %v", b.Reason, remedy, err)
			continue
		}
		if b.Code != CodeDeviceUnsupported || !rule.Match(devicefilter.FromDevice(*d)) || rule.Match(devicefilter.FromDevice(*laptop())) {
			t.Errorf("%s (%d): %s does not tell the device from others", b.Reason, b.Code, rule)
		}
	}
}

func TestEveryReasonIsExplained(t *testing.T) {
	e := Evidence{Device: laptop(), Application: application(t, "Microsoft Graph Command Line Tools"), AppVersion: "1.0"}
	for why := range texts {
		for _, evidence := range []Evidence{e, {}} {
			got := Explain(why, evidence)
			if all := got.Message + got.Remedy; strings.ContainsAny(all, "{}") || got.Message == "" || got.Remedy == "" && why != ReasonBound {
				t.Errorf("Explain(%s) = %+v", why, got)
			}
		}
	}
	got := Explain(ReasonClientTooOld, e)
	if want := (Explanation{"Microsoft Graph Command Line Tools states version 1.0; token protection needs 2.0.0 or later.",
		"Update Microsoft Graph Command Line Tools to version 2.0.0 or later."}); got != want {
		t.Errorf("Explain = %+v, want %+v", got, want)
	}
}

// P07: whatever else a request says, it is bound only where a proof holds and none failed, and making any of its claims
// unreadable never binds it.
func TestNothingButAProofBinds(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	apps := directory.WellKnownApplications()
	versions := []string{"", "1.0", "99.0", "x"}
	for range 5000 {
		e := Evidence{ProofFailed: random.IntN(4) == 0, ProofHeld: random.IntN(3) > 0, ClaimedOSVersion: versions[random.IntN(4)],
			Application: &apps[random.IntN(len(apps))], AppVersion: versions[random.IntN(4)]}
		if random.IntN(4) > 0 {
			e.Device = laptop(osVersion([]string{"10.0.22631", "6.1", ""}[random.IntN(3)]))
		}
		b := Judge(e)
		if b.Status == Bound && (e.ProofFailed || !e.ProofHeld || e.Device == nil) {
			t.Fatalf("Judge(%+v) = %+v", e, b)
		}
		if (b.Status == Bound) != (b.Code == CodeBound) || (b.Code == CodeBound) != (b.Reason == ReasonBound) {
			t.Fatalf("Judge(%+v) contradicts itself: %+v", e, b)
		}
		worse := e
		worse.ClaimedOSVersion = "?"
		if b.Status == Unbound && Judge(worse).Status == Bound {
			t.Fatalf("an unreadable version binds %+v", e)
		}
	}
}

func TestVersionsCompareNumerically(t *testing.T) {
	for _, tt := range []struct {
		a, b  string
		below bool
	}{
		{"1.6.00.1331", "1.6.0.1331", false}, {"1.6.0.1331", "1.6.00.1331", false}, {"2", "2.0.0", false}, {"2.0.0", "2", false},
		{"9", "10", true}, {"1.10", "1.9", false}, {"22.217", "22.217.0.1", true}, {" 3.7 ", "3.7.0", false},
	} {
		t.Run(fmt.Sprintf("%s before %s", tt.a, tt.b), func(t *testing.T) {
			a, okA := parseVersion(tt.a)
			b, okB := parseVersion(tt.b)
			if !okA || !okB || a.below(b) != tt.below {
				t.Errorf("below = %t, want %t (read: %t, %t)", a.below(b), tt.below, okA, okB)
			}
		})
	}
}

package policy

import (
	"slices"
	"strings"

	"boundgate/internal/device"
	"boundgate/internal/directory"
)

// A capability is a kind of device whose sessions can be bound, with the operating system that it needs.
type capability struct {
	name    string
	on      bool   // off: sessions of such devices count as unbound
	system  string // how the operating system's name begins, in lower case
	client  version
	server  version
	tpmOnly bool // the keys must be proven to be in a TPM
}

// capabilities lists the kinds of device. Windows 10 and Server 2019 both are version 10.0, and 17763 is the build of
// Server 2019 and of Windows 10 1809 alike: whether it is a server is known from the directory, not from the number.
var capabilities = []capability{
	{name: "windows-native", on: true, system: "windows", client: version{10, 0}, server: version{10, 0, 17763}},
	{name: "linux-tpm", on: false, system: "linux", tpmOnly: true},
}

// Judge concludes from evidence whether the sign-in session is bound to its device. The proof decides; everything else
// can only make it worse. The first of these that applies gives the code (S52):
//
//  1. a proof is offered and fails: 1005
//  2. the session belongs to a device and no proof is offered: 1008, and the catalogue of applications explains it
//  3. there is no device: 1002
//  4. the operating system is below the minimum (S11, S12): 1006
//  5. the registration is of a kind that cannot be bound (S12, S22, S24, S25): 1003
//  6. the application may not be used (S13, S20, S21): 1008
//  7. otherwise the session is bound: 0
//
// What a device or application says of itself never helps it: of what is claimed and what is recorded the less favourable
// counts, and what cannot be read counts as too old (P07). Only an application that states no version passes with a proof,
// since the proof shows what the version would.
func Judge(e Evidence) Binding {
	switch {
	case e.ProofFailed:
		return unbound(CodeOther, ReasonProofFailed)
	case e.Device != nil && !e.ProofHeld:
		return unbound(CodeNoBroker, whyUnproven(e))
	case e.Device == nil:
		return unbound(CodeNoDevice, ReasonNoDevice)
	}
	if why := judgeSystem(e); why != ReasonBound {
		return unbound(CodeOSUnsupported, why)
	}
	if why := judgeRegistration(*e.Device); why != ReasonBound {
		return unbound(CodeDeviceUnsupported, why)
	}
	if why := judgeApplication(e); why != ReasonBound {
		return unbound(CodeNoBroker, why)
	}
	return Binding{Status: Bound, Code: CodeBound, Reason: ReasonBound}
}

func unbound(code Code, why Reason) Binding { return Binding{Status: Unbound, Code: code, Reason: why} }

// whyUnproven explains from the catalogue why a client on a registered device offers no proof.
func whyUnproven(e Evidence) Reason {
	app := e.Application
	switch {
	case app == nil || !app.Listed:
		return ReasonNoProof
	case app.Unsupported:
		return ReasonNotSupported
	case tooOld(*app, e.AppVersion):
		return ReasonClientTooOld
	case app.BrokerOption != "":
		return ReasonBrokerOptionOff
	}
	return ReasonNoProof
}

// judgeApplication applies S13, S20 and S21 to a session whose proof holds.
func judgeApplication(e Evidence) Reason {
	switch app := e.Application; {
	case app == nil:
		return ReasonBound
	case app.Unsupported && reachesMail(e.Audiences):
		return ReasonNotSupported
	case tooOld(*app, e.AppVersion):
		return ReasonClientTooOld
	}
	return ReasonBound
}

// reachesMail reports whether Exchange or SharePoint is asked for, or might be.
func reachesMail(audiences []directory.AppID) bool {
	return len(audiences) == 0 || slices.ContainsFunc(audiences, func(id directory.AppID) bool {
		return id == directory.ExchangeOnline || id == directory.SharePointOnline || id == ""
	})
}

// tooOld reports whether the application states a version below its minimum. A version that cannot be read does not show
// that it is new enough.
func tooOld(app directory.Application, stated string) bool {
	if app.MinimumVersion == "" || stated == "" {
		return false
	}
	minimum, ok := parseVersion(app.MinimumVersion)
	if !ok {
		return true
	}
	v, ok := parseVersion(stated)
	return !ok || v.below(minimum)
}

// judgeSystem applies the minimum versions of operating systems to everything that is recorded or claimed.
func judgeSystem(e Evidence) Reason {
	d := *e.Device
	c, ok := capabilityOf(d)
	if !ok {
		return ReasonOSUnsupported
	}
	minimum := c.client
	if isServer(d) {
		minimum = c.server
	}
	stated := 0
	for _, s := range []string{d.RecordedOSVersion, d.OperatingSystemVersion, e.ClaimedOSVersion} {
		if s == "" {
			continue
		}
		stated++
		if v, ok := parseVersion(s); !ok || v.below(minimum) {
			return ReasonOSVersion
		}
	}
	if stated == 0 {
		return ReasonOSVersion
	}
	return ReasonBound
}

// capabilityOf returns the capability that every name of the device's operating system fits.
func capabilityOf(d device.Device) (capability, bool) {
	for _, c := range capabilities {
		fits := (d.RecordedOS == "" || c.fits(d.RecordedOS)) && (d.OperatingSystem == "" || c.fits(d.OperatingSystem)) &&
			d.RecordedOS+d.OperatingSystem != ""
		if c.on && fits && (!c.tpmOnly || d.KeyProtection == device.TPMKeys) {
			return c, true
		}
	}
	return capability{}, false
}

func (c capability) fits(system string) bool {
	name := strings.ToLower(strings.TrimSpace(system))
	return strings.HasPrefix(name, c.system) && platformOfName(name) != WindowsPhone
}

// isServer reports whether anything says that the device runs Windows Server, which has to meet more.
func isServer(d device.Device) bool {
	return d.Edition == device.Server ||
		strings.Contains(strings.ToLower(d.RecordedOS), "server") || strings.Contains(strings.ToLower(d.OperatingSystem), "server")
}

// judgeRegistration applies the kinds of registration that cannot be bound.
func judgeRegistration(d device.Device) Reason {
	for _, r := range unsupportedRegistrations {
		if r.is(d) {
			return r.reason
		}
	}
	switch {
	case d.TrustType != device.Joined && d.TrustType != device.HybridJoined && d.TrustType != device.Registered:
		return ReasonTrustTypeUnknown
	case isServer(d) && d.TrustType != device.HybridJoined:
		return ReasonServerNotHybridJoined
	case d.Edition == device.SurfaceHub:
		return ReasonSurfaceHub
	case d.Edition == device.TeamsRooms:
		return ReasonTeamsRooms
	case !d.FreshCredentials:
		return ReasonStaleRegistration
	case !d.Enabled:
		return ReasonDeviceDisabled
	}
	return ReasonBound
}

// An unsupportedRegistration is one of the six of S24.
type unsupportedRegistration struct {
	reason Reason
	method device.Method
	label  string // a system label that marks it where the device is joined
}

var unsupportedRegistrations = []unsupportedRegistration{
	{ReasonVirtualDesktop, device.VirtualDesktop, device.LabelVirtualDesktop},
	{ReasonBulkEnrolment, device.BulkEnrolment, device.LabelBulkEnrolment},
	{ReasonCloudPC, device.CloudPC, device.LabelCloudPC},
	{ReasonPowerAutomate, device.PowerAutomate, device.LabelPowerAutomate},
	{ReasonSelfDeploying, device.SelfDeploying, ""},
	{ReasonVMExtension, device.VMExtension, ""},
}

// is reports whether d was registered in this way, as far as its method, its labels or its profile tell. Those that the
// source calls unsupported where they are joined are supported where they are hybrid joined.
func (r unsupportedRegistration) is(d device.Device) bool {
	marked := d.Method == r.method ||
		r.label != "" && slices.ContainsFunc(d.SystemLabels, func(l string) bool { return strings.EqualFold(l, r.label) }) ||
		r.method == device.VMExtension && strings.EqualFold(d.ProfileType, device.ProfileSecureVM)
	return marked && (d.TrustType != device.HybridJoined || r.method == device.BulkEnrolment || r.method == device.SelfDeploying)
}

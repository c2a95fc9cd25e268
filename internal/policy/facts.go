package policy

import (
	"time"

	"boundgate/internal/device"
	"boundgate/internal/devicefilter"
	"boundgate/internal/directory"
)

// ClientAppType is the kind of client that asks, in Graph's spelling.
type ClientAppType string

// The client app types.
const (
	Browser                     ClientAppType = "browser"
	MobileAppsAndDesktopClients ClientAppType = "mobileAppsAndDesktopClients"
	ExchangeActiveSync          ClientAppType = "exchangeActiveSync"
	OtherClients                ClientAppType = "other"
)

// Platform is a device platform, in Graph's spelling. The zero value is an unknown, absent or contradictory one.
type Platform string

// The platforms.
const (
	UnknownPlatform Platform = ""
	Windows         Platform = "windows"
	WindowsPhone    Platform = "windowsPhone"
	MacOS           Platform = "macOS"
	IOS             Platform = "iOS"
	Android         Platform = "android"
	Linux           Platform = "linux"
)

// Facts are everything that a decision may rest on. They are values: the same facts give the same verdict today, in a
// what-if, in a replay of the log and in a forecast (P18).
type Facts struct {
	At     time.Time
	Tenant directory.TenantID

	// Who asks.
	User   directory.ObjectID
	Groups map[directory.ObjectID]bool // every group, nested ones included
	Roles  map[directory.Role]bool
	Guest  bool
	// HomeTenant differs from Tenant for guests.
	HomeTenant directory.TenantID

	// What is asked for: the resource and those reached together with it. None, or "", is an unknown resource.
	Audiences []directory.AppID

	// By what.
	Client    directory.AppID
	ClientApp ClientAppType
	Platform  Platform
	// TransferMethod is how the session came to the client: none, deviceCodeFlow or authenticationTransfer. Anything else,
	// "" included, is unknown and satisfies every condition on it.
	TransferMethod string
	// MultiFactor is true where the session carries a second factor.
	MultiFactor bool

	// From which device. Device is nil where no device is proven; filters then see every property as null. For guests it
	// holds only what the resource tenant believes of the home tenant.
	Device       *devicefilter.Device
	Compliant    bool // a compliant device, as far as the tenant believes it
	HybridJoined bool

	// Binding is the judgement of the sign-in session.
	Binding Binding
}

// Status tells a bound sign-in session from an unbound one.
type Status string

// The statuses of TokenProtectionStatusDetails.
const (
	Bound   Status = "bound"
	Unbound Status = "unbound"
)

// A Code is a signInSessionStatusCode (S52).
type Code int

// The codes.
const (
	CodeBound             Code = 0
	CodeNoDevice          Code = 1002
	CodeDeviceUnsupported Code = 1003
	CodeOther             Code = 1005
	CodeOSUnsupported     Code = 1006
	CodeNoBroker          Code = 1008
)

// A Binding is the judgement of one request's sign-in session: bound or not, by which code, and why.
type Binding struct {
	Status Status
	Code   Code
	Reason Reason // which rule decided
}

// Evidence is what a request shows of its sign-in session, from which Judge concludes the binding.
type Evidence struct {
	// ProofFailed is true where a proof of possession was offered and does not hold.
	ProofFailed bool
	// ProofHeld is true where a proof of possession was offered and holds.
	ProofHeld bool
	// Device is the device that the proof names or, without a proof, that the token's record names; nil for none.
	Device *device.Device
	// ClaimedOSVersion is what the request says of the operating system; it can only make things worse.
	ClaimedOSVersion string
	// Application is the client's catalogue entry; nil where the tenant does not list it.
	Application *directory.Application
	// AppVersion is the version that the application states; "" for none.
	AppVersion string
	// Audiences are the resources asked for, those included that are reached together with them.
	Audiences []directory.AppID
}

package policy

import (
	"net/netip"
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

// ExternalKind is a kind of guest, in Graph's spelling (conditionalAccessGuestOrExternalUserTypes).
type ExternalKind string

// The kinds of guests. In this server an external user is an object of the tenant whose home is another tenant: a guest or a
// member of collaboration.
const (
	InternalGuest       ExternalKind = "internalGuest" // a guest whose home is the tenant itself
	CollaborationGuest  ExternalKind = "b2bCollaborationGuest"
	CollaborationMember ExternalKind = "b2bCollaborationMember"
	DirectConnectUser   ExternalKind = "b2bDirectConnectUser"
	OtherExternalUser   ExternalKind = "otherExternalUser"
	ServiceProvider     ExternalKind = "serviceProvider"
)

// UserAction is what a person does with their own account, as policies name it.
type UserAction string

// The user actions.
const (
	RegisterSecurityInformation UserAction = "urn:user:registersecurityinfo"
	RegisterDevice              UserAction = "urn:user:registerdevice"
)

// RiskLevel is how great a risk is, in Graph's spelling.
type RiskLevel string

// The risk levels.
const (
	RiskNone   RiskLevel = "none"
	RiskLow    RiskLevel = "low"
	RiskMedium RiskLevel = "medium"
	RiskHigh   RiskLevel = "high"
	RiskHidden RiskLevel = "hidden"
)

// InsiderRisk is how great the risk is that a member of the organisation means harm, in Graph's spelling.
type InsiderRisk string

// The levels of insider risk.
const (
	InsiderNone     InsiderRisk = "none"
	InsiderMinor    InsiderRisk = "minor"
	InsiderModerate InsiderRisk = "moderate"
	InsiderElevated InsiderRisk = "elevated"
)

// UnknownCountry is the country of an address of which the database of countries knows none.
const UnknownCountry = "??"

// Facts are everything that a decision may rest on. They are values: the same facts give the same verdict today, in a
// what-if, in a replay of the log and in a forecast (P18).
type Facts struct {
	At     time.Time
	Tenant directory.TenantID

	// Who asks.
	User   directory.ObjectID
	Groups map[directory.ObjectID]bool // every group, nested ones included
	Roles  map[directory.Role]bool
	// Guest is true for everybody whom Graph's GuestsOrExternalUsers means: a guest of any kind, also a member whose home is
	// another tenant.
	Guest bool
	// ExternalKind is the kind of guest; "" where it is not known, and for those who are none.
	ExternalKind ExternalKind
	// HomeTenant differs from Tenant for external users.
	HomeTenant directory.TenantID
	// ServicePrincipal is the application that asks for itself; "" where a person asks. Policies for workload identities are
	// about it, and all others are not.
	ServicePrincipal directory.ObjectID

	// What is asked for: the resource and those reached together with it. "" is an unknown resource, and so is none, unless
	// there is a user action or an authentication context: those can be all that is asked for.
	Audiences []directory.AppID
	// UserAction is what the person is about to do with their own account; "" for nothing that policies know.
	UserAction UserAction
	// Contexts are the authentication contexts asked for, c1 to c99.
	Contexts []string

	// By what.
	Client    directory.AppID
	ClientApp ClientAppType
	Platform  Platform
	// TransferMethod is how the session came to the client: none, deviceCodeFlow or authenticationTransfer. Anything else,
	// "" included, is unknown and satisfies every condition on it.
	TransferMethod string
	// MultiFactor is true where the session carries a second factor.
	MultiFactor bool
	// Passkey is true where one of the session's factors is a passkey that has verified its user: passwordless, and proof
	// against phishing.
	Passkey bool
	// AuthTime is when the person last proved who they are; zero where it is not known.
	AuthTime time.Time

	// From where. An invalid Address is an unknown one.
	Address netip.Addr
	// Country is that of the address, as ISO 3166-1 alpha-2 in upper case; UnknownCountry where it was looked up and is not
	// known; "" where it could not be looked up.
	Country string

	// How great the risk is. "" is unknown; this server measures none, What-If and imported logs have them.
	SignInRisk           RiskLevel
	UserRisk             RiskLevel
	ServicePrincipalRisk RiskLevel
	InsiderRisk          InsiderRisk

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

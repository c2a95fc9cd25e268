package pages

// A Cause is why access is refused, as people are told it. Each has words of its own in every language.
type Cause string

// The causes. Those of a session that is not bound have the names of the rules by which it was judged.
const (
	NoDevice             Cause = "noDevice" // 1002: the device is not registered
	NoProof              Cause = "noProof"  // 1008, and so are the next three
	ClientTooOld         Cause = "clientTooOld"
	BrokerOptionOff      Cause = "brokerOptionOff"
	NotSupported         Cause = "notSupported"
	ProofFailed          Cause = "proofFailed" // 1005
	OSUnsupported        Cause = "osUnsupported"
	OSVersion            Cause = "osVersion" // 1006
	CloudPC              Cause = "cloudPC"   // 1003, and so are the next ones
	VirtualDesktop       Cause = "virtualDesktop"
	PowerAutomate        Cause = "powerAutomate"
	SelfDeploying        Cause = "selfDeploying"
	VMExtension          Cause = "vmExtension"
	BulkEnrolment        Cause = "bulkEnrollment"
	TrustTypeUnknown     Cause = "trustTypeUnknown"
	ServerNotJoined      Cause = "serverNotHybridJoined"
	SurfaceHub           Cause = "surfaceHub"
	TeamsRooms           Cause = "teamsRooms"
	StaleRegistration    Cause = "staleRegistration"
	DeviceDisabled       Cause = "deviceDisabled"
	BlockedByPolicy      Cause = "blockedByPolicy"
	NotCompliant         Cause = "notCompliant"
	NotHybridJoined      Cause = "notHybridJoined"
	ControlUnavailable   Cause = "controlUnavailable"
	HomeNotTrusted       Cause = "homeNotTrusted"
	GuestNoDevice        Cause = "guestNoDevice" // a guest whose home has not registered the device
	NotAGuest            Cause = "notAGuest"
	AdminConsent         Cause = "adminConsent"
	AccountLocked        Cause = "accountLocked"
	AccountDisabled      Cause = "accountDisabled"
	ApplicationUnknown   Cause = "applicationUnknown"
	ApplicationDisabled  Cause = "applicationDisabled"
	RedirectUnknown      Cause = "redirectUnknown"
	ResourceUnknown      Cause = "resourceUnknown"
	TenantUnknown        Cause = "tenantUnknown"
	PersonalAccount      Cause = "personalAccount"
	RequestMalformed     Cause = "requestMalformed"
	PageExpired          Cause = "pageExpired"
	TooMany              Cause = "tooMany"
	Unavailable          Cause = "unavailable"
	RegistrationNotFresh Cause = "registrationNotFresh"
	Other                Cause = "other"
)

// Causes are all of them.
var Causes = []Cause{
	NoDevice, NoProof, ClientTooOld, BrokerOptionOff, NotSupported, ProofFailed, OSUnsupported, OSVersion, CloudPC, VirtualDesktop,
	PowerAutomate, SelfDeploying, VMExtension, BulkEnrolment, TrustTypeUnknown, ServerNotJoined, SurfaceHub, TeamsRooms, StaleRegistration,
	DeviceDisabled, BlockedByPolicy, NotCompliant, NotHybridJoined, ControlUnavailable, HomeNotTrusted, GuestNoDevice, NotAGuest, AdminConsent,
	AccountLocked, AccountDisabled, ApplicationUnknown, ApplicationDisabled, RedirectUnknown, ResourceUnknown, TenantUnknown, PersonalAccount,
	RequestMalformed, PageExpired, TooMany, Unavailable, RegistrationNotFresh, Other,
}

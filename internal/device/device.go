// Package device is about registered devices: what is known of one and from whom, how it joins a tenant, the certificate
// that the tenant's own certificate authority issues to it, and how it leaves.
//
// Every fact about a device has a source. What a device says of itself (its name, its operating system and version) is
// kept as claimed and never raises trust. What the server concludes from the registration (trust type, owner, fresh
// credentials, key protection) and what an administrator sets (labels, profile, edition, enrolment profile, compliance)
// is kept apart and decides.
package device

import (
	"crypto"
	"errors"
	"time"

	"boundgate/internal/directory"
)

// Facts about lookups that callers decide upon.
var (
	ErrNotFound = errors.New("device: no such device")
	ErrQuota    = errors.New("device: the user has registered as many devices as the tenant allows")
)

// TrustType says how a device belongs to the organisation, in the spelling of device filters.
type TrustType string

// The trust types.
const (
	Joined       TrustType = "AzureAD"   // the organisation's device (join type 0)
	HybridJoined TrustType = "ServerAD"  // synchronised from an on-premises directory first (join type 6)
	Registered   TrustType = "Workplace" // a person's own device (join type 4)
)

// Edition is the kind of Windows that runs on a device. Build numbers do not tell it, so an administrator does.
type Edition string

// The editions. The zero value is an ordinary client.
const (
	Client     Edition = ""
	Server     Edition = "Server"
	SurfaceHub Edition = "SurfaceHub"
	TeamsRooms Edition = "TeamsRooms"
)

// Method is how a device came to be registered, as far as the server or an administrator knows.
type Method string

// The registration methods. All but Interactive and Synchronised are unsupported registration types (S24).
const (
	Interactive    Method = "interactive"
	Synchronised   Method = "synchronised"
	BulkEnrolment  Method = "bulkEnrollment"
	SelfDeploying  Method = "selfDeploying"
	VMExtension    Method = "vmExtension"
	CloudPC        Method = "cloudPC"
	VirtualDesktop Method = "azureVirtualDesktop"
	PowerAutomate  Method = "powerAutomate"
)

// The system labels of S26, and the one by which a filter can name a bulk-enrolled device.
const (
	LabelCloudPC        = "CloudPC"
	LabelVirtualDesktop = "AzureVirtualDesktop"
	LabelPowerAutomate  = "MicrosoftPowerAutomate"
	LabelBulkEnrolment  = "BulkEnrollment"
)

// ProfileSecureVM is the profile type of virtual machines with the sign-in extension.
const ProfileSecureVM = "SecureVM"

// KeyProtection says where a device's private keys are.
type KeyProtection string

// The key protections. What a device says without proof counts as software.
const (
	SoftwareKeys KeyProtection = "software"
	TPMKeys      KeyProtection = "tpm"
)

// A Device is one registration of a device in one tenant. Its JSON form is what audit rows keep of it.
type Device struct {
	ObjectID directory.ObjectID // the directory object
	ID       string             // the device id: lower-case GUID, the subject of its certificate
	Tenant   directory.TenantID
	// Registration changes whenever the device registers anew; a session key belongs to one of them (P05).
	Registration string

	// Claimed by the device at registration.
	DisplayName            string
	OperatingSystem        string // Windows, Linux, MacOS, Android, IOS …
	OperatingSystemVersion string // such as 10.0.22631.3593

	// Concluded by the server.
	TrustType        TrustType
	Owner            directory.ObjectID // who registered it
	FreshCredentials bool               // registered within ten minutes of an interactive sign-in
	KeyProtection    KeyProtection
	SignIn           string // the sign-in (token family) whose access token registered it
	RegisteredAt     time.Time
	LastActivity     time.Time // approximate

	// Set by an administrator, or by the server from a proof.
	Enabled               bool
	Edition               Edition
	Method                Method
	ProfileType           string // RegisteredDevice, SecureVM, Printer, Shared, IoT
	SystemLabels          []string
	PhysicalIDs           []string
	EnrollmentProfileName string
	Ownership             string // Company, Personal, or ""
	Manufacturer          string
	Model                 string
	MDMAppID              string
	IsCompliant           *bool // nil: unknown
	IsManaged             *bool
	ExtensionAttributes   [15]string
	// RecordedOS and RecordedOSVersion come from the synchronised object; "" where there is none. The less favourable of
	// record and claim counts.
	RecordedOS        string
	RecordedOSVersion string

	// Keys.
	CertificateThumbprint string // SHA-1 of the certificate as upper-case hex, as on the wire
	KeyThumbprint         string // SHA-256 of the device key's SubjectPublicKeyInfo, base64url
	DeviceKey             []byte // SubjectPublicKeyInfo of the certificate's key; nil before registration completes
	TransportKey          []byte // SubjectPublicKeyInfo of the key to which session keys are encrypted

	// For a hybrid join: what the synchronised object carries.
	SyncedKey []byte // SubjectPublicKeyInfo of the self-signed certificate (userCertificate)
	SyncedSID string
}

// A Proof is a verified statement that the sender of a request holds a device's key.
type Proof struct {
	Device Device
	At     time.Time
}

// Keys are the public keys of a registration, parsed.
type Keys struct {
	Device    crypto.PublicKey
	Transport crypto.PublicKey
}

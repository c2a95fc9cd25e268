package directory

import (
	_ "embed"
	"encoding/json"
	"strings"
	"sync"
)

// Well-known applications that the code itself must tell apart.
const (
	AuthenticationBroker    AppID = "29d9ed98-a469-4536-ade2-f981bc1d605e" // registers devices; its refresh token upgrades to a PRT
	WindowsSignIn           AppID = "38aa3b87-a06d-4817-b275-7a316988d93b" // client inside PRT requests with a password
	DeviceRegistration      AppID = "01cb2876-7ebd-4aa4-9cc9-d28bd4d359a9" // the device registration service as a resource
	MicrosoftGraph          AppID = "00000003-0000-0000-c000-000000000000"
	AzureADGraph            AppID = "00000002-0000-0000-c000-000000000000"
	LogAnalytics            AppID = "ca7f3f0b-7d91-482c-8e09-c5d840d0eac5"
	ExchangeOnline          AppID = "00000002-0000-0ff1-ce00-000000000000"
	SharePointOnline        AppID = "00000003-0000-0ff1-ce00-000000000000"
	TeamsServices           AppID = "cc15fd57-2c6c-4117-a88c-83b1d56b4bbe"
	AzureVirtualDesktop     AppID = "9cdead84-a844-4324-93f2-b2e6bb768d07"
	Windows365              AppID = "0af06dc6-e4b5-4f28-818e-e78e62d137a5"
	WindowsCloudLogin       AppID = "270efc09-cd0d-444b-a71f-39af4910ec45"
	AzureManagement         AppID = "797f4846-ba00-4fd7-ba43-dac1f8f63013"
	AzurePortal             AppID = "c44b4083-3bb0-49c1-b47d-974e53cbdf3c"
	CommandLine             AppID = "b0d9a7e0-6c1e-4b7a-9d55-0c6f1c2a7e01" // boundgate's own admin commands
	MySignIns               AppID = "19db86c3-b2b9-44cc-b339-36da233a3be2" // the pages of people's own accounts
	DeviceRegistrationURN         = "urn:ms-drs:enterpriseregistration.windows.net"
	ManagementAudienceGraph       = "https://graph.microsoft.com"
	ManagementAudienceLogs        = "https://api.loganalytics.io"
)

// An Application is a client: something that asks for tokens. The catalogue of S13, S20 and S21 is made of these.
type Application struct {
	AppID       AppID  `json:"appId"`
	DisplayName string `json:"displayName"`
	// PublicClient is true for applications that can hold no secret of their own.
	PublicClient bool `json:"publicClient"`
	// RedirectURIs are those of the public client platform: native applications. Where they match, Redirect says.
	RedirectURIs    []string `json:"redirectUris,omitempty"`
	WebRedirectURIs []string `json:"webRedirectUris,omitempty"`
	SPARedirectURIs []string `json:"spaRedirectUris,omitempty"`
	// ServicePrincipal is the application's object in the tenant, for which tokens of its own are issued.
	ServicePrincipal ObjectID `json:"servicePrincipalId,omitempty"`
	// Disabled keeps the application from getting any token.
	Disabled bool `json:"disabled,omitempty"`
	// What the application proves itself with; one that has none of it is public.
	Secrets      []ClientSecret        `json:"secrets,omitempty"`
	Certificates []ClientCertificate   `json:"certificates,omitempty"`
	Federated    []FederatedCredential `json:"federatedCredentials,omitempty"`
	// Family lets the application redeem refresh tokens of its family, where the tenant has that switched on.
	Family bool `json:"family,omitempty"`
	// SigningAlgorithm is that of ID tokens for the application: ES256, or "" for RS256.
	SigningAlgorithm string `json:"signingAlgorithm,omitempty"`
	// Listed is true for the applications that the administrator sees in the catalogue of supported applications.
	Listed bool `json:"listed,omitempty"`
	// MinimumVersion is the first version that signs in through the broker; "" where any does.
	MinimumVersion string `json:"minimumVersion,omitempty"`
	// BrokerOption names the option that the user or administrator must switch on for the application to use the broker.
	BrokerOption string `json:"brokerOption,omitempty"`
	// Unsupported is true for the applications of S20 and S21, which cannot use protected token flows; Why says it in a
	// sentence for people.
	Unsupported bool   `json:"unsupported,omitempty"`
	Why         string `json:"why,omitempty"`
	// UserAgents are product tokens by which the application states its version in a User-Agent, such as "Teams".
	UserAgents []string `json:"userAgents,omitempty"`
	// BuiltIn is true for the entries that come with the program.
	BuiltIn bool `json:"builtIn,omitempty"`
}

// A Resource is a service principal that tokens are asked for.
type Resource struct {
	ObjectID    ObjectID `json:"id,omitempty"` // in this tenant
	AppID       AppID    `json:"appId"`
	DisplayName string   `json:"displayName"`
	// IdentifierURIs are the names by which clients ask for the resource. In one of them a leading "https://*." stands
	// for any single host label.
	IdentifierURIs []string `json:"identifierUris,omitempty"`
	// EarlyBound lists resources that are reached together with this one: policies for them apply at once.
	EarlyBound []AppID `json:"earlyBound,omitempty"`
	// SigningAlgorithm is that of access tokens for the resource: ES256, or "" for RS256.
	SigningAlgorithm string `json:"signingAlgorithm,omitempty"`
	// Scopes are what clients may ask for on behalf of a person; a resource that lists none takes any name.
	Scopes []Scope `json:"scopes,omitempty"`
	// Supported is true for the resources of S14, and Windows Cloud Login, which the source selects beside them.
	Supported bool `json:"supported,omitempty"`
	BuiltIn   bool `json:"builtIn,omitempty"`
}

//go:embed wellknown.json
var wellKnownJSON []byte

type wellKnown struct {
	Applications []Application `json:"applications"`
	Resources    []Resource    `json:"resources"`
}

var loadWellKnown = sync.OnceValue(func() wellKnown {
	var w wellKnown
	if err := json.Unmarshal(wellKnownJSON, &w); err != nil {
		panic("directory: wellknown.json: " + err.Error()) // built into the program: wrong only if the program is
	}
	for i := range w.Applications {
		w.Applications[i].BuiltIn = true
	}
	for i := range w.Resources {
		w.Resources[i].BuiltIn = true
	}
	return w
})

// WellKnownApplications returns the clients that every tenant starts with.
func WellKnownApplications() []Application {
	return append([]Application(nil), loadWellKnown().Applications...)
}

// WellKnownResources returns the resources that every tenant starts with.
func WellKnownResources() []Resource {
	return append([]Resource(nil), loadWellKnown().Resources...)
}

// Names reports whether identifier, as a client wrote it in a resource parameter or before the last slash of a scope,
// names r. Identifiers compare without case and without a trailing slash.
func (r Resource) Names(identifier string) bool {
	id := normalIdentifier(identifier)
	if id == string(r.AppID) || id == "spn:"+string(r.AppID) || id == "api://"+string(r.AppID) {
		return true
	}
	for _, uri := range r.IdentifierURIs {
		if matchIdentifier(normalIdentifier(uri), id) {
			return true
		}
	}
	return false
}

func normalIdentifier(s string) string {
	return strings.TrimRight(strings.ToLower(strings.TrimSpace(s)), "/")
}

func matchIdentifier(pattern, id string) bool {
	suffix, ok := strings.CutPrefix(pattern, "https://*.")
	if !ok {
		return pattern == id
	}
	host, ok := strings.CutPrefix(id, "https://")
	if !ok {
		return false
	}
	label, rest, ok := strings.Cut(host, ".")
	return ok && label != "" && rest == suffix && !strings.ContainsAny(label, "/?#@:")
}

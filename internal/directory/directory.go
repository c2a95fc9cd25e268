// Package directory is the vocabulary of an organisation: tenants, their domains and settings, users, groups, directory
// roles, licences, and the applications that ask for tokens or are asked for.
//
// It stores nothing and serves nothing. Names follow Microsoft Graph where Graph has one.
package directory

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Facts about lookups that callers decide upon.
var (
	ErrNotFound = errors.New("directory: no such object")
	ErrExists   = errors.New("directory: an object with this name exists")
	ErrInUse    = errors.New("directory: another object needs this one")
)

// A TenantID is the lower-case GUID of a tenant.
type TenantID string

// An ObjectID is the lower-case GUID of a directory object: a user, a group, a device object, a service principal.
type ObjectID string

// An AppID is the lower-case GUID of an application, the same in every tenant.
type AppID string

// A Tenant is one organisation. Nothing of a tenant is visible from another (P13).
type Tenant struct {
	ID          TenantID
	DisplayName string
	Domains     []Domain
	Settings    Settings
	CreatedAt   time.Time
}

// A Founding is a tenant as it begins: what is in it is there together, or there is no tenant.
type Founding struct {
	Tenant Tenant
	// Administrator is the first user, who gets the role of a Global Administrator; zero for nobody.
	Administrator User
	Licence       *Licence // nil for none
	// Operator makes it the tenant whose administrators may make further ones. There is one in a deployment.
	Operator bool
}

// InitialDomain returns the tenant's first domain, or "" when it has none.
func (t Tenant) InitialDomain() string {
	for _, d := range t.Domains {
		if d.Initial {
			return d.Name
		}
	}
	return ""
}

// A Domain is a DNS name whose users belong to a tenant.
type Domain struct {
	Name     string // lower case
	Verified bool   // only verified domains name a tenant in a URL or in a user principal name
	Initial  bool   // the domain that the tenant was made with
}

// Settings are what an administrator decides for a whole tenant. The zero value is the strict one.
type Settings struct {
	// AllowKDF1 accepts sessions whose requests derive keys with version 1. A leaked derived key then signs any body.
	AllowKDF1 bool `json:"allowKdf1"`
	// AllowDeviceCodeSessions lets a session that began with a device code register a device or become a PRT.
	AllowDeviceCodeSessions bool `json:"allowDeviceCodeSessions"`
	// AllowStaleRegistration records a registration without fresh credentials instead of refusing it; the device then
	// yields code 1003.
	AllowStaleRegistration bool `json:"allowStaleRegistration"`
	// DenyPasswordGrant switches the resource owner password credentials grant off.
	DenyPasswordGrant bool `json:"denyPasswordGrant"`
	// DenyUserConsent leaves it to administrators to agree to what applications ask for.
	DenyUserConsent bool `json:"denyUserConsent"`
	// FamilyRefreshTokens lets the applications of a family redeem one another's refresh tokens.
	FamilyRefreshTokens bool `json:"familyRefreshTokens"`
	// DevicesPerUser is the registration quota; 0 means DefaultDevicesPerUser.
	DevicesPerUser int `json:"devicesPerUser"`
	// InboundTrust lists the home tenants whose device claims this tenant believes for its guests.
	InboundTrust []InboundTrust `json:"inboundTrust"`
}

// DefaultDevicesPerUser is how many devices a user may have registered where the tenant does not say.
const DefaultDevicesPerUser = 50

// Quota returns how many registered devices a user may own.
func (s Settings) Quota() int {
	if s.DevicesPerUser <= 0 {
		return DefaultDevicesPerUser
	}
	return s.DevicesPerUser
}

// Trusts returns what the tenant believes of devices that are registered in home; the zero value is nothing.
func (s Settings) Trusts(home TenantID) InboundTrust {
	for _, t := range s.InboundTrust {
		if t.Tenant == home {
			return t
		}
	}
	return InboundTrust{Tenant: home}
}

// InboundTrust says which claims of a home tenant about its devices count in this tenant.
type InboundTrust struct {
	Tenant           TenantID `json:"tenantId"`
	CompliantDevice  bool     `json:"isCompliantDeviceAccepted"`
	HybridJoined     bool     `json:"isHybridAzureADJoinedDeviceAccepted"`
	FilterAttributes bool     `json:"areDeviceFilterAttributesAccepted"`
	MultiFactor      bool     `json:"isMfaAccepted"`
}

// UserType tells members from guests, in Graph's spelling.
type UserType string

// The user types.
const (
	Member UserType = "Member"
	Guest  UserType = "Guest"
)

// A User is a person's account in one tenant.
type User struct {
	ID          ObjectID
	Tenant      TenantID
	UPN         string // user principal name, lower case
	DisplayName string
	Enabled     bool
	Type        UserType
	// EmergencyAccess marks a break-glass account: the linter and the set-up keep it out of every policy.
	EmergencyAccess bool
	// PasswordHash is an encoded argon2id hash; empty for guests, who sign in at home.
	PasswordHash string
	// PasswordChangedAt is when the password last changed. A session that used an older one ends (P06).
	PasswordChangedAt time.Time
	// SessionsValidFrom ends every session whose authentication is older (Graph's signInSessionsValidFromDateTime).
	SessionsValidFrom time.Time
	// HomeTenant and HomeUser name a guest's own account; both are empty for members.
	HomeTenant TenantID
	HomeUser   ObjectID
	CreatedAt  time.Time
}

// Home returns the tenant in which the user's sessions and devices live.
func (u User) Home() TenantID {
	if u.HomeTenant != "" {
		return u.HomeTenant
	}
	return u.Tenant
}

// A Group is a named set of users and groups of one tenant.
type Group struct {
	ID          ObjectID
	Tenant      TenantID
	DisplayName string
	CreatedAt   time.Time
}

// MemberKind says what a group member is.
type MemberKind string

// The kinds of group member.
const (
	UserMember  MemberKind = "user"
	GroupMember MemberKind = "group"
)

// A Role is the template id of a built-in directory role.
type Role string

// The directory roles that Boundgate knows by meaning.
const (
	GlobalAdministrator            Role = "62e90394-69f5-4237-9190-012177145e10"
	GlobalReader                   Role = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
	ConditionalAccessAdministrator Role = "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9"
	SecurityAdministrator          Role = "194ae4cb-b126-40b2-bd5b-6091b380977d"
	SecurityOperator               Role = "5f2222b1-57c3-48ba-8ad5-d4759f1fde6f"
	SecurityReader                 Role = "5d6b6bb7-de71-4623-b4af-96380a352509"
	ReportsReader                  Role = "4a5d8f65-41da-4de4-8968-e035b65339cf"
	UserAdministrator              Role = "fe930be7-5e62-47db-91af-98c3a49a38b1"
	CloudDeviceAdministrator       Role = "7698a772-787b-4ac8-901f-60d6b08affd2"
)

// RoleNames gives each known role its display name.
var RoleNames = map[Role]string{
	GlobalAdministrator:            "Global Administrator",
	GlobalReader:                   "Global Reader",
	ConditionalAccessAdministrator: "Conditional Access Administrator",
	SecurityAdministrator:          "Security Administrator",
	SecurityOperator:               "Security Operator",
	SecurityReader:                 "Security Reader",
	ReportsReader:                  "Reports Reader",
	UserAdministrator:              "User Administrator",
	CloudDeviceAdministrator:       "Cloud Device Administrator",
}

// RoleNamed returns the role with this display name, compared without case, or this template id.
func RoleNamed(name string) (Role, bool) {
	for role, display := range RoleNames {
		if strings.EqualFold(display, name) || strings.EqualFold(string(role), name) {
			return role, true
		}
	}
	return "", false
}

// The service plan and the SKU that carry Conditional Access.
const (
	ServicePlanP1    = "41781fb2-bc02-4b7c-bd55-b576c07bb09d"
	ServicePlanP2    = "eec0eb4f-6444-4f95-aba0-50c24d67f998"
	SKUPartNumberP1  = "AAD_PREMIUM"
	SKUPartNumberP2  = "AAD_PREMIUM_P2"
	CapabilityActive = "Enabled"
)

// A Licence is a tenant's subscription to a SKU (Graph's subscribedSku).
type Licence struct {
	SKUID            string
	SKUPartNumber    string
	CapabilityStatus string // Enabled, Warning, Suspended, Deleted, LockedOut
	Units            int    // prepaid units
	ServicePlans     []string
}

// HasP1 reports whether one of the licences gives Conditional Access now (S10). Premium P2 includes P1.
func HasP1(licences []Licence) bool { return hasPlan(licences, ServicePlanP1, ServicePlanP2) }

// HasP2 reports whether one of the licences gives conditions on risk now.
func HasP2(licences []Licence) bool { return hasPlan(licences, ServicePlanP2) }

func hasPlan(licences []Licence, plans ...string) bool {
	return slices.ContainsFunc(licences, func(l Licence) bool {
		return l.CapabilityStatus == CapabilityActive &&
			slices.ContainsFunc(l.ServicePlans, func(plan string) bool { return slices.Contains(plans, plan) })
	})
}

// SplitUPN returns the two parts of a user principal name in lower case; ok is false where name has not that form.
func SplitUPN(name string) (local, domain string, ok bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	at := strings.LastIndexByte(name, '@')
	if at <= 0 || at == len(name)-1 {
		return "", "", false
	}
	return name[:at], name[at+1:], true
}

// A RoleAssignment says that a user holds a directory role. Its id is made of both, so that it needs no record.
type RoleAssignment struct {
	Role Role
	User ObjectID
}

// ID returns the assignment's id as Graph callers see it.
func (a RoleAssignment) ID() string { return string(a.Role) + "_" + string(a.User) }

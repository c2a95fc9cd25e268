// Package graph serves the part of Microsoft Graph that administers a tenant: organisation, users, groups, roles, licences,
// applications, devices, Conditional Access policies, and the sign-in and audit logs; and Boundgate's own routes beside it
// under /beta/boundgate.
//
// A handler decodes, calls package admin once and encodes. Every request needs an access token; whether its owner may do
// what they ask is decided in package admin and nowhere here. Requests are read strictly: a query option, a filter or a
// member of an object that this package does not know is refused by its name, never ignored.
//
// Shapes follow the Microsoft Graph reference; members that Graph does not have are those of S13, S20 and S24, and the
// annotations that begin with "@boundgate.".
package graph

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"boundgate/internal/admin"
	"boundgate/internal/directory"
	"boundgate/internal/policy"
	"boundgate/internal/signinlog"

	"github.com/google/uuid"
)

// ErrInvalidToken is what an Authenticator returns for a token that is not a valid access token for Microsoft Graph.
var ErrInvalidToken = errors.New("graph: the access token is not valid")

// An Authenticator tells whom an access token for Microsoft Graph speaks of.
type Authenticator interface {
	// Authenticate returns the token's owner with the roles that they hold now, ErrInvalidToken where the token is not
	// good for Microsoft Graph, or admin.ErrSignedOut where the owner's account no longer stands. Any other error means
	// that it could not be found out.
	Authenticate(ctx context.Context, bearer string) (admin.Caller, error)
}

// Kind selects sign-ins by how they came about.
type Kind int

// The kinds. Graph lists interactive sign-ins unless asked for others.
const (
	Interactive Kind = iota
	NonInteractive
	AnyKind
)

// A SignInQuery selects sign-ins. Members that are nil or zero do not narrow it.
type SignInQuery struct {
	ID            string
	Kind          Kind
	CorrelationID *string
	UserID        *string
	UPN           *string   // lower case
	From, To      time.Time // both inclusive
	ErrorCode     *int
	SessionCode   *int // signInSessionStatusCode
	Limit         int
	// After is the continuation that an earlier answer gave; "" for the newest rows. It comes from a client: an
	// implementation must treat it as data from outside.
	After string
}

// SignIns reads the sign-in log.
type SignIns interface {
	// SignIns returns rows of the tenant, the newest first, and a continuation for what follows, "" for nothing. A
	// continuation that is not one is ErrBadContinuation.
	SignIns(ctx context.Context, tenant directory.TenantID, q SignInQuery) (rows []signinlog.Row, next string, err error)
}

// ErrBadContinuation refuses a $skiptoken that no answer has given.
var ErrBadContinuation = errors.New("graph: the continuation is not valid")

// Deps is what the routes work with.
type Deps struct {
	Admin   *admin.Service
	Auth    Authenticator
	SignIns SignIns
	// PublicURL is the address that clients use, without a trailing slash; links in answers begin with it.
	PublicURL string
	// ClientIP returns the address of a request's sender; nil takes the connection's.
	ClientIP func(*http.Request) string
	Log      *slog.Logger // nil discards
}

// Register adds the routes to mux, below /v1.0/ and /beta/.
func Register(mux *http.ServeMux, deps Deps) {
	h := New(deps)
	mux.Handle("/v1.0/", h)
	mux.Handle("/beta/", h)
}

// New returns the routes as one handler, for a server that sends it whatever begins with /v1.0/ or /beta/ in any case.
func New(deps Deps) http.Handler {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.ClientIP == nil {
		deps.ClientIP = connectionIP
	}
	deps.PublicURL = strings.TrimRight(deps.PublicURL, "/")
	h := &handler{Deps: deps}
	h.routes = routesOf(h)
	return h
}

type handler struct {
	Deps
	routes []route
}

// routesOf is every URL of this package. Fixed segments match without regard to case.
func routesOf(h *handler) []route {
	const (
		users          = "/users/{id}"
		groups         = "/groups/{id}"
		policies       = "/identity/conditionalAccess/policies"
		legacyPolicies = "/policies/conditionalAccessPolicies"
		locations      = "/identity/conditionalAccess/namedLocations"
		roles          = "/roleManagement/directory/"
		tenants        = "/boundgate/tenants"
	)
	return []route{
		{"POST", "/$batch", h.batch, nil},

		{"GET", "/organization", h.organization, nil},
		{"GET", "/domains", h.domains, nil},

		{"GET", "/me", h.me, nil},
		{"GET", "/me/memberOf", h.myMemberOf, nil},
		{"GET", "/me/transitiveMemberOf", h.myTransitiveMemberOf, nil},
		{"POST", "/me/revokeSignInSessions", h.revokeMySessions, nil},

		{"GET", "/users/$count", counted(h.users), nil},
		{"GET", "/groups/$count", counted(h.groups), nil},
		{"GET", "/devices/$count", counted(h.devices), nil},
		{"GET", "/applications/$count", counted(h.applications), nil},
		{"GET", "/servicePrincipals/$count", counted(h.resources), nil},
		{"GET", groups + "/members/$count", counted(h.members), nil},
		{"GET", policies + "/$count", counted(h.policies), nil},

		{"GET", "/users", h.users, nil},
		{"POST", "/users", h.createUser, nil},
		{"GET", users, h.user, nil},
		{"PATCH", users, h.updateUser, nil},
		{"DELETE", users, h.deleteUser, nil},
		{"POST", users + "/revokeSignInSessions", h.revokeSessions, nil},
		{"GET", users + "/authentication/methods", h.methods, nil},
		{"GET", users + "/authentication/softwareOathMethods", h.methodsOf(softwareOath), nil},
		{"GET", users + "/authentication/softwareOathMethods/{method}", h.methodOf(softwareOath), nil},
		{"DELETE", users + "/authentication/softwareOathMethods/{method}", h.removeMethod(softwareOath), nil},
		{"GET", users + "/authentication/fido2Methods", h.methodsOf(fido2), nil},
		{"GET", users + "/authentication/fido2Methods/{method}", h.methodOf(fido2), nil},
		{"DELETE", users + "/authentication/fido2Methods/{method}", h.removeMethod(fido2), nil},
		{"GET", users + "/memberOf", h.memberOf, nil},
		{"GET", users + "/transitiveMemberOf", h.transitiveMemberOf, nil},

		{"GET", "/groups", h.groups, nil},
		{"POST", "/groups", h.createGroup, nil},
		{"GET", groups, h.group, nil},
		{"PATCH", groups, h.updateGroup, nil},
		{"DELETE", groups, h.deleteGroup, nil},
		{"GET", groups + "/members", h.members, nil},
		{"GET", groups + "/transitiveMembers", h.transitiveMembers, nil},
		{"POST", users + "/checkMemberGroups", h.checkMemberGroups(theUser), nil},
		{"POST", users + "/getMemberGroups", h.getMemberGroups(theUser), nil},
		{"POST", "/me/checkMemberGroups", h.checkMemberGroups(theCaller), nil},
		{"POST", "/me/getMemberGroups", h.getMemberGroups(theCaller), nil},
		{"POST", groups + "/members/$ref", h.addMember, nil},
		{"DELETE", groups + "/members/{member}/$ref", h.removeMember, nil},

		{"GET", "/directoryRoles", h.directoryRoles, nil},
		{"GET", roles + "roleAssignments", h.roleAssignments, nil},
		{"POST", roles + "roleAssignments", h.assignRole, nil},
		{"DELETE", roles + "roleAssignments/{id}", h.unassignRole, nil},

		{"GET", "/subscribedSkus", h.licences, nil},
		{"POST", "/subscribedSkus", h.addLicence, nil},
		{"PATCH", "/subscribedSkus/{id}", h.changeLicence, nil},

		{"GET", "/applications", h.applications, nil},
		{"POST", "/applications", h.createApplication, nil},
		{"GET", "/applications/{id}", h.application, nil},
		{"GET", "/applications(appId={id})", h.application, nil},
		{"PATCH", "/applications/{id}", h.updateApplication, nil},
		{"PATCH", "/applications(appId={id})", h.updateApplication, nil},
		{"DELETE", "/applications/{id}", h.deleteApplication, nil},
		{"DELETE", "/applications(appId={id})", h.deleteApplication, nil},

		{"POST", "/applications/{id}/addPassword", h.addPassword, nil},
		{"POST", "/applications(appId={id})/addPassword", h.addPassword, nil},
		{"POST", "/applications/{id}/removePassword", h.removePassword, nil},
		{"POST", "/applications(appId={id})/removePassword", h.removePassword, nil},
		{"GET", "/applications/{id}/federatedIdentityCredentials", h.federated, nil},
		{"POST", "/applications/{id}/federatedIdentityCredentials", h.addFederated, nil},
		{"DELETE", "/applications/{id}/federatedIdentityCredentials/{credential}", h.removeFederated, nil},
		{"GET", "/oauth2PermissionGrants", h.consents, nil},
		{"POST", "/oauth2PermissionGrants", h.grantConsent, nil},
		{"DELETE", "/oauth2PermissionGrants/{id}", h.revokeConsent, nil},

		{"GET", "/servicePrincipals", h.resources, nil},
		{"POST", "/servicePrincipals", h.createResource, nil},
		{"GET", "/servicePrincipals/{id}", h.resource, nil},
		{"GET", "/servicePrincipals(appId={id})", h.resource, nil},
		{"PATCH", "/servicePrincipals/{id}", h.updateResource, nil},
		{"PATCH", "/servicePrincipals(appId={id})", h.updateResource, nil},
		{"DELETE", "/servicePrincipals/{id}", h.deleteResource, nil},
		{"DELETE", "/servicePrincipals(appId={id})", h.deleteResource, nil},

		{"GET", "/devices", h.devices, nil},
		{"POST", "/devices", h.createDevice, nil},
		{"GET", "/devices/{id}", h.device, nil},
		{"GET", "/devices(deviceId={deviceId})", h.device, nil},
		{"PATCH", "/devices/{id}", h.updateDevice, nil},
		{"PATCH", "/devices(deviceId={deviceId})", h.updateDevice, nil},
		{"DELETE", "/devices/{id}", h.deleteDevice, nil},
		{"DELETE", "/devices(deviceId={deviceId})", h.deleteDevice, nil},

		{"GET", policies, h.policies, nil},
		{"POST", policies, h.createPolicy, nil},
		{"GET", policies + "/{id}", h.policy, nil},
		{"PATCH", policies + "/{id}", h.updatePolicy, nil},
		{"PUT", policies + "/{id}", h.replacePolicy, nil},
		{"DELETE", policies + "/{id}", h.deletePolicy, nil},
		// The address of before, which policy-as-code repositories still have.
		{"GET", legacyPolicies, h.policies, nil},
		{"POST", legacyPolicies, h.createPolicy, nil},
		{"GET", legacyPolicies + "/{id}", h.policy, nil},
		{"PATCH", legacyPolicies + "/{id}", h.updatePolicy, nil},
		{"PUT", legacyPolicies + "/{id}", h.replacePolicy, nil},
		{"DELETE", legacyPolicies + "/{id}", h.deletePolicy, nil},
		{"GET", "/identity/conditionalAccess/authenticationStrength/policies", h.strengths, nil},
		{"GET", "/identity/conditionalAccess/authenticationStrength/policies/{id}", h.strength, nil},
		{"GET", "/policies/authenticationStrengthPolicies", h.strengths, nil},
		{"GET", "/policies/authenticationStrengthPolicies/{id}", h.strength, nil},

		{"POST", "/identity/conditionalAccess/evaluate", h.evaluate, nil},
		{"POST", "/boundgate/policies/replay", h.replay, nil},

		{"GET", locations, h.locations(""), nil},
		{"POST", locations, h.createLocation, nil},
		{"GET", locations + "/microsoft.graph.ipNamedLocation", h.locations(policy.IPLocation), nil},
		{"GET", locations + "/graph.ipNamedLocation", h.locations(policy.IPLocation), nil},
		{"GET", locations + "/microsoft.graph.countryNamedLocation", h.locations(policy.CountryLocation), nil},
		{"GET", locations + "/graph.countryNamedLocation", h.locations(policy.CountryLocation), nil},
		{"GET", locations + "/{id}", h.location, nil},
		{"PATCH", locations + "/{id}", h.updateLocation, nil},
		{"PUT", locations + "/{id}", h.updateLocation, nil},
		{"DELETE", locations + "/{id}", h.deleteLocation, nil},

		{"GET", "/identity/conditionalAccess/templates", h.templates, nil},
		{"GET", "/identity/conditionalAccess/templates/{id}", h.template, nil},
		{"POST", "/boundgate/policyTemplates/{id}/create", h.createFromTemplate, nil},
		{"GET", "/boundgate/policyCompanions", h.companions, nil},
		{"POST", "/boundgate/policyCompanions/createMissing", h.createCompanions, nil},

		{"GET", "/auditLogs/signIns", h.signIns, logOptions},
		{"GET", "/auditLogs/signIns/{id}", h.signIn, nil},
		{"GET", "/auditLogs/directoryAudits", h.directoryAudits, logOptions},

		{"GET", tenants, h.tenants, nil},
		{"POST", tenants, h.createTenant, nil},
		{"GET", tenants + "/{id}", h.tenant, nil},
		{"PATCH", tenants + "/{id}", h.updateTenant, nil},
		{"POST", tenants + "/{id}/domains", h.addDomain, nil},
		{"DELETE", tenants + "/{id}/domains/{domain}", h.removeDomain, nil},
		{"GET", "/boundgate/doctor", h.doctor, nil},
		{"POST", "/boundgate/policies/lint", h.lintDocument, nil},
		{"GET", "/boundgate/policies/{id}/lint", h.lintPolicy, nil},
		{"GET", "/boundgate/signingKeys", h.signingKeys, nil},
		{"POST", "/boundgate/signingKeys/replace", h.replaceSigningKeys, nil},
	}
}

// ServeHTTP authenticates, finds the route, and turns a handler's error into Graph's envelope. Nothing else here does.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &request{h: h, w: w, Request: r, id: uuid.NewString()}
	q.clientID = clientRequestID(r)
	w.Header().Set("request-id", q.id)
	w.Header().Set("client-request-id", q.clientID)
	w.Header().Set("OData-Version", "4.0")
	w.Header().Set("Cache-Control", "no-store")
	if err := h.serve(q); err != nil {
		q.writeError(err)
	}
}

func (h *handler) serve(q *request) error {
	if err := q.authenticate(); err != nil {
		return err
	}
	version, segments := splitPath(q.URL.EscapedPath())
	q.version = version
	found, vars, err := match(h.routes, q.Method, segments)
	if err != nil {
		return err
	}
	q.vars = vars
	takes := found.options
	if takes == nil && q.Method == http.MethodGet {
		takes = listOptions
	}
	if q.options, err = parseOptions(q.URL.RawQuery, takes); err != nil {
		return err
	}
	return found.handle(q)
}

// clientRequestID returns the caller's own id of the request where it is a GUID, and a new one otherwise: text from
// outside does not reach answers and logs.
func clientRequestID(r *http.Request) string {
	if id, err := uuid.Parse(r.Header.Get("client-request-id")); err == nil {
		return id.String()
	}
	return uuid.NewString()
}

func connectionIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

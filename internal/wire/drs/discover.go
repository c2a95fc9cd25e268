package drs

import (
	"errors"
	"net/http"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
)

// discover serves GET /{tenant}/Discover, and /{tenant}/contract as MS-DVRD calls it.
func (h Handlers) discover(w http.ResponseWriter, r *http.Request) error {
	tenant, err := h.Tenants.TenantByName(r.Context(), r.PathValue("tenant"))
	if errors.Is(err, directory.ErrNotFound) {
		return aadsts.UnknownTenant.Because(err)
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, h.serviceDocument(tenant))
}

// An object is a JSON object of the service document; every member is a string but Federated.
type object map[string]any

// serviceDocument says where the services of a tenant are. Services that are not offered are named too, at this server's
// own address: a client that finds none goes to Microsoft's.
func (h Handlers) serviceDocument(t directory.Tenant) map[string]object {
	const urn = directory.DeviceRegistrationURN
	enrolment := h.RegistrationURL + "/EnrollmentServer/"
	signIn, tenant := h.SignInURL+"/"+string(t.ID), string(t.ID)+"/"
	return map[string]object{
		"DeviceRegistrationService": {"RegistrationEndpoint": enrolment + "DeviceEnrollmentWebService.svc", "RegistrationResourceId": urn, "ServiceVersion": "1.0"},
		"AuthenticationService": {"OAuth2": map[string]string{
			"AuthCodeEndpoint": signIn + "/oauth2/authorize", "TokenEndpoint": signIn + "/oauth2/token",
		}},
		"IdentityProviderService":   {"Federated": false, "PassiveAuthEndpoint": signIn + "/wsfed"},
		"DeviceJoinService":         {"JoinEndpoint": enrolment + "device/", "JoinResourceId": urn, "ServiceVersion": "2.0"},
		"KeyProvisioningService":    {"KeyProvisionEndpoint": enrolment + "key/", "KeyProvisionResourceId": urn, "ServiceVersion": "1.0"},
		"WebAuthNService":           {"WebAuthNEndpoint": h.RegistrationURL + "/webauthn/" + tenant, "WebAuthNResourceId": urn, "ServiceVersion": "1.0"},
		"DeviceManagementService":   {"DeviceManagementEndpoint": h.RegistrationURL + "/manage/" + tenant, "DeviceManagementResourceId": urn, "ServiceVersion": "1.0"},
		"MsaProviderData":           {"SiteId": "", "SiteUrl": ""}, // personal accounts are not served here
		"PrecreateService":          {"PrecreateEndpoint": enrolment + "device/precreate/" + tenant, "PrecreateResourceId": urn, "ServiceVersion": "1.0"},
		"TenantInfo":                {"TenantId": string(t.ID), "TenantName": t.InitialDomain(), "DisplayName": t.DisplayName},
		"AzureRbacService":          {"RbacPolicyEndpoint": h.RegistrationURL + "/rbac/"},
		"BPLService":                {"BPLServiceEndpoint": h.RegistrationURL + "/bpl/", "BPLResourceId": urn, "ServiceVersion": "1.0", "BPLProxyServicePrincipalId": ""},
		"DeviceJoinResourceService": {"Endpoint": enrolment + "device/resource/" + tenant, "ResourceId": urn, "ServiceVersion": "2.0"},
		"NonceService":              {"Endpoint": enrolment + "nonce/" + tenant, "ResourceId": urn, "ServiceVersion": "1.0"},
	}
}

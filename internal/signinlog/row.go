// Package signinlog is the sign-in log row: its columns, how a sign-in fills it, its canonical bytes and the hash chain
// over them.
//
// The columns are those of the Log Analytics tables SigninLogs and AADNonInteractiveUserSignInLogs. A row is one struct
// for both; where the tables differ (a column is missing from one, or is dynamic in one and string in the other), Columns
// says so. A column that holds JSON holds compact JSON text, "" where there is none.
package signinlog

import "time"

// The tables, under the names that queries use, and their categories in diagnostic exports.
const (
	InteractiveTable    = "SigninLogs"
	NonInteractiveTable = "AADNonInteractiveUserSignInLogs"
	// ServicePrincipalTable has the sign-ins of applications of their own.
	ServicePrincipalTable = "AADServicePrincipalSignInLogs"

	InteractiveCategory      = "SignInLogs"
	NonInteractiveCategory   = "NonInteractiveUserSignInLogs"
	ServicePrincipalCategory = "ServicePrincipalSignInLogs"
)

// Tables are the names of the tables.
var Tables = []string{InteractiveTable, NonInteractiveTable, ServicePrincipalTable}

// A Row is one sign-in request as the log keeps it. Its field order and JSON form are the canonical form of the row and
// never change; new columns are added at the end.
//
// Times are UTC with microsecond precision. Members that are empty are left out of the JSON form.
type Row struct {
	TimeGenerated    time.Time `json:"TimeGenerated"`
	CreatedDateTime  time.Time `json:"CreatedDateTime"`
	TenantID         string    `json:"TenantId"`    // the workspace's id, not the tenant's
	AADTenantID      string    `json:"AADTenantId"` // the tenant
	Type             string    `json:"Type"`        // table name
	SourceSystem     string    `json:"SourceSystem,omitempty"`
	Category         string    `json:"Category,omitempty"`
	OperationName    string    `json:"OperationName,omitempty"`
	OperationVersion string    `json:"OperationVersion,omitempty"`
	Level            string    `json:"Level,omitempty"`

	ID                string `json:"Id"` // also the trace id of errors
	CorrelationID     string `json:"CorrelationId,omitempty"`
	OriginalRequestID string `json:"OriginalRequestId,omitempty"`
	ResultType        string `json:"ResultType"` // error code as text; 0 = success
	ResultDescription string `json:"ResultDescription,omitempty"`
	ResultSignature   string `json:"ResultSignature,omitempty"`
	DurationMs        int64  `json:"DurationMs,omitempty"`

	Status                            string `json:"Status,omitempty"`                    // JSON {errorCode, failureReason, additionalDetails}
	ConditionalAccessPolicies         string `json:"ConditionalAccessPolicies,omitempty"` // JSON array of AppliedPolicy
	AppliedConditionalAccessPolicies  string `json:"AppliedConditionalAccessPolicies,omitempty"`
	ConditionalAccessStatus           string `json:"ConditionalAccessStatus,omitempty"`
	ConditionalAccessAudiences        string `json:"ConditionalAccessAudiences,omitempty"` // JSON array of appIds
	TokenProtectionStatusDetails      string `json:"TokenProtectionStatusDetails,omitempty"`
	DeviceDetail                      string `json:"DeviceDetail,omitempty"`
	LocationDetails                   string `json:"LocationDetails,omitempty"`
	MfaDetail                         string `json:"MfaDetail,omitempty"`
	Agent                             string `json:"Agent,omitempty"`
	AppliedEventListeners             string `json:"AppliedEventListeners,omitempty"`
	AuthenticationDetails             string `json:"AuthenticationDetails,omitempty"`
	AuthenticationProcessingDetails   string `json:"AuthenticationProcessingDetails,omitempty"`
	AuthenticationRequirementPolicies string `json:"AuthenticationRequirementPolicies,omitempty"`
	AuthenticationContextClassRefs    string `json:"AuthenticationContextClassReferences,omitempty"`
	NetworkLocationDetails            string `json:"NetworkLocationDetails,omitempty"`
	SessionLifetimePolicies           string `json:"SessionLifetimePolicies,omitempty"`
	AuthenticationMethodsUsed         string `json:"AuthenticationMethodsUsed,omitempty"`
	AuthenticationRequirement         string `json:"AuthenticationRequirement,omitempty"`
	AuthenticationProtocol            string `json:"AuthenticationProtocol,omitempty"`
	IncomingTokenType                 string `json:"IncomingTokenType,omitempty"`
	OriginalTransferMethod            string `json:"OriginalTransferMethod,omitempty"`
	ClientCredentialType              string `json:"ClientCredentialType,omitempty"`
	AuthAppDeviceDetails              string `json:"AuthenticationAppDeviceDetails,omitempty"`
	AuthAppPolicyEvaluationDetails    string `json:"AuthenticationAppPolicyEvaluationDetails,omitempty"`
	AuthenticatorAppLocation          string `json:"AuthenticatorAppLocation,omitempty"`
	AutonomousSystemNumber            string `json:"AutonomousSystemNumber,omitempty"`

	AppID                      string `json:"AppId,omitempty"`
	AppDisplayName             string `json:"AppDisplayName,omitempty"`
	AppOwnerTenantID           string `json:"AppOwnerTenantId,omitempty"`
	ResourceDisplayName        string `json:"ResourceDisplayName,omitempty"`
	ResourceIdentity           string `json:"ResourceIdentity,omitempty"`
	ResourceServicePrincipalID string `json:"ResourceServicePrincipalId,omitempty"`
	ResourceTenantID           string `json:"ResourceTenantId,omitempty"`
	ResourceOwnerTenantID      string `json:"ResourceOwnerTenantId,omitempty"`
	ResourceGroup              string `json:"ResourceGroup,omitempty"`
	Resource                   string `json:"Resource,omitempty"`
	ResourceID                 string `json:"ResourceId,omitempty"`
	ResourceProvider           string `json:"ResourceProvider,omitempty"`
	ClientAppUsed              string `json:"ClientAppUsed,omitempty"`
	UserAgent                  string `json:"UserAgent,omitempty"`
	UniqueTokenIdentifier      string `json:"UniqueTokenIdentifier,omitempty"`
	SessionID                  string `json:"SessionId,omitempty"`
	ClientSessionID            string `json:"ClientSessionId,omitempty"`
	SignInEventTypes           string `json:"SignInEventTypes,omitempty"` // JSON array

	IsInteractive                bool   `json:"IsInteractive"`
	IsRisky                      bool   `json:"IsRisky,omitempty"`
	IsTenantRestricted           bool   `json:"IsTenantRestricted,omitempty"`
	IsThroughGlobalSecureAccess  bool   `json:"IsThroughGlobalSecureAccess,omitempty"`
	FlaggedForReview             bool   `json:"FlaggedForReview,omitempty"`
	ProcessingTimeInMilliseconds string `json:"ProcessingTimeInMilliseconds,omitempty"` // ProcessingTimeInMs in the non-interactive table

	IPAddress                   string `json:"IPAddress,omitempty"`
	IPAddressFromResource       string `json:"IPAddressFromResourceProvider,omitempty"`
	GlobalSecureAccessIPAddress string `json:"GlobalSecureAccessIpAddress,omitempty"`
	Location                    string `json:"Location,omitempty"`
	Identity                    string `json:"Identity,omitempty"`
	UserDisplayName             string `json:"UserDisplayName,omitempty"`
	UserID                      string `json:"UserId,omitempty"`
	UserPrincipalName           string `json:"UserPrincipalName,omitempty"`
	UserType                    string `json:"UserType,omitempty"`
	AlternateSignInName         string `json:"AlternateSignInName,omitempty"`
	SignInIdentifier            string `json:"SignInIdentifier,omitempty"`
	SignInIdentifierType        string `json:"SignInIdentifierType,omitempty"`
	HomeTenantID                string `json:"HomeTenantId,omitempty"`
	HomeTenantName              string `json:"HomeTenantName,omitempty"`
	CrossTenantAccessType       string `json:"CrossTenantAccessType,omitempty"`
	ServicePrincipalID          string `json:"ServicePrincipalId,omitempty"`
	ServicePrincipalName        string `json:"ServicePrincipalName,omitempty"`
	SourceAppClientID           string `json:"SourceAppClientId,omitempty"`
	FederatedCredentialID       string `json:"FederatedCredentialId,omitempty"`
	TokenIssuerName             string `json:"TokenIssuerName,omitempty"`
	TokenIssuerType             string `json:"TokenIssuerType,omitempty"`
	RiskDetail                  string `json:"RiskDetail,omitempty"`
	RiskEventTypes              string `json:"RiskEventTypes,omitempty"`
	RiskEventTypesV2            string `json:"RiskEventTypes_V2,omitempty"`
	RiskLevel                   string `json:"RiskLevel,omitempty"`
	RiskLevelAggregated         string `json:"RiskLevelAggregated,omitempty"`
	RiskLevelDuringSignIn       string `json:"RiskLevelDuringSignIn,omitempty"`
	RiskState                   string `json:"RiskState,omitempty"`
	// Facts are those that the policies decided on, as policy.Facts.Record writes them: for a replay, and no column of a query.
	Facts string `json:"_Facts,omitempty"`
}

// An AppliedPolicy is one element of ConditionalAccessPolicies, with condition flags as integers as Log Analytics has them.
type AppliedPolicy struct {
	ID                          string   `json:"id"`
	DisplayName                 string   `json:"displayName"`
	EnforcedGrantControls       []string `json:"enforcedGrantControls"`
	EnforcedSessionControls     []string `json:"enforcedSessionControls"`
	SessionControlsNotSatisfied []string `json:"sessionControlsNotSatisfied"`
	Result                      string   `json:"result"`
	ConditionsSatisfied         int      `json:"conditionsSatisfied"`
	ConditionsNotSatisfied      int      `json:"conditionsNotSatisfied"`
}

// TokenProtection is the JSON of TokenProtectionStatusDetails.
type TokenProtection struct {
	Status string `json:"signInSessionStatus"`     // bound, unbound
	Code   int    `json:"signInSessionStatusCode"` // 0, 1002 … 1008
}

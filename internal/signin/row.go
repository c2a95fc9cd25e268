package signin

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/policy"
	"boundgate/internal/signinlog"
)

// maxLogged bounds each text from outside in a row, in bytes.
const maxLogged = 512

// row returns what the log of the resource tenant keeps of the attempt.
func (a *attempt) row(now time.Time, workspace string, decided error) *signinlog.Row {
	r := a.commonRow(now, workspace, decided)
	r.AADTenantID, r.ResourceTenantID = string(a.tenant.ID), string(a.tenant.ID)
	r.HomeTenantID, r.HomeTenantName = string(a.home.ID), a.home.DisplayName
	r.UserID, r.UserDisplayName, r.Identity = string(a.user.ID), a.user.DisplayName, a.user.DisplayName
	r.UserPrincipalName, r.UserType = logged(a.user.UPN), string(a.user.Type)
	if r.UserPrincipalName == "" {
		r.UserPrincipalName = logged(a.username) // a name that does not exist, as it was typed
	}
	r.ConditionalAccessPolicies = toJSON(a.appliedPolicies())
	r.ConditionalAccessStatus = string(a.verdict.Status)
	if !a.judged {
		r.ConditionalAccessStatus = string(policy.AccessNotApplied)
	}
	r.Facts = a.factsRecorded()
	if country := a.facts.Country; country != "" && country != policy.UnknownCountry {
		r.Location, r.LocationDetails = country, toJSON(map[string]string{"countryOrRegion": country})
	}
	r.ConditionalAccessAudiences = toJSON(audiencesOf(a.resource))
	r.DeviceDetail = toJSON(a.deviceDetail())
	r.CrossTenantAccessType = "none"
	if a.guest() {
		r.CrossTenantAccessType = "b2bCollaboration"
	}
	return r
}

// homeRow returns what the log of a guest's home tenant keeps of the attempt: the device in full, and nothing of the
// resource tenant's policies.
func (a *attempt) homeRow(now time.Time, workspace string, decided error) *signinlog.Row {
	r := a.commonRow(now, workspace, decided)
	r.ID, r.OriginalRequestID = uuid.NewString(), a.id
	r.AADTenantID, r.HomeTenantID, r.HomeTenantName = string(a.home.ID), string(a.home.ID), a.home.DisplayName
	r.ResourceTenantID, r.CrossTenantAccessType = string(a.tenant.ID), "b2bCollaboration"
	r.UserID, r.UserDisplayName, r.Identity = string(a.homeUser.ID), a.homeUser.DisplayName, a.homeUser.DisplayName
	r.UserPrincipalName, r.UserType = a.homeUser.UPN, string(a.homeUser.Type)
	r.ConditionalAccessPolicies, r.ConditionalAccessStatus = "[]", string(policy.AccessNotApplied)
	r.ConditionalAccessAudiences = "[]"
	r.DeviceDetail = toJSON(fullDevice(a.device, a.deviceProven()))
	return r
}

// commonRow fills what both tenants' rows have.
func (a *attempt) commonRow(now time.Time, workspace string, decided error) *signinlog.Row {
	r := &signinlog.Row{
		TimeGenerated: a.at.UTC().Truncate(time.Microsecond), CreatedDateTime: a.at.UTC().Truncate(time.Microsecond),
		TenantID: workspace, Type: signinlog.NonInteractiveTable, Category: signinlog.NonInteractiveCategory,
		SourceSystem: "Azure AD", OperationName: "Sign-in activity", OperationVersion: "1.0", Level: "4",
		ID: a.id, CorrelationID: a.req.CorrelationID, OriginalRequestID: a.id, IsInteractive: a.interactive(),
		AppID: logged(string(a.client)), AppDisplayName: a.appName(),
		ResourceDisplayName: a.resource.DisplayName, ResourceIdentity: string(a.resource.AppID),
		ResourceServicePrincipalID: string(a.resource.ObjectID), ResourceGroup: "Microsoft.aadiam",
		ClientAppUsed: clientAppNames[a.clientApp()], UserAgent: logged(a.req.From.UserAgent), IPAddress: logged(a.req.From.Address),
		TokenProtectionStatusDetails: toJSON(signinlog.TokenProtection{Status: string(a.binding.Status), Code: int(a.binding.Code)}),
		IncomingTokenType:            a.incomingToken(), AuthenticationProtocol: a.protocol(), ClientCredentialType: either(string(a.clientAuth), "none"),
		OriginalTransferMethod: either(a.transferMethod(), "none"), AuthenticationRequirement: a.requirement(),
		AuthenticationDetails: toJSON(a.authenticationDetails(decided)), AuthenticationProcessingDetails: toJSON(a.processingDetails()),
		NetworkLocationDetails: "[]", SessionLifetimePolicies: "[]", AuthenticationRequirementPolicies: "[]",
		SignInEventTypes: `["nonInteractiveUser"]`, TokenIssuerType: "AzureAD", RiskDetail: "none", RiskState: "none",
		RiskLevelDuringSignIn: "none", RiskLevelAggregated: "none", LocationDetails: "{}",
		UniqueTokenIdentifier:        either(a.tokenID, tokenIDOf(a.id)),
		ProcessingTimeInMilliseconds: strconv.FormatInt(now.Sub(a.at).Milliseconds(), 10),
	}
	switch {
	case a.prt != nil:
		r.SessionID = a.prt.Session
	case a.refresh != nil:
		r.SessionID = a.refresh.Family
	case a.redeemed != nil:
		r.SessionID = a.redeemed.Family
	case a.family != "":
		r.SessionID = a.family
	case a.browser != nil:
		r.SessionID = a.browser.Session
	}
	if a.kind == clientCredentialsGrant {
		r.Type, r.Category, r.SignInEventTypes = signinlog.ServicePrincipalTable, signinlog.ServicePrincipalCategory, `["servicePrincipal"]`
		r.ServicePrincipalID, r.ServicePrincipalName = string(a.servicePrincipal()), a.appName()
	}
	if a.interactive() {
		r.Type, r.Category, r.SignInEventTypes = signinlog.InteractiveTable, signinlog.InteractiveCategory, `["interactiveUser"]`
	}
	a.result(r, decided)
	return r
}

// factsRecorded are the facts that the policies decided on; "" where they did not.
func (a *attempt) factsRecorded() string {
	if !a.judged {
		return ""
	}
	text, err := a.facts.Record()
	if err != nil { // such values always encode; a row without them is counted apart by a replay
		return ""
	}
	return text
}

// A status is the JSON of the Status column.
type status struct {
	ErrorCode         int    `json:"errorCode"`
	FailureReason     string `json:"failureReason,omitempty"`
	AdditionalDetails string `json:"additionalDetails,omitempty"` // the remedy
}

func (a *attempt) result(r *signinlog.Row, decided error) {
	if decided == nil {
		r.ResultType, r.ResultSignature, r.Status = "0", "SUCCESS", toJSON(status{})
		return
	}
	refusal := aadsts.Of(decided)
	r.ResultType, r.ResultSignature, r.ResultDescription = strconv.Itoa(refusal.Code), "FAILURE", logged(refusal.Message)
	r.Status = toJSON(status{refusal.Code, logged(refusal.Message), logged(refusal.Remedy)})
}

func (a *attempt) appliedPolicies() []signinlog.AppliedPolicy {
	list := make([]signinlog.AppliedPolicy, 0, len(a.verdict.Applied))
	for _, p := range a.verdict.Applied {
		list = append(list, signinlog.AppliedPolicy{
			ID: p.PolicyID(), DisplayName: p.DisplayName(), Result: string(p.Result()),
			EnforcedGrantControls: nonNil(p.EnforcedGrantControls()), EnforcedSessionControls: nonNil(p.EnforcedSessionControls()),
			SessionControlsNotSatisfied: nonNil(p.SessionControlsNotSatisfied()),
			ConditionsSatisfied:         int(p.Satisfied), ConditionsNotSatisfied: int(p.NotSatisfied),
		})
	}
	return list
}

// A detail is the JSON of the DeviceDetail column.
type detail struct {
	DeviceID        string `json:"deviceId"`
	DisplayName     string `json:"displayName,omitempty"`
	OperatingSystem string `json:"operatingSystem,omitempty"`
	IsCompliant     *bool  `json:"isCompliant,omitempty"`
	IsManaged       *bool  `json:"isManaged,omitempty"`
	TrustType       string `json:"trustType,omitempty"`
}

// deviceDetail is what the resource tenant may see: its own device, or of a guest's device the id alone.
func (a *attempt) deviceDetail() detail {
	if a.guest() && a.device != nil {
		return detail{DeviceID: a.device.ID}
	}
	return fullDevice(a.device, a.deviceProven())
}

// fullDevice shows a proven device in full; of one that a token merely names it shows no more than its id, and
// processingDetails says that it is not proven.
func fullDevice(d *device.Device, proven bool) detail {
	switch {
	case d == nil:
		return detail{}
	case !proven:
		return detail{DeviceID: d.ID}
	}
	return detail{
		DeviceID: d.ID, DisplayName: logged(d.DisplayName), OperatingSystem: logged(systemName(d)),
		IsCompliant: d.IsCompliant, IsManaged: d.IsManaged, TrustType: trustTypeNames[d.TrustType],
	}
}

// firstWindows11 is the build with which Windows 11 begins; its version is still 10.0.
const firstWindows11 = 22000

// systemName is the operating system in the words that sign-in logs have for it, such as Windows11.
func systemName(d *device.Device) string {
	name, version := either(d.RecordedOS, d.OperatingSystem), either(d.RecordedOSVersion, d.OperatingSystemVersion)
	if !strings.EqualFold(name, "Windows") {
		return name
	}
	parts := strings.Split(version, ".")
	if len(parts) < 3 || parts[0] != "10" {
		return name
	}
	if build, err := strconv.Atoi(parts[2]); err != nil || build < firstWindows11 {
		return "Windows10"
	}
	return "Windows11"
}

// trustTypeNames are the words that sign-in logs have for trust types.
var trustTypeNames = map[device.TrustType]string{
	device.Joined: "Azure AD joined", device.HybridJoined: "Hybrid Azure AD joined", device.Registered: "Azure AD registered",
}

func (a *attempt) appName() string {
	if a.app == nil {
		return ""
	}
	return a.app.DisplayName
}

func (a *attempt) incomingToken() string {
	switch {
	case a.kind == refreshGrant, a.kind == prtByRefreshToken, a.kind == prtUse && a.refresh != nil:
		return "refreshToken"
	case a.kind == prtUse, a.kind == prtRenewal, a.kind == browserPRT, a.redeemed != nil && a.redeemed.Session != "":
		return "primaryRefreshToken"
	}
	return "none"
}

func (a *attempt) protocol() string {
	switch {
	case a.kind == passwordGrant:
		return "ropc"
	case a.kind == deviceCodeGrant, a.approves != nil:
		return "deviceCode"
	case a.req.Code != nil, a.kind == codeGrant:
		return "oAuth2"
	}
	return "none"
}

func (a *attempt) requirement() string {
	if a.verdict.Cause.Requirement == policy.RequireMFA {
		return "multiFactorAuthentication"
	}
	return "singleFactorAuthentication"
}

type authenticationStep struct {
	At          time.Time `json:"authenticationStepDateTime"`
	Method      string    `json:"authenticationMethod"`
	Detail      string    `json:"authenticationMethodDetail,omitempty"`
	Succeeded   bool      `json:"succeeded"`
	Result      string    `json:"authenticationStepResultDetail,omitempty"`
	Requirement string    `json:"authenticationStepRequirement"`
}

func (a *attempt) authenticationDetails(decided error) []authenticationStep {
	step := authenticationStep{At: a.at.UTC(), Method: "Previously satisfied", Succeeded: !a.origin.AuthTime.IsZero(), Requirement: "Primary authentication"}
	if c, ok := a.req.Credential.(Browser); ok && c.Factor != nil {
		return []authenticationStep{step, a.factorStep(c.Factor)}
	}
	if a.interactive() && a.kind != browserSession {
		step.Method, step.Detail = "Password", "Password in the directory"
		if !step.Succeeded {
			step.Result = logged(aadsts.Of(decided).Message)
		}
	}
	return []authenticationStep{step}
}

// factorStep is the second factor that the person gave.
func (a *attempt) factorStep(answer FactorAnswer) authenticationStep {
	step := authenticationStep{At: a.at.UTC(), Method: "OATH verification code", Succeeded: a.authenticated, Requirement: "Multifactor authentication"}
	switch answer.(type) {
	case Passkey, NewPasskey:
		step.Method = "Passkey (device-bound)"
	}
	return step
}

// clientAppNames are the words that sign-in logs have for kinds of client.
var clientAppNames = map[policy.ClientAppType]string{
	policy.Browser: "Browser", policy.MobileAppsAndDesktopClients: "Mobile Apps and Desktop clients",
}

type pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// processingDetails says why the session was judged as it was, which is more than Entra's columns have a place for.
func (a *attempt) processingDetails() []pair {
	list := []pair{{"Is CAE Token", "False"}}
	if a.binding.Status == policy.Unbound {
		why := policy.Explain(a.binding.Reason, a.evidence)
		list = append(list, pair{"Token Protection Reason", string(a.binding.Reason)},
			pair{"Token Protection Explanation", logged(why.Message)}, pair{"Token Protection Remedy", logged(why.Remedy)})
	}
	if a.device != nil && !a.deviceProven() {
		list = append(list, pair{"Device", "the session's device, not proven"})
	}
	if a.verdict.Cause.Refuses() {
		list = append(list, pair{"Deciding Policy", logged(a.verdict.Cause.PolicyName)})
	}
	if a.verdict.WouldBe.Refuses() {
		list = append(list, pair{"Report-only Policy", logged(a.verdict.WouldBe.PolicyName)})
	}
	return list
}

// tokenIDOf is the identifier of a request that issued no access token.
func tokenIDOf(id string) string {
	b, err := uuid.Parse(id)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// logged returns a text from outside in a form that a row can hold: valid UTF-8 of bounded length.
func logged(s string) string {
	if len(s) > maxLogged {
		s = s[:maxLogged]
		for len(s) > 0 && !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	clean := make([]rune, 0, len(s))
	for _, r := range s {
		if r == 0 {
			r = utf8.RuneError
		}
		clean = append(clean, r)
	}
	return string(clean)
}

// toJSON encodes values of this package, which always encode.
func toJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("signin: a log value does not encode: " + err.Error())
	}
	return string(text)
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func either(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

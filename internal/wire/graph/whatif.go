package graph

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"boundgate/internal/admin"
	"boundgate/internal/devicefilter"
	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

// evaluate serves What-If: POST /identity/conditionalAccess/evaluate. The result says which policies apply; what they would
// decide is added under a name of our own.
func (h *handler) evaluate(q *request) error {
	data, err := q.body()
	if err != nil {
		return err
	}
	tree, _, err := parseJSON(data)
	if err != nil {
		return err
	}
	r := &bodyReader{}
	hypothetical, appliedOnly := r.hypothetical(r.object(tree, ""))
	if r.err != nil {
		return r.err
	}
	analysis, err := h.Admin.WhatIf(q.Context(), q.caller, hypothetical)
	if err != nil {
		return err
	}
	value := []members{}
	for i, applied := range analysis.Verdict.Applied {
		m := analysisMembers(analysis, i, q.beta())
		if applies, _ := m["policyApplies"].(bool); appliedOnly && !applies {
			continue
		}
		m["@boundgate.result"], m["@boundgate.reason"] = applied.Result(), applied.Reason()
		value = append(value, m)
	}
	return q.reply(http.StatusOK, members{
		"@odata.context":      q.context("Collection(microsoft.graph.whatIfAnalysisResult)"),
		"@boundgate.decision": decisionMembers(analysis), "value": value,
	})
}

func analysisMembers(a admin.Analysis, i int, beta bool) members {
	applied := a.Verdict.Applied[i]
	at := slices.IndexFunc(a.Policies, func(p policy.Policy) bool { return p.ID == applied.PolicyID() })
	m := policyMembers(a.Policies[at], beta)
	result := applied.Result()
	applies := result != policy.ResultNotEnabled && result != policy.ResultNotApplied && result != policy.ResultReportOnlyNotApplied
	m["policyApplies"] = applies
	switch {
	case result == policy.ResultNotEnabled:
		m["analysisReasons"] = "policyNotEnabled"
	case applies:
		m["analysisReasons"] = assumptions(applied.Assumed(a.Facts), a.Facts)
	default:
		m["analysisReasons"] = analysisReasons(applied.NotSatisfied, a.Facts)
	}
	return m
}

// assumptions names the conditions that hold because nothing is known that speaks against them.
func assumptions(assumed policy.Condition, f policy.Facts) string {
	if assumed == 0 {
		return "notSet"
	}
	return "notEnoughInformation," + analysisReasons(assumed, f)
}

// analysisReasons are the names of whatIfAnalysisReasons for conditions.
func analysisReasons(c policy.Condition, f policy.Facts) string {
	application := "application"
	switch {
	case f.UserAction != "":
		application = "userActions"
	case len(f.Contexts) > 0:
		application = "authenticationContext"
	}
	var names []string
	for _, r := range []struct {
		condition policy.Condition
		name      string
	}{
		{policy.ConditionUsers, "users"}, {policy.ConditionServicePrincipals, "workloadIdentities"}, {policy.ConditionApplication, application},
		{policy.ConditionDevicePlatform, "devicePlatform"}, {policy.ConditionDeviceState, "devices"}, {policy.ConditionClientType, "clientApps"},
		{policy.ConditionLocation, "location"}, {policy.ConditionSignInRisk | policy.ConditionServicePrincipalRisk, "signInRisk"},
		{policy.ConditionUserRisk, "userRisk"}, {policy.ConditionInsiderRisk, "insiderRisk"}, {policy.ConditionAuthenticationFlows, "authenticationFlow"},
	} {
		if c&r.condition != 0 {
			names = append(names, r.name)
		}
	}
	return strings.Join(names, ",")
}

func decisionMembers(a admin.Analysis) members {
	cause := func(c policy.Cause) any {
		if !c.Refuses() {
			return nil
		}
		return members{"policyId": c.PolicyID, "policyName": c.PolicyName, "requirement": c.Requirement, "errorCode": c.Err.Code,
			"message": c.Err.Message, "remedy": c.Err.Remedy}
	}
	m := members{"status": a.Verdict.Status, "cause": cause(a.Verdict.Cause), "wouldBe": cause(a.Verdict.WouldBe)}
	if b := a.Facts.Binding; b.Status != "" {
		m["tokenProtection"] = members{"signInSessionStatus": b.Status, "signInSessionStatusCode": b.Code, "reason": b.Reason}
	}
	return m
}

// A bodyReader takes a JSON tree apart and keeps the first thing that is wrong with it.
type bodyReader struct{ err error }

func (r *bodyReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = badRequest(format, args...)
	}
}

func (r *bodyReader) object(v any, at string) map[string]any {
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		r.fail("%s: an object belongs here.", at)
	}
	return m
}

// only refuses members that nothing here knows; annotations are left out.
func (r *bodyReader) only(m map[string]any, at string, names ...string) {
	for name := range m {
		if !strings.HasPrefix(name, "@odata.") && !slices.Contains(names, name) {
			r.fail("%s/%s: there is no such member here; there are %s.", at, pointerToken(name), strings.Join(names, ", "))
		}
	}
}

func (r *bodyReader) text(m map[string]any, at, name string) string {
	s, ok := m[name].(string)
	if !ok && m[name] != nil {
		r.fail("%s/%s: a text belongs here.", at, name)
	}
	return s
}

func (r *bodyReader) truth(m map[string]any, at, name string) *bool {
	b, ok := m[name].(bool)
	if !ok {
		if m[name] != nil {
			r.fail("%s/%s: true or false belongs here.", at, name)
		}
		return nil
	}
	return &b
}

func (r *bodyReader) texts(m map[string]any, at, name string) []string {
	if m[name] == nil {
		return nil
	}
	list, ok := m[name].([]any)
	if !ok {
		r.fail("%s/%s: an array belongs here.", at, name)
	}
	texts := []string{}
	for i, v := range list {
		s, ok := v.(string)
		if !ok {
			r.fail("%s/%s/%d: a text belongs here.", at, name, i)
		}
		texts = append(texts, s)
	}
	return texts
}

// oneOf reads a text that must be one of the given values, in any case; "" where it is absent or unknownFutureValue.
func oneOf[T ~string](r *bodyReader, m map[string]any, at, name string, values ...T) T {
	s := r.text(m, at, name)
	for _, v := range values {
		if strings.EqualFold(s, string(v)) {
			return v
		}
	}
	if s != "" && s != "unknownFutureValue" {
		var names []string
		for _, v := range values {
			names = append(names, string(v))
		}
		r.fail("%s/%s: %q is none of %s.", at, name, clipped(s), strings.Join(names, ", "))
	}
	return ""
}

func clipped(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// hypothetical reads the parameters of the action evaluate.
func (r *bodyReader) hypothetical(body map[string]any) (h admin.Hypothetical, appliedOnly bool) {
	r.only(body, "", "signInIdentity", "signInContext", "signInConditions", "appliedPoliciesOnly", "@boundgate.session")
	if only := r.truth(body, "", "appliedPoliciesOnly"); only != nil {
		appliedOnly = *only
	}
	for _, required := range []string{"signInIdentity", "signInContext", "signInConditions"} {
		if body[required] == nil {
			r.fail("/%s is missing.", required)
		}
	}
	r.identity(&h, r.object(body["signInIdentity"], "/signInIdentity"))
	r.context(&h, r.object(body["signInContext"], "/signInContext"))
	r.conditions(&h, r.object(body["signInConditions"], "/signInConditions"))
	r.session(&h, r.object(body["@boundgate.session"], "/@boundgate.session"))
	return h, appliedOnly
}

func (r *bodyReader) identity(h *admin.Hypothetical, m map[string]any) {
	const at = "/signInIdentity"
	r.only(m, at, "userId", "externalTenantId", "externalUserType", "servicePrincipalId")
	h.User, h.ServicePrincipal = r.text(m, at, "userId"), r.text(m, at, "servicePrincipalId")
	h.HomeTenant = directory.TenantID(strings.ToLower(r.text(m, at, "externalTenantId")))
	h.ExternalKind = oneOf(r, m, at, "externalUserType", policy.InternalGuest, policy.CollaborationGuest, policy.CollaborationMember,
		policy.DirectConnectUser, policy.OtherExternalUser, policy.ServiceProvider)
	if h.User != "" && h.ServicePrincipal != "" {
		r.fail("%s: either a user or a service principal signs in.", at)
	}
}

// userActions are the actions under the names that What-If has for them.
var userActions = map[string]policy.UserAction{
	"registerSecurityInformation": policy.RegisterSecurityInformation, "registerOrJoinDevices": policy.RegisterDevice,
}

func (r *bodyReader) context(h *admin.Hypothetical, m map[string]any) {
	const at = "/signInContext"
	r.only(m, at, "includeApplications", "authenticationContextValue", "userAction", "clientApplication")
	h.Applications, h.Client = r.texts(m, at, "includeApplications"), r.text(m, at, "clientApplication")
	h.UserAction = userActions[oneOf(r, m, at, "userAction", "registerSecurityInformation", "registerOrJoinDevices")]
	if c := r.text(m, at, "authenticationContextValue"); c != "" {
		h.Contexts = []string{c}
	}
	if len(h.Applications) == 0 && h.UserAction == "" && h.Contexts == nil {
		r.fail("%s: name applications, an authentication context or a user action.", at)
	}
}

func (r *bodyReader) conditions(h *admin.Hypothetical, m map[string]any) {
	const at = "/signInConditions"
	r.only(m, at, "authenticationFlow", "clientAppType", "country", "deviceInfo", "devicePlatform", "insiderRiskLevel", "ipAddress",
		"servicePrincipalRiskLevel", "signInRiskLevel", "userRiskLevel", "agentIdRiskLevel")
	flow := r.object(m["authenticationFlow"], at+"/authenticationFlow")
	r.only(flow, at+"/authenticationFlow", "transferMethod")
	h.TransferMethod = oneOf(r, flow, at+"/authenticationFlow", "transferMethod", "none", "deviceCodeFlow", "authenticationTransfer")
	h.ClientApp = oneOf(r, m, at, "clientAppType", policy.Browser, policy.MobileAppsAndDesktopClients, policy.ExchangeActiveSync,
		policy.OtherClients, policy.AllClientApps, policy.EASSupported)
	if h.ClientApp == policy.AllClientApps {
		h.ClientApp = "" // no one of them is meant
	}
	h.Platform = oneOf(r, m, at, "devicePlatform", policy.Windows, policy.WindowsPhone, policy.MacOS, policy.IOS, policy.Android, policy.Linux, policy.AllPlatforms)
	if h.Platform == policy.AllPlatforms {
		h.Platform = policy.UnknownPlatform
	}
	h.Country, h.Address = strings.ToUpper(r.text(m, at, "country")), r.text(m, at, "ipAddress")
	levels := []policy.RiskLevel{policy.RiskNone, policy.RiskLow, policy.RiskMedium, policy.RiskHigh, policy.RiskHidden}
	h.SignInRisk = oneOf(r, m, at, "signInRiskLevel", levels...)
	h.UserRisk = oneOf(r, m, at, "userRiskLevel", levels...)
	h.ServicePrincipalRisk = oneOf(r, m, at, "servicePrincipalRiskLevel", levels...)
	h.InsiderRisk = oneOf(r, m, at, "insiderRiskLevel", policy.InsiderNone, policy.InsiderMinor, policy.InsiderModerate, policy.InsiderElevated)
	r.device(h, r.object(m["deviceInfo"], at+"/deviceInfo"))
}

// device reads deviceInfo. Its members are the properties of device filters, but for ownership; what values they may have is
// not looked at, since the documentation's own examples have values that no device has.
func (r *bodyReader) device(h *admin.Hypothetical, m map[string]any) {
	const at = "/signInConditions/deviceInfo"
	if m == nil {
		return
	}
	h.Properties = map[devicefilter.Property][]string{}
	for name, v := range m {
		if v == nil || strings.HasPrefix(name, "@odata.") {
			continue
		}
		alias := map[string]string{"ownership": "deviceOwnership"}[name]
		if alias == "" {
			alias = name
		}
		p, ok := devicefilter.PropertyNamed(alias)
		if !ok {
			r.fail("%s/%s: devices have no such property.", at, pointerToken(name))
			return
		}
		switch v := v.(type) {
		case string:
			h.Properties[p] = []string{v}
		case bool:
			h.Properties[p] = []string{map[bool]string{true: "True", false: "False"}[v]}
		case []any:
			h.Properties[p] = r.texts(m, at, name)
		default:
			r.fail("%s/%s: a text, a truth value or an array of texts belongs here.", at, name)
		}
	}
	h.DeviceID = r.text(m, at, "deviceId")
}

// session reads our own addition: what the sign-in session would have.
func (r *bodyReader) session(h *admin.Hypothetical, m map[string]any) {
	const at = "/@boundgate.session"
	r.only(m, at, "multiFactor", "passkey", "bound", "ageMinutes")
	is := func(name string) bool { b := r.truth(m, at, name); return b != nil && *b }
	h.MultiFactor, h.Passkey, h.Bound = is("multiFactor"), is("passkey"), r.truth(m, at, "bound")
	if n, ok := m["ageMinutes"].(interface{ Int64() (int64, error) }); ok {
		minutes, err := n.Int64()
		if err != nil || minutes < 0 || minutes > 60*24*3650 {
			r.fail("%s/ageMinutes: a number of minutes belongs here.", at)
		}
		age := time.Duration(minutes) * time.Minute
		h.Age = &age
	} else if m["ageMinutes"] != nil {
		r.fail("%s/ageMinutes: a number of minutes belongs here.", at)
	}
}

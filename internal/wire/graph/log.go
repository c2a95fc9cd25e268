package graph

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"boundgate/internal/admin"
	"boundgate/internal/audit"
	"boundgate/internal/directory"
	"boundgate/internal/signinlog"
)

// signInFields are what a $filter of sign-ins may compare, and with what.
var signInFields = []string{"correlationId eq", "userId eq", "userPrincipalName eq", "createdDateTime ge", "createdDateTime le",
	"status/errorCode eq", "tokenProtectionStatusDetails/signInSessionStatusCode eq", "signInEventTypes/any(t: t eq 'nonInteractiveUser')"}

// signInQuery reads the filter of GET /auditLogs/signIns.
func (q *request) signInQuery() (SignInQuery, error) {
	query := SignInQuery{Kind: Interactive, After: q.options["$skiptoken"]}
	var err error
	if query.Limit, err = q.top(maxTop); err != nil {
		return query, err
	}
	text, ok := q.options["$filter"]
	if !ok {
		return query, nil
	}
	terms, err := parseFilter(text)
	if err != nil {
		return query, err
	}
	for _, t := range terms {
		if err := q.narrow(&query, t); err != nil {
			return query, err
		}
	}
	return query, nil
}

// narrow applies one comparison to a query.
func (q *request) narrow(query *SignInQuery, t term) error {
	switch {
	case t.path == "correlationId" && t.op == "eq" && t.quoted:
		return once(&query.CorrelationID, strings.ToLower(t.value), t)
	case t.path == "userId" && t.op == "eq" && t.quoted:
		return once(&query.UserID, strings.ToLower(t.value), t)
	case t.path == "userPrincipalName" && t.op == "eq" && t.quoted:
		return once(&query.UPN, strings.ToLower(t.value), t)
	case t.path == "createdDateTime" && t.op == "ge" && !t.quoted:
		return bound(&query.From, t)
	case t.path == "createdDateTime" && t.op == "le" && !t.quoted:
		return bound(&query.To, t)
	case t.path == "status/errorCode" && t.op == "eq" && !t.quoted:
		return code(&query.ErrorCode, t)
	case t.path == "tokenProtectionStatusDetails/signInSessionStatusCode" && t.op == "eq" && !t.quoted && q.beta():
		return code(&query.SessionCode, t)
	case t.path == "signInEventTypes" && t.op == "any" && q.beta():
		return eventTypes(&query.Kind, t)
	}
	return t.unsupported(signInFields)
}

func once[T any](to **T, value T, t term) error {
	if *to != nil {
		return badRequest("The filter compares %s twice.", t.path)
	}
	*to = &value
	return nil
}

func bound(to *time.Time, t term) error {
	at, err := time.Parse(time.RFC3339Nano, t.value)
	if err != nil {
		e := badRequest("The filter %q does not name a date and time.", t.text)
		e.remedy = "Write it like 2026-05-04T07:12:09Z, without quotes."
		return e
	}
	if !to.IsZero() {
		return badRequest("The filter compares %s twice.", t.path)
	}
	*to = at
	return nil
}

func code(to **int, t term) error {
	n, err := strconv.Atoi(t.value)
	if err != nil {
		return badRequest("The filter %q does not name a number.", t.text)
	}
	return once(to, n, t)
}

func eventTypes(kind *Kind, t term) error {
	interactive, other := false, false
	for _, v := range t.values {
		switch v {
		case "interactiveUser":
			interactive = true
		case "nonInteractiveUser":
			other = true
		default:
			e := badRequest("The sign-in event type %q is not supported.", v)
			e.remedy = "Use interactiveUser or nonInteractiveUser."
			return e
		}
	}
	switch {
	case interactive && other:
		*kind = AnyKind
	case other:
		*kind = NonInteractive
	default:
		*kind = Interactive
	}
	return nil
}

func (h *handler) signIns(q *request) error {
	if err := admin.Authorize(q.caller, admin.ReadSignIns); err != nil {
		return err
	}
	if err := q.newestFirst("createdDateTime"); err != nil {
		return err
	}
	query, err := q.signInQuery()
	if err != nil {
		return err
	}
	rows, next, err := h.SignIns.SignIns(q.Context(), q.caller.Tenant, query)
	if err != nil {
		return fmt.Errorf("read sign-ins: %w", err)
	}
	value := make([]members, len(rows))
	for i := range rows {
		value[i] = signInMembers(&rows[i], q.beta())
	}
	return q.collection("auditLogs/signIns", value, q.nextPage(next))
}

func (h *handler) signIn(q *request) error {
	if err := admin.Authorize(q.caller, admin.ReadSignIns); err != nil {
		return err
	}
	rows, _, err := h.SignIns.SignIns(q.Context(), q.caller.Tenant, SignInQuery{ID: q.vars["id"], Kind: AnyKind, Limit: 1})
	if err != nil {
		return fmt.Errorf("read sign-in: %w", err)
	}
	if len(rows) == 0 {
		return directory.ErrNotFound
	}
	return q.entity(http.StatusOK, "auditLogs/signIns", signInMembers(&rows[0], q.beta()))
}

// logOptions are the query options of lists that come from a log.
var logOptions = []string{"$filter", "$select", "$orderby", "$top", "$skiptoken"}

// newestFirst refuses any other order than the one that logs come in.
func (q *request) newestFirst(member string) error {
	text, ok := q.options["$orderby"]
	if words := strings.Fields(text); ok && (len(words) != 2 || words[0] != member || words[1] != "desc") {
		e := badRequest("The order %q is not supported here.", clipped(text))
		e.remedy = "Logs come as " + member + " desc."
		return e
	}
	return nil
}

// nextPage returns the address of what follows the page: this request's, with the continuation.
func (q *request) nextPage(continuation string) string {
	if continuation == "" {
		return ""
	}
	options := url.Values{}
	for name, value := range q.options {
		options.Set(name, value)
	}
	options.Set("$skiptoken", continuation)
	_, segments := splitPath(q.URL.EscapedPath())
	return q.link("/" + strings.Join(segments, "/") + "?" + options.Encode())
}

// signInMembers is a row of the log as Graph shows a signIn. v1.0 has neither token protection nor the kind of event.
func signInMembers(r *signinlog.Row, beta bool) members {
	m := members{
		"id": r.ID, "createdDateTime": stamp(r.CreatedDateTime), "userDisplayName": nullable(r.UserDisplayName),
		"userPrincipalName": r.UserPrincipalName, "userId": r.UserID, "appId": nullable(r.AppID), "appDisplayName": nullable(r.AppDisplayName),
		"ipAddress": nullable(r.IPAddress), "clientAppUsed": nullable(r.ClientAppUsed), "correlationId": nullable(r.CorrelationID),
		"conditionalAccessStatus": nullable(r.ConditionalAccessStatus), "isInteractive": r.IsInteractive,
		"riskDetail": "none", "riskLevelAggregated": "none", "riskLevelDuringSignIn": "none", "riskState": "none", "riskEventTypes_v2": []string{},
		"resourceDisplayName": nullable(r.ResourceDisplayName), "resourceId": nullable(r.ResourceIdentity),
		"status": raw(r.Status), "deviceDetail": raw(r.DeviceDetail), "location": raw(r.LocationDetails),
		"appliedConditionalAccessPolicies": appliedPolicies(r.ConditionalAccessPolicies, beta),
	}
	if !beta {
		return m
	}
	extra := members{
		"userType": nullable(strings.ToLower(r.UserType)), "userAgent": nullable(r.UserAgent), "originalRequestId": nullable(r.OriginalRequestID),
		"tokenProtectionStatusDetails": raw(r.TokenProtectionStatusDetails), "signInEventTypes": eventTypesOf(r),
		"incomingTokenType": nullable(r.IncomingTokenType), "authenticationProtocol": nullable(r.AuthenticationProtocol),
		"authenticationRequirement": nullable(r.AuthenticationRequirement), "authenticationDetails": raw(r.AuthenticationDetails),
		"originalTransferMethod": nullable(r.OriginalTransferMethod), "uniqueTokenIdentifier": nullable(r.UniqueTokenIdentifier),
		"sessionId": nullable(r.SessionID), "crossTenantAccessType": nullable(r.CrossTenantAccessType), "homeTenantId": nullable(r.HomeTenantID),
		"homeTenantName": nullable(r.HomeTenantName), "resourceTenantId": nullable(r.ResourceTenantID),
		"resourceServicePrincipalId": nullable(r.ResourceServicePrincipalID), "conditionalAccessAudiences": raw(r.ConditionalAccessAudiences),
		"authenticationProcessingDetails": raw(r.AuthenticationProcessingDetails), "clientCredentialType": nullable(r.ClientCredentialType),
		"isTenantRestricted": r.IsTenantRestricted, "flaggedForReview": r.FlaggedForReview, "tokenIssuerType": nullable(r.TokenIssuerType),
	}
	maps.Copy(m, extra)
	return m
}

// raw returns the JSON that a column holds, null where there is none.
func raw(text string) any {
	if text == "" || !json.Valid([]byte(text)) {
		return nil
	}
	return json.RawMessage(text)
}

func eventTypesOf(r *signinlog.Row) any {
	if v := raw(r.SignInEventTypes); v != nil {
		return v
	}
	if r.IsInteractive {
		return []string{"interactiveUser"}
	}
	return []string{"nonInteractiveUser"}
}

// conditionNames are the names of the condition flags, which the log keeps as a number.
var conditionNames = []struct {
	flag int
	name string
}{
	{1, "application"}, {2, "users"}, {4, "devicePlatform"}, {8, "location"}, {16, "clientType"}, {32, "signInRisk"}, {64, "userRisk"},
	{128, "time"}, {256, "deviceState"}, {512, "client"}, {1024, "ipAddressSeenByAzureAD"}, {2048, "ipAddressSeenByResourceProvider"},
	{8192, "servicePrincipals"}, {16384, "servicePrincipalRisk"}, {32768, "authenticationFlows"}, {65536, "insiderRisk"},
}

func conditions(flags int) string {
	var names []string
	for _, c := range conditionNames {
		if flags&c.flag != 0 {
			names = append(names, c.name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ",")
}

func appliedPolicies(text string, beta bool) []members {
	var applied []signinlog.AppliedPolicy
	if text != "" && json.Unmarshal([]byte(text), &applied) != nil {
		return []members{}
	}
	value := make([]members, len(applied))
	for i, p := range applied {
		value[i] = members{"id": p.ID, "displayName": p.DisplayName, "enforcedGrantControls": list(p.EnforcedGrantControls),
			"enforcedSessionControls": list(p.EnforcedSessionControls), "result": p.Result}
		if beta {
			value[i]["sessionControlsNotSatisfied"] = list(p.SessionControlsNotSatisfied)
			value[i]["conditionsSatisfied"] = conditions(p.ConditionsSatisfied)
			value[i]["conditionsNotSatisfied"] = conditions(p.ConditionsNotSatisfied)
		}
	}
	return value
}

// directoryAudits serves the directory audit log, newest first, narrowed by activityDateTime alone.
func (h *handler) directoryAudits(q *request) error {
	query := audit.Query{After: q.options["$skiptoken"]}
	err := q.newestFirst("activityDateTime")
	if err != nil {
		return err
	}
	if query.Limit, err = q.top(maxTop); err != nil {
		return err
	}
	if text, ok := q.options["$filter"]; ok {
		if err := auditBounds(&query, text); err != nil {
			return err
		}
	}
	limit := query.Limit
	query.Limit++ // one more tells whether there is a next page
	rows, err := h.Admin.AuditEntries(q.Context(), q.caller, query)
	if err != nil {
		return err
	}
	next := ""
	if len(rows) > limit {
		rows = rows[:limit]
		next = q.nextPage(rows[limit-1].ID)
	}
	value := make([]members, len(rows))
	for i, e := range rows {
		value[i] = auditMembers(e)
	}
	return q.collection("auditLogs/directoryAudits", value, next)
}

func auditBounds(query *audit.Query, text string) error {
	terms, err := parseFilter(text)
	if err != nil {
		return err
	}
	for _, t := range terms {
		switch {
		case t.path == "activityDateTime" && t.op == "ge" && !t.quoted:
			err = bound(&query.From, t)
		case t.path == "activityDateTime" && t.op == "le" && !t.quoted:
			err = bound(&query.To, t)
		default:
			err = t.unsupported([]string{"activityDateTime ge", "activityDateTime le"})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// auditMembers is an audit row as Graph shows it: what was changed stands in modifiedProperties, member by member.
func auditMembers(e audit.Entry) members {
	initiated := members{"user": nil, "app": nil}
	if e.Actor.Service != "" {
		initiated["app"] = members{"displayName": e.Actor.Service, "appId": nil}
	} else {
		initiated["user"] = members{"id": e.Actor.User, "userPrincipalName": e.Actor.UPN, "ipAddress": nullable(e.Actor.IPAddress)}
	}
	return members{
		"id": e.ID, "activityDateTime": stamp(e.At), "activityDisplayName": e.Activity, "category": e.Category,
		"correlationId": nullable(e.Actor.CorrelationID), "result": "success", "resultReason": "", "loggedByService": "Core Directory",
		"operationType": operationType(e), "initiatedBy": initiated,
		"targetResources":   []members{{"id": e.TargetID, "displayName": e.TargetName, "type": e.TargetType, "modifiedProperties": modified(e)}},
		"additionalDetails": details(e),
	}
}

func operationType(e audit.Entry) string {
	switch {
	case e.Before == nil && e.After != nil:
		return "Add"
	case e.Before != nil && e.After == nil:
		return "Delete"
	}
	return "Update"
}

func details(e audit.Entry) []members {
	if e.Reason == "" {
		return []members{}
	}
	return []members{{"key": "reason", "value": e.Reason}}
}

// modified lists the members whose values differ, each value as JSON text.
func modified(e audit.Entry) []members {
	var before, after map[string]json.RawMessage
	if len(e.Before) > 0 && json.Unmarshal(e.Before, &before) != nil || len(e.After) > 0 && json.Unmarshal(e.After, &after) != nil {
		return []members{}
	}
	value := []members{}
	for _, name := range memberNames(before, after) {
		if string(before[name]) != string(after[name]) {
			value = append(value, members{"displayName": name, "oldValue": nullable(string(before[name])), "newValue": nullable(string(after[name]))})
		}
	}
	return value
}

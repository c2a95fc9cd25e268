package portal

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/pages"
	"boundgate/internal/policy"
	"boundgate/internal/signin"
)

// refuse shows why access is refused and what to do now (S61, S62, B01).
func (h handler) refuse(w http.ResponseWriter, r *http.Request, v visit, err error) error {
	return h.refuseAs(w, r, v, err, causeOf(err))
}

func (h handler) refuseAs(w http.ResponseWriter, r *http.Request, v visit, err error, cause pages.Cause) error {
	refusal := aadsts.Of(err)
	page := pages.Refusal{Cause: cause, Details: h.details(r, v, err)}
	if registers[cause] && strings.Contains(r.UserAgent(), "Windows NT") {
		page.Register = "ms-settings:workplace"
	}
	frame := h.frame(v)
	var refused *signin.Refused
	if errors.As(err, &refused) {
		e := refused.Explanation
		page.Facts, frame.Organisation = factsOf(e), e.Organisation
	}
	if v.Purpose == "" || unanswerable[cause] {
		frame = pages.Frame{Back: "/error?code=" + strconv.Itoa(refusal.Code), Locales: frame.Locales}
	} else {
		page.Retry = v.again()
		page.SwitchAccount = switchAddress(v)
		f, err := h.form(v, "")
		if err != nil {
			return err
		}
		page.Form = f
		page.Form.Cancel = v.Purpose == forCode
	}
	status := refusal.HTTPStatus()
	if cause == pages.PageExpired {
		status = http.StatusBadRequest
	}
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(refusal.RetryAfter))
	}
	if status == http.StatusUnauthorized {
		status = http.StatusBadRequest // nothing here asks for HTTP credentials
	}
	return h.Pages.Render(w, r, status, frame, page)
}

// registers are the causes that registering the device, or registering it anew, removes.
var registers = map[pages.Cause]bool{
	pages.NoDevice: true, pages.GuestNoDevice: true, pages.StaleRegistration: true, pages.TrustTypeUnknown: true, pages.BulkEnrolment: true,
}

// unanswerable are the causes after which nothing may be sent to the client: it is not known to be one.
var unanswerable = map[pages.Cause]bool{
	pages.RedirectUnknown: true, pages.ApplicationUnknown: true, pages.TenantUnknown: true, pages.PageExpired: true,
	pages.PersonalAccount: true, pages.RequestMalformed: true,
}

func switchAddress(v visit) string {
	if v.Purpose != forCode {
		return ""
	}
	p := v.parameters()
	q := strings.Builder{}
	for name, values := range p {
		if name == "prompt" || name == "login_hint" || name == "sso_nonce" {
			continue
		}
		_, _ = q.WriteString(escape(name) + "=" + escape(values[0]) + "&")
	}
	path, _, _ := strings.Cut(v.again(), "?")
	return path + "?" + q.String() + "prompt=select_account"
}

// causes are what people are told of each refusal.
var causes = map[int]pages.Cause{
	aadsts.BlockedByConditionalAccess.Code: pages.BlockedByPolicy, aadsts.DeviceNotCompliant.Code: pages.NotCompliant,
	aadsts.DeviceNotHybridJoined.Code: pages.NotHybridJoined, aadsts.HomeNotTrusted.Code: pages.HomeNotTrusted,
	aadsts.UserNotInTenant.Code: pages.NotAGuest, aadsts.AdminConsentNeeded.Code: pages.AdminConsent,
	aadsts.AccountLocked.Code: pages.AccountLocked, aadsts.AccountDisabled.Code: pages.AccountDisabled,
	aadsts.UnknownClient.Code: pages.ApplicationUnknown, aadsts.ApplicationDisabled.Code: pages.ApplicationDisabled,
	aadsts.RedirectURIUnknown.Code: pages.RedirectUnknown, aadsts.UnknownResource.Code: pages.ResourceUnknown,
	aadsts.InvalidScope.Code: pages.ResourceUnknown, aadsts.UnknownTenant.Code: pages.TenantUnknown, aadsts.NoTenant.Code: pages.TenantUnknown,
	aadsts.ConsumersRefused.Code: pages.PersonalAccount, aadsts.MalformedRequest.Code: pages.RequestMalformed,
	aadsts.MissingParameter.Code: pages.RequestMalformed, aadsts.TooManyRequests.Code: pages.TooMany,
	aadsts.ServerError.Code: pages.Unavailable, aadsts.ProofFailed.Code: pages.ProofFailed, aadsts.DeviceProofFailed.Code: pages.ProofFailed,
	aadsts.DeviceDisabled.Code: pages.DeviceDisabled, aadsts.DeviceNotFound.Code: pages.TrustTypeUnknown,
	aadsts.MultiFactorRequired.Code: pages.ControlUnavailable,
}

// causeOf is what people are told. A policy that asks for a bound session is explained by what the session lacks.
func causeOf(err error) pages.Cause {
	refusal := aadsts.Of(err)
	var refused *signin.Refused
	if refusal.Code == aadsts.TokenProtectionRequired.Code && errors.As(err, &refused) {
		return unboundCause(refused.Explanation)
	}
	if refusal.Code == aadsts.ControlCannotBeMet.Code && refusal.Message == aadsts.ControlCannotBeMet.Message {
		return pages.ControlUnavailable
	}
	if cause, ok := causes[refusal.Code]; ok {
		return cause
	}
	return pages.Other
}

func unboundCause(e signin.Explanation) pages.Cause {
	if e.Guest && e.Binding.Reason == policy.ReasonNoDevice {
		return pages.GuestNoDevice
	}
	return pages.Cause(strings.TrimPrefix(string(e.Binding.Reason), "registrationType:"))
}

func factsOf(e signin.Explanation) pages.Facts {
	f := pages.Facts{
		Application: e.Application, Resource: e.Resource, Organisation: e.Organisation, Home: e.Account.Organisation, Policy: e.Policy,
		Minimum: e.MinimumVersion, Version: e.StatedVersion, Option: e.BrokerOption,
	}
	if d := e.Device; d != nil {
		f.Device = d.DisplayName
		f.System = strings.TrimSpace(either(d.RecordedOS, d.OperatingSystem) + " " + either(d.RecordedOSVersion, d.OperatingSystemVersion))
		f.Profile = d.EnrollmentProfileName
	}
	return f
}

// details are what the person can copy for whoever helps. Nothing in them is secret.
func (h handler) details(r *http.Request, v visit, err error) []pages.Detail {
	refusal := aadsts.Of(err)
	var list []pages.Detail
	add := func(key, value string) {
		if value != "" {
			list = append(list, pages.Detail{Key: key, Value: value})
		}
	}
	add("code", "AADSTS"+strconv.Itoa(refusal.Code))
	add("message", refusal.Message)
	var refused *signin.Refused
	if !errors.As(err, &refused) {
		add("correlation", v.CorrelationID)
		add("time", stamp(h.Now()))
		add("address", h.ClientAddress(r))
		return list
	}
	e := refused.Explanation
	if e.Requirement == policy.RequireTokenProtection {
		add("session", "Unbound, "+strconv.Itoa(int(e.Binding.Code)))
	}
	add("policy", e.Policy)
	add("application", e.Application)
	add("resource", e.Resource)
	add("organisation", e.Organisation)
	if e.Guest {
		add("home", e.Account.Organisation)
	}
	add("account", e.Account.UPN)
	add("device", deviceName(e.Device))
	add("state", deviceState(e))
	add("correlation", refused.CorrelationID)
	add("trace", refused.TraceID)
	add("time", stamp(refused.At))
	add("address", h.ClientAddress(r))
	return list
}

func deviceName(d *device.Device) string {
	if d == nil {
		return ""
	}
	return strings.TrimSpace(d.DisplayName + " " + d.ID)
}

// deviceState is a word of the field's, the same in every language.
func deviceState(e signin.Explanation) string {
	switch {
	case e.Device == nil:
		return "not registered"
	case !e.Device.Enabled:
		return "disabled"
	case e.Proven:
		return "registered, proven (" + string(e.Device.TrustType) + ")"
	}
	return "registered, not proven (" + string(e.Device.TrustType) + ")"
}

// explainCode says what a code means, for whoever has only that.
func (h handler) explainCode(w http.ResponseWriter, r *http.Request) error {
	code, err := strconv.Atoi(strings.TrimPrefix(strings.ToUpper(r.URL.Query().Get("code")), "AADSTS"))
	cause, ok := causes[code]
	if err != nil || !ok {
		cause = pages.Other
	}
	if code == aadsts.TokenProtectionRequired.Code {
		cause = pages.NoDevice
	}
	page := pages.Refusal{Cause: cause}
	if err == nil {
		page.Details = []pages.Detail{{Key: "code", Value: "AADSTS" + strconv.Itoa(code)}}
	}
	return h.Pages.Render(w, r, http.StatusOK, pages.Frame{}, page)
}

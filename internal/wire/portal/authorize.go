package portal

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
	"boundgate/internal/pages"
	"boundgate/internal/signin"
	"boundgate/internal/token"
)

// authorize serves the authorization endpoints (RFC 6749 section 3.1). Nothing is sent to the redirect URI before it is
// known to be the client's.
func (h handler) authorize(w http.ResponseWriter, r *http.Request, version token.Version) error {
	p, err := readParameters(w, r)
	if err != nil {
		return err
	}
	v := visit{
		Purpose: forCode, Tenant: r.PathValue("tenant"), Version: version, Query: url.Values(p).Encode(),
		CorrelationID: correlationID(r, p), Username: p.get("login_hint"),
	}
	if v.Tenant == "consumers" {
		return h.refuse(w, r, v, aadsts.ConsumersRefused)
	}
	asked, err := h.ask(r, v)
	if err != nil {
		return h.refuse(w, r, v, err)
	}
	known := asked.Application != nil
	if err := p.check(); err != nil {
		return h.tell(w, r, v, err, known)
	}
	if done, err := h.proveDevice(w, r, &v, asked.Tenant.ID); done || err != nil {
		return err
	}
	if done, err := h.signOnByPRT(w, r, v); done || err != nil {
		return err
	}
	return h.welcome(w, r, v, known)
}

func (h handler) ask(r *http.Request, v visit) (signin.Asked, error) {
	p := v.parameters()
	return h.SignIns.Ask(r.Context(), signin.Request{
		PathTenant: v.Tenant, Client: p.get("client_id"), Code: &signin.CodeRequest{RedirectURI: p.get("redirect_uri")},
	})
}

// welcome begins with what the browser has: an account that is signed in, several to choose from, or none.
func (h handler) welcome(w http.ResponseWriter, r *http.Request, v visit, known bool) error {
	p := v.parameters()
	silent := p.prompts("none")
	v = h.begin(w, r, v)
	accounts, err := h.SignIns.Accounts(r.Context(), session(r))
	if err != nil {
		return err
	}
	live := slices.DeleteFunc(slices.Clone(accounts), func(a signin.Account) bool { return !a.SignedIn || !hinted(a, p) })
	switch {
	case p.prompts("login") && !silent:
		return h.showPasswordOrAccount(w, r, v, "")
	case p.prompts("select_account") && !silent && len(accounts) > 0:
		return h.showPicker(w, r, v, accounts)
	case len(live) == 1:
		v.Account, v.Username = live[0].User, live[0].UPN
		return h.try(w, r, v, signin.Browser{Visit: h.signinVisit(r, v), Account: v.Account}, known)
	case silent && len(live) == 0:
		return h.tell(w, r, v, aadsts.SignInNeeded, known)
	case silent:
		return h.tell(w, r, v, aadsts.AccountSelectionNeeded, known)
	case len(live) > 1:
		return h.showPicker(w, r, v, live)
	case len(accounts) > 0 && p.get("login_hint") == "":
		return h.showPicker(w, r, v, accounts)
	}
	return h.showPasswordOrAccount(w, r, v, "")
}

// hinted reports whether an account is one that the client asks for.
func hinted(a signin.Account, p parameters) bool {
	if hint := p.get("login_hint"); hint != "" {
		return strings.EqualFold(hint, a.UPN)
	}
	domain := p.get("domain_hint")
	if domain == "" || domain == "organizations" {
		return true
	}
	_, own, _ := directory.SplitUPN(a.UPN)
	return strings.EqualFold(domain, own)
}

// The headers and cookies of brokers; where there are several accounts, a number is behind the name.
const (
	prtCredential    = "x-ms-RefreshTokenCredential"
	deviceCredential = "x-ms-DeviceCredential"
	maxCredentials   = 5
)

// brokerCredentials returns the credentials that a broker has added to a request.
func brokerCredentials(r *http.Request) []string {
	var list []string
	for n := range maxCredentials {
		name := prtCredential
		if n > 0 {
			name += string(rune('0' + n))
		}
		if text := r.Header.Get(name); text != "" {
			list = append(list, text)
		}
	}
	for _, c := range r.Cookies() {
		if strings.HasPrefix(strings.ToLower(c.Name), strings.ToLower(prtCredential)) && len(list) < maxCredentials {
			list = append(list, c.Value)
		}
	}
	return list
}

// signOnByPRT signs on with a Primary Refresh Token that the device's broker speaks for. It leaves no cookie. A credential
// that does not hold is as good as none: the browser may be asked for a fresh one, and otherwise the person is.
func (h handler) signOnByPRT(w http.ResponseWriter, r *http.Request, v visit) (done bool, err error) {
	p := v.parameters()
	if p.prompts("login") || p.prompts("select_account") {
		return false, nil
	}
	for _, jws := range brokerCredentials(r) {
		req, err := h.request(r, v)
		if err != nil {
			return true, h.tell(w, r, v, err, true)
		}
		req.Credential, req.Device = signin.BrowserPRT{JWS: jws}, nil
		a, err := h.SignIns.Authorize(r.Context(), req)
		code := aadsts.Of(err).Code
		switch {
		case err == nil:
			return true, h.answer(w, r, v, a)
		case code == aadsts.ProofFailed.Code && p.get("sso_nonce") == "":
			return true, h.challenge(w, r, v)
		case code == aadsts.ServerError.Code:
			return true, h.refuse(w, r, v, err)
		case refusesAccess(err):
			return true, h.tell(w, r, v, err, true)
		}
	}
	return false, nil
}

// refusesAccess reports whether a policy refuses what no sign-in on a page could mend.
func refusesAccess(err error) bool {
	switch aadsts.Of(err).Code {
	case aadsts.TokenProtectionRequired.Code, aadsts.BlockedByConditionalAccess.Code, aadsts.DeviceNotCompliant.Code,
		aadsts.DeviceNotHybridJoined.Code, aadsts.HomeNotTrusted.Code:
		return true
	}
	return false
}

// challenge sends the browser back with a nonce for its broker (MS-OAPXBC 3.2.5.2).
func (h handler) challenge(w http.ResponseWriter, r *http.Request, v visit) error {
	q := url.Values(v.parameters())
	q.Set("sso_nonce", h.SignIns.Nonce())
	v.Query = q.Encode()
	return redirect(w, r, v.again())
}

// try takes a step with a credential and shows what comes of it.
func (h handler) try(w http.ResponseWriter, r *http.Request, v visit, c signin.Credential, known bool) error {
	return h.tryAs(w, r, v, c, known, false)
}

func (h handler) tryAs(w http.ResponseWriter, r *http.Request, v visit, c signin.Credential, known, consented bool) error {
	req, err := h.purposeRequest(r, &v)
	if err != nil {
		return h.tell(w, r, v, err, known)
	}
	req.Credential, req.Consented = c, consented
	a, err := h.SignIns.Authorize(r.Context(), req)
	var refused *signin.Refused
	if errors.As(err, &refused) {
		h.keep(w, r, refused.Cookie)
	}
	if err != nil {
		return h.next(w, r, v, err)
	}
	h.keep(w, r, a.Cookie)
	return h.finish(w, r, v, a)
}

// finish answers what the visit was for.
func (h handler) finish(w http.ResponseWriter, r *http.Request, v visit, a signin.Authorization) error {
	switch v.Purpose {
	case forDevice:
		return h.deviceSignedIn(w, r, v, a)
	case forAccount, toSignOut:
		return redirect(w, r, "/me")
	case forCode:
	}
	return h.answer(w, r, v, a)
}

// tell tells the client of a refusal where nobody can be asked, and the person otherwise.
func (h handler) tell(w http.ResponseWriter, r *http.Request, v visit, err error, known bool) error {
	p := v.parameters()
	refusal := aadsts.Of(err)
	mistake := refusal.OAuth == "invalid_request" || refusal.OAuth == "unsupported_response_type" || refusal.OAuth == "request_not_supported"
	if known && (p.prompts("none") || mistake && refusal.Code != aadsts.RedirectURIUnknown.Code) {
		return h.answerError(w, r, v, err)
	}
	return h.refuse(w, r, v, err)
}

func (h handler) frame(v visit) pages.Frame {
	p := v.parameters()
	f := pages.Frame{Locales: either(p.get("ui_locales"), p.get("mkt")), Back: v.again()}
	if target := formTarget(p.get("redirect_uri")); target != "" {
		f.FormTargets = []string{target}
	}
	return f
}

// formTarget is the redirect URI's origin, or its scheme where it is an application's own.
func formTarget(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || strings.ContainsAny(uri, " ;,'\"") {
		return ""
	}
	if u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") {
		return u.Scheme + "://" + u.Host
	}
	return u.Scheme + ":"
}

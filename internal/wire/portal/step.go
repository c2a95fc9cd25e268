package portal

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
	"boundgate/internal/factor"
	"boundgate/internal/pages"
	"boundgate/internal/signin"
)

// step takes a form of the sign-in pages.
func (h handler) step(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	v, err := h.open(r, f.Get("state"))
	if err != nil {
		return h.refuseAs(w, r, visit{}, aadsts.SignInNeeded.Because(err), pages.PageExpired)
	}
	if pick := f.Get("pick"); pick != "" {
		return h.pick(w, r, v, directory.ObjectID(pick))
	}
	browser := signin.Browser{Visit: h.signinVisit(r, v), Account: v.Account}
	switch f.Get("step") {
	case "cancel":
		return h.cancel(w, r, v)
	case "switch", "other":
		v.Username, v.Account = "", ""
		return h.showAccount(w, r, v, "")
	case "account":
		return h.takeAccount(w, r, v, f.Get("username"))
	case "password":
		c := signin.TypedPassword{Username: v.Username, Password: secret(f.Get("password")), Visit: browser.Visit, StaySignedIn: f.Get("stay") != ""}
		return h.try(w, r, v, c, true)
	case "code":
		browser.Factor = signin.Code{Text: secret(f.Get("code"))}
	case "passkey":
		browser.Factor = signin.Passkey{State: v.Passkey, Response: []byte(f.Get("response"))}
	case "enrol":
		browser.Factor, err = h.newCode(r.Context(), browser, v, f.Get("code"))
	case "enrolpasskey":
		browser.Factor = signin.NewPasskey{State: v.Passkey, Response: []byte(f.Get("response"))}
	case "consent":
		return h.tryAs(w, r, v, browser, true, true)
	case "devicecode":
		return h.takeUserCode(w, r, v, f.Get("user_code"))
	case "approve":
		v.Approving = true
		return h.tryAs(w, r, v, browser, true, true)
	case "decline":
		return h.declineDevice(w, r, v)
	default:
		return aadsts.MalformedRequest.Saying("The form has no step that this server knows.")
	}
	if err != nil {
		return h.next(w, r, v, err)
	}
	return h.try(w, r, v, browser, true)
}

// purposeRequest is what the sign-in is asked for the visit's purpose.
func (h handler) purposeRequest(r *http.Request, v *visit) (signin.Request, error) {
	switch v.Purpose {
	case forCode:
		return h.request(r, *v)
	case forDevice:
		return h.deviceRequest(r, v)
	case forAccount, toSignOut:
	}
	return signin.Request{
		PathTenant: "organizations", Version: 2, Client: string(directory.MySignIns), CorrelationID: v.CorrelationID,
		From: signin.From{Address: h.ClientAddress(r), UserAgent: r.UserAgent()},
	}, nil
}

// pick continues with an account that the browser has.
func (h handler) pick(w http.ResponseWriter, r *http.Request, v visit, user directory.ObjectID) error {
	accounts, err := h.SignIns.Accounts(r.Context(), session(r))
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if a.User != user {
			continue
		}
		v.Account, v.Username = a.User, a.UPN
		if !a.SignedIn {
			return h.showPassword(w, r, v, "")
		}
		return h.try(w, r, v, signin.Browser{Visit: h.signinVisit(r, v), Account: a.User}, true)
	}
	return h.showAccount(w, r, v, "")
}

func (h handler) takeAccount(w http.ResponseWriter, r *http.Request, v visit, name string) error {
	local, domain, ok := directory.SplitUPN(name)
	const most = 320 // bytes, RFC 3696
	if !ok || len(name) > most {
		return h.showAccount(w, r, v, "error.username")
	}
	v.Username = local + "@" + domain
	return h.showPassword(w, r, v, "")
}

// cancel tells the client that the person does not want to go on.
func (h handler) cancel(w http.ResponseWriter, r *http.Request, v visit) error {
	if v.Purpose != forCode {
		return redirect(w, r, v.again())
	}
	cancelled := aadsts.ConsentDeclined.Saying("The user has cancelled the sign-in.")
	if !h.clientKnown(r, v, nil) {
		return h.refuse(w, r, v, cancelled)
	}
	return h.answerError(w, r, v, cancelled)
}

// clientKnown reports whether the redirect URI is known to be the client's: by the address alone or, for an application of
// the person's own tenant, by what the sign-in has found out. Nothing may be sent there before.
func (h handler) clientKnown(r *http.Request, v visit, refused *signin.Refused) bool {
	if refused != nil && refused.Explanation.ClientKnown {
		return true
	}
	asked, err := h.ask(r, v)
	return err == nil && asked.Application != nil
}

// next shows the page that a refusal calls for: a prompt where one helps, and otherwise what is the matter.
func (h handler) next(w http.ResponseWriter, r *http.Request, v visit, err error) error {
	var refused *signin.Refused
	if !errors.As(err, &refused) {
		return h.refuse(w, r, v, err)
	}
	if v.Purpose == forCode && v.parameters().prompts("none") && h.clientKnown(r, v, refused) {
		return h.answerError(w, r, v, err)
	}
	if account := refused.Explanation.Account; account.User != "" && refused.Cookie.Text != "" {
		v.Account = account.User
	}
	cookie := refused.Cookie.Text
	if cookie == "" {
		cookie = session(r)
	}
	browser := signin.Browser{Visit: signin.Visit{ID: v.ID, Session: cookie}, Account: v.Account}
	switch refused.Refusal.Code {
	case aadsts.SignInNeeded.Code:
		return h.showPasswordOrAccount(w, r, v, "")
	case aadsts.FreshSignInNeeded.Code:
		return h.showPasswordOrAccount(w, r, v, "error.fresh")
	case aadsts.AccountSelectionNeeded.Code:
		accounts, err := h.SignIns.Accounts(r.Context(), cookie)
		if err != nil {
			return err
		}
		return h.showPicker(w, r, v, accounts)
	case aadsts.InvalidCredentials.Code:
		return h.showPasswordOrAccount(w, r, v, "error.credentials")
	case aadsts.AccountLocked.Code:
		return h.showPasswordOrAccount(w, r, v, "error.locked")
	case aadsts.TooManyRequests.Code:
		if r.PostForm.Get("step") == "password" {
			return h.showPasswordOrAccount(w, r, v, "error.busy")
		}
	case aadsts.MultiFactorRequired.Code:
		v.Register, v.Policy, v.Strong = false, refused.Explanation.Policy, refused.Explanation.Passkey
		return h.showFactor(w, r, v, browser, "")
	case aadsts.SecondFactorUnregistered.Code:
		v.Register, v.Policy, v.Strong = true, refused.Explanation.Policy, refused.Explanation.Passkey
		return h.showFactor(w, r, v, browser, "")
	case aadsts.SecondFactorWrong.Code:
		if strings.HasSuffix(r.PostForm.Get("step"), "passkey") {
			return h.showFactor(w, r, v, browser, "error.passkey")
		}
		return h.showFactor(w, r, v, browser, "error.code")
	case aadsts.SecondFactorLocked.Code:
		return h.showFactor(w, r, v, browser, "error.codelocked")
	case aadsts.ConsentNeeded.Code, aadsts.AdminConsentNeeded.Code:
		return h.showConsent(w, r, v, refused)
	}
	return h.refuse(w, r, v, err)
}

func (h handler) form(v visit, problem string) (pages.Form, error) {
	state, err := h.seal(v)
	return pages.Form{Action: v.action(), State: state, Error: problem, Cancel: v.Purpose == forCode}, err
}

// namedForm is a form that names the application.
func (h handler) namedForm(r *http.Request, v visit, problem string) (pages.Form, pages.Frame, error) {
	frame := h.frame(v)
	f, err := h.form(v, problem)
	if err != nil {
		return f, frame, err
	}
	if v.Purpose == forCode {
		if asked, err := h.ask(r, v); err == nil && asked.Application != nil {
			f.Application, frame.Organisation = asked.Application.DisplayName, asked.Tenant.DisplayName
		} else {
			f.Cancel = false // nothing is known of the client that could be told
		}
	}
	return f, frame, nil
}

func (h handler) showPasswordOrAccount(w http.ResponseWriter, r *http.Request, v visit, problem string) error {
	if _, _, ok := directory.SplitUPN(v.Username); ok {
		return h.showPassword(w, r, v, problem)
	}
	return h.showAccount(w, r, v, problem)
}

func (h handler) showAccount(w http.ResponseWriter, r *http.Request, v visit, problem string) error {
	f, frame, err := h.namedForm(r, v, problem)
	if err != nil {
		return err
	}
	return h.Pages.Render(w, r, http.StatusOK, frame, pages.Account{Form: f, Username: v.Username})
}

func (h handler) showPassword(w http.ResponseWriter, r *http.Request, v visit, problem string) error {
	f, frame, err := h.namedForm(r, v, problem)
	if err != nil {
		return err
	}
	return h.Pages.Render(w, r, http.StatusOK, frame, pages.Password{Form: f, Username: v.Username})
}

func (h handler) showPicker(w http.ResponseWriter, r *http.Request, v visit, accounts []signin.Account) error {
	f, frame, err := h.namedForm(r, v, "")
	if err != nil {
		return err
	}
	return h.Pages.Render(w, r, http.StatusOK, frame, pages.Picker{Form: f, Accounts: people(accounts)})
}

func people(accounts []signin.Account) []pages.Person {
	list := make([]pages.Person, 0, len(accounts))
	for _, a := range accounts {
		list = append(list, pages.Person{ID: string(a.User), Name: a.DisplayName, UPN: a.UPN, Organisation: a.Organisation, SignedIn: a.SignedIn})
	}
	return list
}

// showFactor asks for a second factor, or sets one up.
func (h handler) showFactor(w http.ResponseWriter, r *http.Request, v visit, browser signin.Browser, problem string) error {
	choice, err := h.SignIns.SecondFactors(r.Context(), browser)
	if err != nil {
		return h.refuse(w, r, v, err)
	}
	v.Account, v.Username = choice.Account.User, choice.Account.UPN
	if v.Register {
		return h.showEnrol(w, r, v, choice, problem)
	}
	page := pages.Factor{Username: choice.Account.UPN, Policy: v.Policy}
	for _, f := range choice.Known {
		page.Code = page.Code || f.Kind == factor.TOTP && !v.Strong
	}
	page.Passkey, v.Passkey, err = h.SignIns.BeginPasskey(choice, false, v.Strong)
	if err != nil { // the person has none, or there can be none here
		page.Passkey, v.Passkey = nil, nil
	}
	if !page.Code && page.Passkey == nil {
		return h.refuse(w, r, v, aadsts.MultiFactorRequired.Becausef("no second factor can be used here: %w", err))
	}
	var frame pages.Frame
	if page.Form, frame, err = h.namedForm(r, v, problem); err != nil {
		return err
	}
	return h.Pages.Render(w, r, http.StatusOK, frame, page)
}

func (h handler) showEnrol(w http.ResponseWriter, r *http.Request, v visit, choice signin.FactorChoice, problem string) error {
	drawn, err := factor.NewTOTP(choice.Person, "Authenticator app", h.Now())
	if err != nil {
		return err
	}
	if len(v.Key) > 0 { // the one that was shown before
		drawn = factor.TOTPFrom(choice.Person, drawn.DisplayName, string(v.Key), h.Now())
	}
	v.Key = []byte(drawn.Secret.Reveal())
	svg, err := factor.QRCode(drawn.URI("Boundgate", choice.Account.UPN))
	if err != nil {
		return err
	}
	page := pages.Enrol{
		Username: choice.Account.UPN, Policy: v.Policy, Key: drawn.Grouped(),
		QRCode: template.HTML(svg), //nolint:gosec // drawn by this program, of rectangles alone
	}
	if page.Passkey, v.Passkey, err = h.SignIns.BeginPasskey(choice, true, v.Strong); err != nil {
		page.Passkey, v.Passkey = nil, nil
	}
	if v.Strong { // an authenticator application would not do
		page.Key, page.QRCode = "", ""
	}
	if v.Strong && page.Passkey == nil {
		return h.refuse(w, r, v, aadsts.MultiFactorRequired.Becausef("no passkey can be set up here: %w", err))
	}
	var frame pages.Frame
	if page.Form, frame, err = h.namedForm(r, v, problem); err != nil {
		return err
	}
	return h.Pages.Render(w, r, http.StatusOK, frame, page)
}

// newCode is the authenticator application whose key the visit carries, with its first code.
func (h handler) newCode(ctx context.Context, browser signin.Browser, v visit, code string) (signin.FactorAnswer, error) {
	choice, err := h.SignIns.SecondFactors(ctx, browser)
	if err != nil {
		return nil, err
	}
	made := factor.TOTPFrom(choice.Person, "Authenticator app", string(v.Key), h.Now())
	return signin.NewCode{Factor: made, Text: secret(code)}, nil
}

func (h handler) showConsent(w http.ResponseWriter, r *http.Request, v visit, refused *signin.Refused) error {
	f, frame, err := h.namedForm(r, v, "")
	if err != nil {
		return err
	}
	e := refused.Explanation
	f.Application = e.Application
	page := pages.Consent{
		Form: f, Username: e.Account.UPN, Resource: e.Resource, Permissions: h.permissions(e.Scopes, e.Resource),
		AdminOnly: refused.Refusal.Code == aadsts.AdminConsentNeeded.Code,
	}
	return h.Pages.Render(w, r, http.StatusOK, frame, page)
}

// permissions puts scopes into words.
func (h handler) permissions(scopes []string, resource string) []pages.Permission {
	var list []pages.Permission
	for _, scope := range scopes {
		list = append(list, pages.Permission{Scope: scope, Resource: resource})
	}
	return list
}

// language remembers a language that was chosen on a page, and goes back there. Only a path of this server is gone back to.
func (h handler) language(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	http.SetCookie(w, &http.Cookie{
		Name: "boundgate-language", Value: url.QueryEscape(q.Get("to")), Path: "/", Secure: true, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, MaxAge: 365 * 24 * 60 * 60,
	})
	back := q.Get("back")
	u, err := url.Parse(back)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//") || strings.Contains(back, "\\") {
		back = "/me"
	}
	return redirect(w, r, back)
}

package portal

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/pages"
	"boundgate/internal/selfservice"
	"boundgate/internal/signin"
	"boundgate/internal/signinlog"
)

// me shows people their own account. Who is signed in in the browser with one account sees it; others sign in first.
func (h handler) me(w http.ResponseWriter, r *http.Request) error {
	v := h.begin(w, r, visit{Purpose: forAccount, Tenant: "organizations", CorrelationID: uuid.NewString()})
	account, ok, err := h.current(r, v)
	if err != nil {
		return err
	}
	if !ok {
		accounts, err := h.SignIns.Accounts(r.Context(), session(r))
		if err != nil {
			return err
		}
		if len(accounts) > 0 {
			return h.showPicker(w, r, v, accounts)
		}
		return h.showAccount(w, r, v, "")
	}
	return h.showMe(w, r, v, account, "")
}

// current is the browser's account: the one that signed in last, where it is still signed in.
func (h handler) current(r *http.Request, v visit) (signin.Account, bool, error) {
	accounts, err := h.SignIns.Accounts(r.Context(), session(r))
	if err != nil {
		return signin.Account{}, false, err
	}
	for _, a := range accounts {
		if a.SignedIn && (v.Account == "" || v.Account == a.User) {
			return a, true, nil
		}
	}
	return signin.Account{}, false, nil
}

// changeMe takes a form of the account's pages.
func (h handler) changeMe(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	v, err := h.open(r, f.Get("state"))
	if err != nil || v.Purpose != forAccount || v.Account == "" {
		return h.refuseAs(w, r, visit{Purpose: forAccount}, aadsts.SignInNeeded, pages.PageExpired)
	}
	account, ok, err := h.current(r, v)
	if err != nil {
		return err
	}
	if !ok {
		return redirect(w, r, "/me")
	}
	who := selfservice.Caller{Tenant: account.Home, User: account.User, UPN: account.UPN, Address: h.ClientAddress(r), CorrelationID: v.CorrelationID}
	switch {
	case f.Get("lost") != "":
		err := h.Self.DisableDevice(r.Context(), who, f.Get("lost"))
		if errors.Is(err, directory.ErrNotFound) { // somebody else's, or gone
			return redirect(w, r, "/me")
		}
		if err != nil {
			return err
		}
		return h.showMe(w, r, v, account, "notice.disabled")
	case f.Get("report") != "":
		return h.showReport(w, r, v, account, f.Get("report"))
	case f.Get("confirm") != "":
		if err := h.Self.Report(r.Context(), who, f.Get("confirm")); err != nil {
			return err
		}
		return h.Pages.Render(w, r, http.StatusOK, h.frame(v), pages.Done{Notice: "notice.reported"})
	case f.Get("everywhere") != "":
		if err := h.Self.SignOutEverywhere(r.Context(), who); err != nil {
			return err
		}
		return h.Pages.Render(w, r, http.StatusOK, h.frame(v), pages.Done{Notice: "notice.everywhere"})
	}
	return redirect(w, r, "/me")
}

func (h handler) showMe(w http.ResponseWriter, r *http.Request, v visit, account signin.Account, notice string) error {
	o, err := h.Self.Overview(r.Context(), account.Home, account.User)
	if err != nil {
		return err
	}
	v.Account = account.User
	f, err := h.form(v, "")
	if err != nil {
		return err
	}
	f.Action = "/me"
	page := pages.Me{Form: f, Notice: notice, Person: people([]signin.Account{account})[0]}
	for _, d := range o.Devices {
		page.Devices = append(page.Devices, deviceRow(d))
	}
	for _, row := range o.SignIns {
		page.SignIns = append(page.SignIns, signInRow(row))
	}
	for _, own := range o.Factors {
		page.Factors = append(page.Factors, pages.OwnFactor{ID: own.ID, Name: own.DisplayName, Kind: string(own.Kind), Added: own.CreatedAt})
	}
	return h.Pages.Render(w, r, http.StatusOK, h.frame(v), page)
}

func deviceRow(d device.Device) pages.Device {
	return pages.Device{
		ID: d.ID, Name: either(d.DisplayName, d.ID), TrustType: string(d.TrustType), Enabled: d.Enabled, Registered: d.RegisteredAt, LastActive: d.LastActivity,
		System: strings.TrimSpace(either(d.RecordedOS, d.OperatingSystem) + " " + either(d.RecordedOSVersion, d.OperatingSystemVersion)),
	}
}

func signInRow(r signinlog.Row) pages.SignIn {
	return pages.SignIn{
		ID: r.ID, Application: either(r.AppDisplayName, r.AppID), Resource: r.ResourceDisplayName, Address: r.IPAddress, At: r.TimeGenerated,
		Succeeded: r.ResultType == "0", Code: r.ResultType, Bound: strings.Contains(r.TokenProtectionStatusDetails, `"bound"`),
	}
}

// showReport asks whether a sign-in really was not the person's own.
func (h handler) showReport(w http.ResponseWriter, r *http.Request, v visit, account signin.Account, id string) error {
	o, err := h.Self.Overview(r.Context(), account.Home, account.User)
	if err != nil {
		return err
	}
	for _, row := range o.SignIns {
		if row.ID != id {
			continue
		}
		f, err := h.form(v, "")
		if err != nil {
			return err
		}
		f.Action = "/me"
		return h.Pages.Render(w, r, http.StatusOK, h.frame(v), pages.Report{Form: f, SignIn: signInRow(row)})
	}
	return redirect(w, r, "/me")
}

// signOut serves the end session endpoint (OpenID Connect RP-Initiated Logout 1.0). A person says which account; a client
// is gone back to only where the address is one of its own.
func (h handler) signOut(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost && r.PostFormValue("state") != "" && r.PostFormValue("signout") != "" {
		return h.endSession(w, r)
	}
	accounts, err := h.SignIns.Accounts(r.Context(), session(r))
	if err != nil {
		return err
	}
	q := r.URL.Query()
	v := h.begin(w, r, visit{Purpose: toSignOut, Tenant: r.PathValue("tenant"), Query: q.Encode(), CorrelationID: uuid.NewString()})
	var live []signin.Account
	for _, a := range accounts {
		if a.SignedIn {
			live = append(live, a)
		}
	}
	if len(live) == 0 {
		return h.signedOut(w, r, v)
	}
	f, err := h.form(v, "")
	if err != nil {
		return err
	}
	f.Action = r.URL.Path
	frame := pages.Frame{Back: v.again()}
	if target := formTarget(q.Get("post_logout_redirect_uri")); target != "" {
		frame.FormTargets = []string{target}
	}
	return h.Pages.Render(w, r, http.StatusOK, frame, pages.SignOut{Form: f, Accounts: people(live)})
}

func (h handler) endSession(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	v, err := h.open(r, f.Get("state"))
	if err != nil {
		return h.refuseAs(w, r, visit{}, aadsts.SignInNeeded.Because(err), pages.PageExpired)
	}
	if err := h.SignIns.SignOut(r.Context(), session(r), directory.ObjectID(f.Get("user"))); err != nil {
		return err
	}
	return h.signedOut(w, r, v)
}

// signedOut goes back to the application, where it names an address of its own, and says that it is done otherwise.
func (h handler) signedOut(w http.ResponseWriter, r *http.Request, v visit) error {
	p := v.parameters()
	back, client := p.get("post_logout_redirect_uri"), either(p.get("client_id"), audienceOf(p.get("id_token_hint")))
	if back == "" || client == "" || !strings.HasPrefix(back, "https://") && !strings.HasPrefix(back, "http://") {
		return h.Pages.Render(w, r, http.StatusOK, pages.Frame{}, pages.SignOut{Done: true})
	}
	asked, err := h.SignIns.Ask(r.Context(), signin.Request{PathTenant: v.Tenant, Client: client, Code: &signin.CodeRequest{RedirectURI: back}})
	if err != nil || asked.Application == nil {
		return h.Pages.Render(w, r, http.StatusOK, pages.Frame{}, pages.SignOut{Done: true})
	}
	if state := p.get("state"); state != "" {
		separator := "?"
		if strings.Contains(back, "?") {
			separator = "&"
		}
		back += separator + "state=" + escape(state)
	}
	return redirect(w, r, back)
}

// audienceOf reads which client an ID token is for, without believing it: the address to go back to must be that client's
// all the same.
func audienceOf(idToken string) string {
	parts := strings.Split(idToken, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Audience string `json:"aud"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.Audience
}

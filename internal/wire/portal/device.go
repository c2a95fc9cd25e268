package portal

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
	"boundgate/internal/pages"
	"boundgate/internal/signin"
)

// deviceAuth asks for the code that a device shows (RFC 8628 section 3.3). A code in the address is only filled in: the
// person must still look at what the code approves.
func (h handler) deviceAuth(w http.ResponseWriter, r *http.Request) error {
	v := h.begin(w, r, visit{Purpose: forDevice, Tenant: "common", CorrelationID: uuid.NewString()})
	code := either(r.URL.Query().Get("user_code"), r.URL.Query().Get("otc"))
	return h.showUserCode(w, r, v, code[:min(len(code), maxUserCode)], "")
}

const maxUserCode = 16

func (h handler) showUserCode(w http.ResponseWriter, r *http.Request, v visit, code, problem string) error {
	f, err := h.form(v, problem)
	if err != nil {
		return err
	}
	return h.Pages.Render(w, r, http.StatusOK, h.frame(v), pages.DeviceCode{Form: f, Code: code})
}

// takeUserCode looks the code up and lets the person sign in, here and now, before showing what would be approved.
func (h handler) takeUserCode(w http.ResponseWriter, r *http.Request, v visit, code string) error {
	p, err := h.SignIns.DeviceByUserCode(r.Context(), code)
	if aadsts.Of(err).Code == aadsts.UserCodeWrong.Code && err != nil {
		return h.showUserCode(w, r, v, "", "error.usercode")
	}
	if err != nil {
		return h.refuse(w, r, v, err)
	}
	v.UserCode, v.Tenant = strings.ToUpper(code), p.Record.PathTenant
	accounts, err := h.SignIns.Accounts(r.Context(), session(r))
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if a.SignedIn {
			return h.showPicker(w, r, v, accounts)
		}
	}
	return h.showAccount(w, r, v, "")
}

// deviceRequest is what the sign-in is asked: to sign the person in first, and once the person has said yes, to approve.
func (h handler) deviceRequest(r *http.Request, v *visit) (signin.Request, error) {
	p, err := h.SignIns.DeviceByUserCode(r.Context(), v.UserCode)
	if err != nil {
		return signin.Request{}, err
	}
	req := signin.Request{
		PathTenant: p.Record.PathTenant, Version: 2, Client: string(directory.MySignIns), CorrelationID: v.CorrelationID,
		From: signin.From{Address: h.ClientAddress(r), UserAgent: r.UserAgent()},
	}
	if v.Approving {
		req.Client, req.Approve = string(p.Record.Client), &p
		req.Consented = true
	}
	return req, nil
}

// deviceSignedIn shows what would be approved or, once it has been, says so.
func (h handler) deviceSignedIn(w http.ResponseWriter, r *http.Request, v visit, a signin.Authorization) error {
	if a.Approved != nil {
		return h.Pages.Render(w, r, http.StatusOK, h.frame(v), pages.DeviceDone{Application: applicationName(*a.Approved)})
	}
	p, err := h.SignIns.DeviceByUserCode(r.Context(), v.UserCode)
	if err != nil {
		return h.showUserCode(w, r, v, "", "error.usercode")
	}
	v.Account, v.Username = a.Account.User, a.Account.UPN
	f, err := h.form(v, "")
	if err != nil {
		return err
	}
	f.Application = applicationName(p)
	page := pages.DeviceConfirm{
		Form: f, Username: a.Account.UPN, Code: v.UserCode, Address: p.Record.From.Address, Device: p.Record.From.UserAgent, Asked: p.Record.IssuedAt,
	}
	if p.Application == nil || p.Application.NeedsConsent() {
		page.Permissions = h.permissions(strings.Fields(p.Record.Scope), p.Record.Resource)
	}
	return h.Pages.Render(w, r, http.StatusOK, h.frame(v), page)
}

func applicationName(p signin.PendingDevice) string {
	if p.Application == nil {
		return string(p.Record.Client)
	}
	return p.Application.DisplayName
}

func (h handler) declineDevice(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := h.SignIns.DeviceByUserCode(r.Context(), v.UserCode)
	if err == nil {
		err = h.SignIns.DeclineDevice(r.Context(), p)
	}
	if err != nil {
		return h.showUserCode(w, r, v, "", "error.usercode")
	}
	return h.Pages.Render(w, r, http.StatusOK, h.frame(v), pages.DeviceDone{Declined: true})
}

// proveDevice takes a device's proof of its key, or asks for one where the client says that it can give one (MS-PKAP
// section 3.1). A proof that does not hold is as good as none. done says that the answer has been given.
func (h handler) proveDevice(w http.ResponseWriter, r *http.Request, v *visit, tenant directory.TenantID) (done bool, err error) {
	if tenant == "" {
		return false, nil // whose device it would be is not known
	}
	if len(brokerCredentials(r)) > 0 {
		return false, nil // the broker speaks for the device
	}
	if jws := r.Header.Get(deviceCredential); jws != "" {
		h.useProof(r, v, jws, tenant, "")
		return false, nil
	}
	submit := h.Issuer.URL + v.again()
	if answer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "PKeyAuth "); ok {
		if jws := pkeyauthToken(answer); jws != "" {
			h.useProof(r, v, jws, tenant, submit)
		}
		return false, nil
	}
	if r.Header.Get("x-ms-PKeyAuth") != "1.0" && !strings.Contains(r.UserAgent(), "PKeyAuth/1.0") {
		return false, nil
	}
	q := url.Values{
		"SubmitUrl": {submit}, "nonce": {h.SignIns.Nonce()}, "Version": {"1.0"}, "Context": {uuid.NewString()},
		"CertAuthorities": {"CN=MS-Organization-Access"},
	}
	return true, redirect(w, r, "urn:http-auth:PKeyAuth?"+strings.ReplaceAll(q.Encode(), "+", "%20"))
}

func (h handler) useProof(r *http.Request, v *visit, jws string, tenant directory.TenantID, audience string) {
	proven, err := h.SignIns.ProveDevice(r.Context(), jws, tenant, audience)
	if err != nil {
		h.Log.Info("a device's proof does not hold", "error", err, "correlation_id", v.CorrelationID)
		return
	}
	v.Device = &proven
}

// pkeyauthToken returns the AuthToken of an Authorization header; "" where the device has no key.
func pkeyauthToken(header string) string {
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if strings.EqualFold(name, "AuthToken") {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

func escape(text string) string { return url.QueryEscape(text) }

package portal_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/audit"
	"boundgate/internal/broker/brokertest"
	"boundgate/internal/directory"
	"boundgate/internal/policy"
	"boundgate/internal/prt"
)

const (
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
	bearerGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	brokerApp   = "29d9ed98-a469-4536-ade2-f981bc1d605e"
	drsScope    = "openid offline_access 01cb2876-7ebd-4aa4-9cc9-d28bd4d359a9/.default"
)

// A started is a device code as a device gets it.
type started struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
}

func (p *person) startDevice(client, scope string) started {
	p.t.Helper()
	var d started
	resp, err := p.server.Client().PostForm(p.server.URL+"/"+brokertest.Domain+"/oauth2/v2.0/devicecode", map[string][]string{"client_id": {client}, "scope": {scope}})
	must(p.t, err)
	defer func() { _ = resp.Body.Close() }()
	must(p.t, json.NewDecoder(resp.Body).Decode(&d))
	return d
}

func (p *person) poll(d started, client string) reply {
	p.t.Helper()
	return p.token("grant_type", deviceGrant, "client_id", client, "device_code", d.DeviceCode)
}

// approve enters a code, signs in, and says yes.
func (p *person) approve(d started, name string) {
	p.t.Helper()
	p.get("/common/oauth2/deviceauth")
	p.submit("step", "devicecode", "user_code", strings.ToLower(d.UserCode[:4])+"-"+d.UserCode[4:])
	p.signIn(name)
	p.shows("Are you signing in on another device?", "192.0.2.1")
	p.submit("step", "approve")
}

func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	must(t, err)
	var m map[string]any
	must(t, json.Unmarshal(payload, &m))
	return m
}

// A device gets tokens when a person has approved it, once, and nobody else does.
func TestDeviceCode(t *testing.T) {
	s := brokertest.New(t)
	p := newPerson(t, s)
	d := p.startDevice(office, "openid offline_access "+brokertest.Exchange+"/.default")
	if got := p.poll(d, office); got.Error != "authorization_pending" || got.code() != 70016 {
		t.Errorf("before anyone has answered: %+v", got)
	}
	p.approve(d, brokertest.Alice)
	p.shows("You have signed in on the other device")
	if row := p.lastRow(); row.AuthenticationProtocol != "deviceCode" || !row.IsInteractive || row.ResultType != "0" {
		t.Errorf("row of the approval: %+v", row)
	}
	if got := p.poll(d, brokerApp); got.Status == 200 {
		t.Error("another client redeems the code")
	}
	got := p.poll(d, office)
	if got.Status != 200 || got.Refresh == "" {
		t.Fatalf("after the approval: %+v", got)
	}
	if row := p.lastRow(); row.OriginalTransferMethod != "deviceCodeFlow" {
		t.Errorf("transfer method: %s", row.OriginalTransferMethod)
	}
	if again := p.poll(d, office); again.code() != 54005 {
		t.Errorf("a second time: %+v", again)
	}
	refreshed := p.token("grant_type", "refresh_token", "refresh_token", got.Refresh, "client_id", office)
	if row := p.lastRow(); refreshed.Status != 200 || row.OriginalTransferMethod != "deviceCodeFlow" {
		t.Errorf("the mark is gone after a refresh: %+v, %s", refreshed, row.OriginalTransferMethod)
	}

	declined := p.startDevice(office, "openid")
	q := newPerson(t, s)
	q.get("/common/oauth2/deviceauth")
	q.submit("step", "devicecode", "user_code", declined.UserCode)
	q.signIn(brokertest.Alice)
	q.submit("step", "decline")
	q.shows("Nothing was signed in")
	if got := p.poll(declined, office); got.Error != "authorization_declined" {
		t.Errorf("declined: %+v", got)
	}
	late := p.startDevice(office, "openid")
	s.Advance(16 * time.Minute)
	if got := p.poll(late, office); got.Error != "expired_token" {
		t.Errorf("too late: %+v", got)
	}
	q.get("/common/oauth2/deviceauth")
	q.submit("step", "devicecode", "user_code", late.UserCode)
	q.shows("not one that waits for an answer")
}

// Whoever polls may be whoever phished the code: a session that began with a device code can neither register a device nor
// become a PRT, unless an administrator allows it for the tenant. // P02 P08
func TestDeviceCodeSessionsStayUnbound(t *testing.T) {
	for name, allowed := range map[string]bool{"as it comes": false, "where an administrator allows it": true} {
		t.Run(name, func(t *testing.T) {
			s := brokertest.New(t)
			if allowed {
				tenant, err := s.Store.Tenant(context.Background(), brokertest.Tenant)
				must(t, err)
				tenant.Settings.AllowDeviceCodeSessions = true
				must(t, s.Store.UpdateTenant(context.Background(), tenant, entry(s)))
			}
			p := newPerson(t, s)
			d := p.startDevice(brokerApp, drsScope)
			p.approve(d, brokertest.Alice)
			got := p.poll(d, brokerApp)
			if got.Status != 200 {
				t.Fatalf("%+v", got)
			}
			if status := registerWith(t, s, got.Access); (status == 200) != allowed {
				t.Errorf("registering a device with it: %d", status)
			}
		})
	}
	// Its honest twin: the same person, the same client, in a browser.
	s := brokertest.New(t)
	p := newPerson(t, s)
	p.get(authorizePath + request("client_id", brokerApp, "scope", drsScope).Encode())
	p.signIn(brokertest.Alice)
	got := p.redeem(p.code(), "client_id", brokerApp)
	if status := registerWith(t, s, got.Access); status != 200 {
		t.Errorf("registering a device after signing in in a browser: %d %+v", status, got)
	}
	// Single sign-on of earlier is no fresh sign-in: the person is asked again.
	p.get(authorizePath + request("client_id", brokerApp, "scope", drsScope).Encode())
	p.shows("For this, enter your password again")
}

// A policy against device codes is told to the person who would approve. // S35 B01
func TestPolicyAgainstDeviceCodes(t *testing.T) {
	s := brokertest.New(t)
	policyFor(t, s, func(p *policy.Policy) {
		p.Conditions.AuthenticationFlows = &policy.AuthenticationFlows{TransferMethods: "deviceCodeFlow"}
		p.GrantControls = &policy.GrantControls{Operator: "OR", BuiltInControls: []string{"block"}}
	})
	p := newPerson(t, s)
	d := p.startDevice(office, "openid "+brokertest.Exchange+"/.default")
	p.approve(d, brokertest.Alice)
	p.shows("You cannot get there from here", "TP01", "AADSTS53003")
	if got := p.poll(d, office); got.Error != "authorization_pending" {
		t.Errorf("the device: %+v", got)
	}
	p.get(authorizePath + request().Encode())
	if p.location == nil {
		p.shows("Pick an account")
	}
	p.code()
}

// Token protection holds on behalf of a person, too: an access token is no proof of a device. And nothing that comes of it
// outlives it. // P02 P07
func TestOnBehalfOf(t *testing.T) {
	s := brokertest.New(t)
	applications(t, s)
	p := newPerson(t, s)
	p.get(authorizePath + request("client_id", webApp, "redirect_uri", web, "scope", "openid api://"+apiApp+"/access").Encode())
	p.signIn(brokertest.Alice)
	signed := p.redeem(p.code(), "client_id", webApp, "redirect_uri", web, "client_secret", pass)
	if signed.Status != 200 {
		t.Fatalf("%+v", signed)
	}
	behalf := func(changes ...string) reply {
		return p.token(append([]string{
			"grant_type", bearerGrant, "requested_token_use", "on_behalf_of", "client_id", apiApp, "client_secret", pass, "assertion", signed.Access,
			"scope", "openid offline_access " + graph,
		}, changes...)...)
	}
	got := behalf()
	if got.Status != 200 || got.Refresh != "" || claimsOf(t, got.Access)["preferred_username"] != brokertest.Alice {
		t.Errorf("on behalf of Alice: %+v", got)
	}
	own := p.token("grant_type", "client_credentials", "client_id", webApp, "client_secret", pass, "scope", "api://"+apiApp+"/.default")
	if own.Status != 200 || claimsOf(t, own.Access)["idtyp"] != "app" || own.Refresh != "" {
		t.Errorf("client credentials: %+v", own)
	}
	for name, attack := range map[string]reply{
		"with a wrong secret":                  behalf("client_secret", "wrong"),
		"without a secret":                     behalf("client_secret", ""),
		"by a client that it was not made for": behalf("client_id", webApp),
		"with an ID token":                     behalf("assertion", signed.ID),
		"with an application's own token":      behalf("assertion", own.Access),
		"with what it got for it":              behalf("assertion", got.Access),
		"with nonsense":                        behalf("assertion", "a.b.c"),
	} {
		if attack.Status == 200 || attack.Access != "" {
			t.Errorf("%s: %+v", name, attack)
		}
	}
	policyFor(t, s, tokenProtection)
	if got := behalf("scope", brokertest.Exchange+"/.default"); got.code() != 65001 && got.code() != 530084 {
		t.Errorf("for a protected resource: %+v", got)
	}
	u, err := s.Store.UserByName(context.Background(), brokertest.Tenant, brokertest.Alice)
	must(t, err)
	s.Advance(time.Second)
	must(t, s.Store.RevokeSessions(context.Background(), brokertest.Tenant, u.ID, s.Now(), entry(s)))
	if got := behalf(); got.code() != 50173 {
		t.Errorf("after the person's sessions were ended: %+v", got)
	}
}

// A client that has a secret shows it, a page redeems from its page, and a native application has nothing to show. // P02
func TestClientsProveThemselves(t *testing.T) {
	s := brokertest.New(t)
	applications(t, s)
	const spa, page = "55555555-5555-4555-8555-555555555555", "https://page.contoso.example/"
	must(t, s.Store.PutApplication(context.Background(), brokertest.Tenant, directory.Application{AppID: spa, DisplayName: "Page", PublicClient: true, SPARedirectURIs: []string{page}, BuiltIn: true}, entry(s)))
	p := newPerson(t, s)
	codeFor := func(client, redirect string) string {
		p.get(authorizePath + request("client_id", client, "redirect_uri", redirect, "prompt", "login", "login_hint", brokertest.Alice, "scope", "openid offline_access api://"+apiApp+"/access").Encode())
		p.submit("step", "password", "password", brokertest.Password)
		if p.location == nil {
			p.shows("Permissions requested")
			p.submit("step", "consent")
		}
		return p.code()
	}
	code := codeFor(webApp, web)
	for name, secret := range map[string]string{"no secret": "", "another secret": "wrong"} {
		if got := p.redeem(code, "client_id", webApp, "redirect_uri", web, "client_secret", secret); got.Status != 401 || got.Error != "invalid_client" {
			t.Errorf("a server with %s: %+v", name, got)
		}
	}
	signed := p.redeem(code, "client_id", webApp, "redirect_uri", web, "client_secret", pass)
	if signed.Status != 200 {
		t.Fatalf("%+v", signed)
	}
	if got := p.token("grant_type", "refresh_token", "refresh_token", signed.Refresh, "client_id", webApp); got.Status != 401 {
		t.Errorf("a server's refresh token without its secret: %+v", got)
	}
	if got := p.token("grant_type", "refresh_token", "refresh_token", signed.Refresh, "client_id", webApp, "client_secret", pass); got.Status != 200 {
		t.Errorf("and with it: %+v", got)
	}

	code = codeFor(spa, page)
	if got := p.redeem(code, "client_id", spa, "redirect_uri", page); got.code() != 9002327 {
		t.Errorf("a page's code, not from a page: %+v", got)
	}
	fromPage := p.redeem(code, "client_id", spa, "redirect_uri", page, "Origin", "https://page.contoso.example")
	if fromPage.Status != 200 {
		t.Fatalf("a page's code from the page: %+v", fromPage)
	}
	refresh := func(token string) reply {
		return p.token("grant_type", "refresh_token", "refresh_token", token, "client_id", spa, "Origin", "https://page.contoso.example")
	}
	s.Advance(23 * time.Hour)
	later := refresh(fromPage.Refresh)
	if later.Status != 200 {
		t.Fatalf("a page's refresh token after 23 hours: %+v", later)
	}
	s.Advance(2 * time.Hour)
	if got := refresh(later.Refresh); got.code() != 700082 {
		t.Errorf("a page's refresh token lives on by rotation: %+v", got)
	}
}

// Refresh tokens are shared in a family where the tenant has that on, and among its members alone.
func TestFamilyRefreshTokens(t *testing.T) {
	s := brokertest.New(t)
	p := newPerson(t, s)
	first := func() string {
		return p.token("grant_type", "password", "username", brokertest.Alice, "password", brokertest.Password, "client_id", office, "scope", "openid offline_access "+graph).Refresh
	}
	redeem := func(client string) reply {
		return p.token("grant_type", "refresh_token", "refresh_token", first(), "client_id", client, "scope", graph)
	}
	const teams, powershell = "1fec8e78-bce4-4aaf-ab1b-5451cc387264", "1b730954-1685-4b74-9bfd-dac224a7b894"
	if got := redeem(teams); got.Sub != "client_mismatch" {
		t.Errorf("off by default: %+v", got)
	}
	tenant, err := s.Store.Tenant(context.Background(), brokertest.Tenant)
	must(t, err)
	tenant.Settings.FamilyRefreshTokens = true
	must(t, s.Store.UpdateTenant(context.Background(), tenant, entry(s)))
	if got := redeem(teams); got.Status != 200 {
		t.Errorf("within the family: %+v", got)
	}
	if got := redeem(powershell); got.Sub != "client_mismatch" {
		t.Errorf("outside the family: %+v", got)
	}
}

// fabrikam makes another organisation with Carol, whom Contoso has invited, and Dave, whom it has not.
func fabrikam(t *testing.T, s *brokertest.Server) directory.User {
	t.Helper()
	ctx := context.Background()
	const tenant = directory.TenantID("7d2b8a51-6f0d-4b52-9d0c-5d9c2b7e1a77")
	e := entry(s)
	e.Tenant = tenant
	alice, err := s.Store.UserByName(ctx, brokertest.Tenant, brokertest.Alice)
	must(t, err)
	must(t, s.Store.FoundTenant(ctx, directory.Founding{Tenant: directory.Tenant{ID: tenant, DisplayName: "Fabrikam", CreatedAt: s.Now(), Domains: []directory.Domain{{Name: "fabrikam.example", Verified: true, Initial: true}}}}, e))
	var carol directory.User
	for _, name := range []string{"dave", "carol"} {
		carol = alice
		carol.ID, carol.Tenant, carol.UPN, carol.DisplayName = directory.ObjectID(uuid.NewString()), tenant, name+"@fabrikam.example", name
		e.ID = uuid.NewString()
		must(t, s.Store.CreateUser(ctx, carol, e))
	}
	must(t, s.Store.CreateUser(ctx, directory.User{
		ID: directory.ObjectID(uuid.NewString()), Tenant: brokertest.Tenant, UPN: "carol_fabrikam.example#ext#@contoso.example", DisplayName: "Carol", Enabled: true,
		Type: directory.Guest, HomeTenant: tenant, HomeUser: carol.ID, CreatedAt: s.Now(), SessionsValidFrom: s.Now().Add(-time.Hour), PasswordChangedAt: s.Now().Add(-time.Hour),
	}, entry(s)))
	return carol
}

// A guest signs in at home, the inviting organisation's policies judge, and who is refused hears whose requirement it is and
// who must act. // S23 P13
func TestGuests(t *testing.T) {
	s := brokertest.New(t)
	carol := fabrikam(t, s)
	p := newPerson(t, s)
	p.get(authorizePath + request().Encode())
	p.signIn("carol@fabrikam.example")
	got := p.redeem(p.code())
	if c := claimsOf(t, got.Access); got.Status != 200 || c["tid"] != string(brokertest.Tenant) || c["oid"] == string(carol.ID) {
		t.Errorf("a guest's token: %+v", c)
	}
	if got := p.token("grant_type", "refresh_token", "refresh_token", got.Refresh, "client_id", office); got.Status != 200 {
		t.Errorf("a guest's refresh token: %+v", got)
	}

	// Whether somebody is a guest is told to who knows the password, and to nobody else.
	stranger := newPerson(t, s)
	for name, secret := range map[string]string{"dave@fabrikam.example": "wrong", "nobody@fabrikam.example": brokertest.Password, "carol@fabrikam.example": "wrong"} {
		stranger.get(authorizePath + request("prompt", "login").Encode())
		stranger.submit("step", "account", "username", name)
		stranger.submit("step", "password", "password", secret)
		stranger.shows("The user name or the password is wrong")
	}
	stranger.get(authorizePath + request("prompt", "login").Encode())
	stranger.signIn("dave@fabrikam.example")
	stranger.shows("Your account is not known at Contoso", "AADSTS50020")

	policyFor(t, s, tokenProtection)
	p.get(authorizePath + request().Encode())
	p.shows("Your device is not registered with Fabrikam", "its administrator must act, not that of Contoso", "Home organisation")
}

// A second factor that a guest has shown at home counts where the inviting organisation says so; otherwise the guest hears
// that nobody but its administrator can help. // S23 B01
func TestGuestsSecondFactor(t *testing.T) {
	s := brokertest.New(t)
	fabrikam(t, s)
	policyFor(t, s, multiFactor)
	p := newPerson(t, s)
	p.get(authorizePath + request().Encode())
	p.signIn("carol@fabrikam.example")
	p.shows("Set up a second way to verify")
	_, rest, _ := strings.Cut(p.page, "<code>")
	key, _, _ := strings.Cut(rest, "</code>")
	p.submit("step", "enrol", "code", totpAt(t, strings.ReplaceAll(key, " ", ""), s.Now()))
	p.shows("Contoso does not accept what Fabrikam says of your sign-in", "AADSTS530004", "must trust Fabrikam")

	tenant, err := s.Store.Tenant(context.Background(), brokertest.Tenant)
	must(t, err)
	tenant.Settings.InboundTrust = []directory.InboundTrust{{Tenant: "7d2b8a51-6f0d-4b52-9d0c-5d9c2b7e1a77", MultiFactor: true}}
	must(t, s.Store.UpdateTenant(context.Background(), tenant, entry(s)))
	p.get(authorizePath + request().Encode())
	p.code()
}

// People see their own sign-ins, and who says that one was not theirs is signed out everywhere. // P06
func TestReportASignIn(t *testing.T) {
	s := brokertest.New(t)
	p := newPerson(t, s)
	p.get("/me")
	p.signIn(brokertest.Alice)
	p.shows("Your account", "Recent sign-ins", "This wasn’t me")
	tokens := p.token("grant_type", "password", "username", brokertest.Alice, "password", brokertest.Password, "client_id", office, "scope", "openid offline_access "+graph)
	p.get("/me")
	_, rest, _ := strings.Cut(p.page, `name="report" value="`)
	id, _, _ := strings.Cut(rest, `"`)
	p.submit("report", id)
	p.shows("Was this sign-in really not you?")
	s.Advance(time.Second)
	p.submit("confirm", id)
	p.shows("Every session of your account has been ended")
	if got := p.token("grant_type", "refresh_token", "refresh_token", tokens.Refresh, "client_id", office); got.code() != 50173 {
		t.Errorf("a session of before: %+v", got)
	}
	p.get("/me")
	p.shows("Pick an account", "Signed out")
}

// People agree once to what an application asks for, again when it asks for more or wants to be told again, and an
// administrator can keep the decision. // S30
func TestConsent(t *testing.T) {
	s := brokertest.New(t)
	applications(t, s)
	must(t, s.Store.RemoveConsent(context.Background(), brokertest.Tenant, "consent "+webApp, entry(s)))
	p := newPerson(t, s)
	asking := func(scope string, changes ...string) {
		p.get(authorizePath + request(append([]string{"client_id", webApp, "redirect_uri", web, "scope", scope}, changes...)...).Encode())
	}
	asking("openid api://" + apiApp + "/access")
	p.signIn(brokertest.Alice)
	p.shows("Permissions requested", "App 1", "Sign you in", "access at Api")
	if row := p.lastRow(); row.ResultType != "65001" {
		t.Errorf("row: %s", row.ResultType)
	}
	p.submit("step", "consent")
	p.code()
	entries, err := s.Store.AuditEntries(context.Background(), brokertest.Tenant, audit.Query{Limit: 1})
	must(t, err)
	if entries[0].Activity != "Consent to application" || entries[0].Actor.UPN != brokertest.Alice || !strings.Contains(string(entries[0].After), "access") {
		t.Errorf("audit row: %+v", entries[0])
	}
	asking("openid api://" + apiApp + "/access")
	p.code()
	asking("openid api://"+apiApp+"/access", "prompt", "consent")
	p.shows("Permissions requested")
	asking("openid api://" + apiApp + "/delete")
	p.shows("Permissions requested", "delete at Api")
	p.submit("step", "cancel")
	if p.location == nil || p.location.Query().Get("error") != "access_denied" {
		t.Errorf("who declines is sent to %v", p.location)
	}
	asking("openid api://"+apiApp+"/delete", "prompt", "none")
	if p.location == nil || p.location.Query().Get("error") != "interaction_required" {
		t.Errorf("silently: %v", p.location)
	}

	tenant, err := s.Store.Tenant(context.Background(), brokertest.Tenant)
	must(t, err)
	tenant.Settings.DenyUserConsent = true
	must(t, s.Store.UpdateTenant(context.Background(), tenant, entry(s)))
	asking("openid api://" + apiApp + "/delete")
	p.submit("step", "consent")
	p.shows("Only an administrator may agree to this")
	if p.location != nil {
		t.Errorf("sent to %s", p.location)
	}
}

// The block screen leads to where a device is registered, on a system that has such a place. // S61
func TestTheBlockScreenLeadsToRegistration(t *testing.T) {
	s := brokertest.New(t)
	policyFor(t, s, tokenProtection)
	p := newPerson(t, s)
	p.get(authorizePath + request().Encode())
	p.signIn(brokertest.Alice)
	for agent, leads := range map[string]bool{"Mozilla/5.0 (Windows NT 10.0; Win64; x64)": true, "Mozilla/5.0 (X11; Linux x86_64)": false} {
		p.get(authorizePath+request().Encode(), "User-Agent", agent)
		p.shows("This device is not registered")
		if strings.Contains(p.page, `href="ms-settings:workplace"`) != leads {
			t.Errorf("%s: a way to register: %v", agent, !leads)
		}
	}
}

// Version 1 of the device code endpoint, whose clients poll with another parameter and name a resource.
func TestDeviceCodeVersion1(t *testing.T) {
	s := brokertest.New(t)
	p := newPerson(t, s)
	var d struct {
		started
		URL      string `json:"verification_url"`
		Interval string `json:"interval"`
		Message  string `json:"message"`
	}
	resp, err := s.Client().PostForm(s.URL+"/common/oauth2/devicecode", map[string][]string{"client_id": {office}, "resource": {brokertest.Exchange}})
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	must(t, json.NewDecoder(resp.Body).Decode(&d))
	if d.URL == "" || d.Interval != "5" || !strings.Contains(d.Message, d.UserCode) {
		t.Errorf("%+v", d)
	}
	p.approve(d.started, brokertest.Alice)
	got := p.token("grant_type", "device_code", "client_id", office, "code", d.DeviceCode)
	if got.Status != 200 || claimsOf(t, got.Access)["aud"] != brokertest.Exchange && claimsOf(t, got.Access)["aud"] != string(directory.ExchangeOnline) {
		t.Errorf("%+v", got)
	}
}

// What a device that nobody has signed in for says of itself is kept in bounds. // P14
func TestDeviceCodesKeepLittle(t *testing.T) {
	s := brokertest.New(t)
	p := newPerson(t, s)
	long := strings.Repeat("x", 20_000)
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.URL+"/common/oauth2/v2.0/devicecode", strings.NewReader("client_id="+office+"&scope=openid&x-client-os="+long))
	must(t, err)
	p.do(r, "User-Agent", long)
	var d started
	must(t, json.Unmarshal([]byte(p.page), &d))
	_, hash, err := prt.ParseToken(d.DeviceCode)
	must(t, err)
	kept, err := s.Store.DeviceCode(context.Background(), hash)
	must(t, err)
	if n := len(kept.From.UserAgent) + len(kept.From.OS); n > 2048 {
		t.Errorf("%d bytes are kept", n)
	}
	if got := p.token("grant_type", "password", "username", brokertest.Alice, "password", brokertest.Password, "client_id", office, "scope", "openid "+long); got.Error != "invalid_scope" {
		t.Errorf("a scope of 20000 bytes: %s", got.Error)
	}
}

// People disable a device of their own, and nobody else's. // P06 P13
func TestALostDevice(t *testing.T) {
	s := brokertest.New(t)
	p := newPerson(t, s)
	p.get(authorizePath + request("client_id", brokerApp, "scope", drsScope).Encode())
	p.signIn(brokertest.Alice)
	if status := registerWith(t, s, p.redeem(p.code(), "client_id", brokerApp).Access); status != 200 {
		t.Fatalf("register: %d", status)
	}
	devices, err := s.Store.Devices(context.Background(), brokertest.Tenant)
	must(t, err)
	enabled := func() bool {
		d, err := s.Store.DeviceByID(context.Background(), brokertest.Tenant, devices[0].ID)
		must(t, err)
		return d.Enabled
	}
	bob := newPerson(t, s)
	bob.get("/me")
	bob.signIn(brokertest.Bob)
	bob.shows("No device is registered in your name")
	bob.submit("lost", devices[0].ID)
	if !enabled() || bob.status != http.StatusOK {
		t.Errorf("Bob has disabled Alice's device: %d", bob.status)
	}
	p.get("/me")
	p.shows("PC", "joined", "I lost it")
	p.submit("lost", devices[0].ID)
	p.shows("The device has been disabled")
	if enabled() {
		t.Error("the device is enabled still")
	}
}

package portal_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"

	"boundgate/internal/audit"
	"boundgate/internal/broker/brokertest"
	"boundgate/internal/directory"
	"boundgate/internal/policy"
	"boundgate/internal/signinlog"
)

const (
	office   = "d3590ed6-52b3-4102-aeff-aad2292ab01c"
	loopback = "http://localhost:4711"
	verifier = "a-code-verifier-of-forty-three-characters-or-more"
)

func challenge() string {
	digest := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// A person sits at a browser.
type person struct {
	t      *testing.T
	server *brokertest.Server
	http   *http.Client
	page   string
	status int
	// location is where the browser was sent beyond this server.
	location *url.URL
	header   http.Header
}

func newPerson(t *testing.T, s *brokertest.Server) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	p := &person{t: t, server: s}
	p.http = &http.Client{Transport: s.Client().Transport, Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), s.URL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// request is an authorization request for Exchange by Office.
func request(changes ...string) url.Values {
	q := url.Values{
		"client_id": {office}, "redirect_uri": {loopback}, "response_type": {"code"}, "scope": {"openid profile offline_access " + brokertest.Exchange + "/.default"},
		"state": {"s"}, "nonce": {"n"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"}, "client_info": {"1"},
	}
	for n := 0; n+1 < len(changes); n += 2 {
		q.Set(changes[n], changes[n+1])
		if changes[n+1] == "" {
			q.Del(changes[n])
		}
	}
	return q
}

const authorizePath = "/" + brokertest.Domain + "/oauth2/v2.0/authorize?"

func (p *person) get(path string, headers ...string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.server.URL+path, nil)
	must(p.t, err)
	p.do(r, headers...)
}

func (p *person) do(r *http.Request, headers ...string) {
	p.t.Helper()
	for n := 0; n+1 < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}
	resp, err := p.http.Do(r)
	must(p.t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	must(p.t, err)
	p.page, p.status, p.header, p.location = string(text), resp.StatusCode, resp.Header, nil
	if to := resp.Header.Get("Location"); to != "" {
		p.location, err = url.Parse(to)
		must(p.t, err)
	}
}

var (
	formAction = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	formState  = regexp.MustCompile(`name="state" value="([^"]*)"`)
)

// submit sends the page's form with what the person has entered.
func (p *person) submit(fields ...string) {
	p.t.Helper()
	action, state := formAction.FindStringSubmatch(p.page), formState.FindStringSubmatch(p.page)
	if action == nil || state == nil {
		p.t.Fatalf("the page has no form:\n%s", p.page)
	}
	form := url.Values{"state": {html.UnescapeString(state[1])}}
	for n := 0; n+1 < len(fields); n += 2 {
		form.Set(fields[n], fields[n+1])
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, p.server.URL+html.UnescapeString(action[1]), strings.NewReader(form.Encode()))
	must(p.t, err)
	p.do(r, "Content-Type", "application/x-www-form-urlencoded")
}

// shows fails unless the page has every text.
func (p *person) shows(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		if !strings.Contains(html.UnescapeString(p.page), text) {
			p.t.Fatalf("the page (%d) does not show %q:\n%s", p.status, text, p.page)
		}
	}
}

// signIn enters name and password.
func (p *person) signIn(name string) {
	p.t.Helper()
	p.shows("Email address or user name")
	p.submit("step", "account", "username", name)
	p.shows("Enter password", name)
	p.submit("step", "password", "password", brokertest.Password)
}

// code is the code that the browser was sent away with.
func (p *person) code() string {
	p.t.Helper()
	if p.location == nil || p.location.Query().Get("code") == "" {
		p.t.Fatalf("no code: %d %v\n%s", p.status, p.location, p.page)
	}
	return p.location.Query().Get("code")
}

// A reply is what the token endpoint says.
type reply struct {
	Status  int
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
	Error   string `json:"error"`
	Sub     string `json:"suberror"`
	Text    string `json:"error_description"`
	Claims  string `json:"claims"`
	Codes   []int  `json:"error_codes"`
}

func (r reply) code() int {
	if len(r.Codes) == 0 {
		return 0
	}
	return r.Codes[0]
}

func (p *person) token(fields ...string) reply {
	p.t.Helper()
	form := url.Values{}
	var headers []string
	for n := 0; n+1 < len(fields); n += 2 {
		if fields[n] == "Origin" {
			headers = append(headers, fields[n], fields[n+1])
			continue
		}
		form.Set(fields[n], fields[n+1])
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, p.server.URL+"/"+brokertest.Domain+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	must(p.t, err)
	for n := 0; n+1 < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}
	resp, err := p.server.Client().Do(r)
	must(p.t, err)
	defer func() { _ = resp.Body.Close() }()
	out := reply{Status: resp.StatusCode}
	must(p.t, json.NewDecoder(resp.Body).Decode(&out))
	return out
}

func (p *person) redeem(code string, changes ...string) reply {
	p.t.Helper()
	return p.token(append([]string{"grant_type", "authorization_code", "client_id", office, "code", code, "redirect_uri", loopback, "code_verifier", verifier}, changes...)...)
}

func (p *person) rows() []*signinlog.Row {
	p.t.Helper()
	records, err := p.server.Store.Intake(context.Background(), 0, 1000)
	must(p.t, err)
	var list []*signinlog.Row
	for _, r := range records {
		row, err := r.Row()
		must(p.t, err)
		list = append(list, row)
	}
	return list
}

func (p *person) lastRow() *signinlog.Row {
	p.t.Helper()
	rows := p.rows()
	return rows[len(rows)-1]
}

func entry(s *brokertest.Server) audit.Entry {
	return audit.Entry{ID: uuid.NewString(), Tenant: brokertest.Tenant, At: s.Now(), Actor: audit.Actor{Service: "test"}}
}

// policyFor puts a policy for Exchange in force.
func policyFor(t *testing.T, s *brokertest.Server, change func(p *policy.Policy)) {
	t.Helper()
	p := policy.Policy{ID: uuid.NewString(), DisplayName: "TP01", State: policy.Enabled}
	p.Conditions.Users.IncludeUsers = []string{"All"}
	p.Conditions.Applications.IncludeApplications = []string{string(directory.ExchangeOnline)}
	p.Conditions.ClientAppTypes = []policy.ClientAppType{policy.Browser, policy.MobileAppsAndDesktopClients}
	change(&p)
	must(t, s.Store.PutPolicy(context.Background(), brokertest.Tenant, policy.Normalise(p), entry(s)))
}

func tokenProtection(p *policy.Policy) {
	p.SessionControls = &policy.SessionControls{SecureSignInSession: &policy.Switch{IsEnabled: true}}
}

func multiFactor(p *policy.Policy) {
	p.GrantControls = &policy.GrantControls{Operator: "OR", BuiltInControls: []string{"mfa"}}
}

// Someone signs in with name and password, and the application redeems the code once.
func TestSignInAndRedeem(t *testing.T) {
	p := newPerson(t, brokertest.New(t))
	p.get(authorizePath + request().Encode())
	p.shows("to continue to Microsoft Office")
	p.signIn(brokertest.Alice)
	q := p.location.Query()
	if q.Get("state") != "s" || q.Get("client_info") == "" || !strings.HasSuffix(q.Get("iss"), "/v2.0") || !strings.HasPrefix(p.location.String(), loopback+"?") {
		t.Errorf("the answer: %s", p.location)
	}
	if !strings.Contains(p.page, `<a href="`+html.EscapeString(p.location.String())+`">`) {
		t.Errorf("the answer's body has no anchor: %s", p.page)
	}
	code := p.code()
	got := p.redeem(code)
	if got.Status != 200 || got.Access == "" || got.Refresh == "" || got.ID == "" {
		t.Fatalf("redeem: %+v", got)
	}
	if next := p.token("grant_type", "refresh_token", "refresh_token", got.Refresh, "client_id", office); next.Status != 200 {
		t.Errorf("refresh without a scope: %+v", next)
	}

	// The same browser is signed in: no question is asked.
	p.get(authorizePath + request("prompt", "none").Encode())
	if again := p.redeem(p.code()); again.Status != 200 {
		t.Errorf("single sign-on: %+v", again)
	}
	rows := p.rows()
	if rows[0].Type != signinlog.InteractiveTable || rows[0].ResultType != "0" || rows[len(rows)-1].IsInteractive {
		t.Errorf("rows: %+v", rows)
	}
}

// A code is good for one client, one address, one verifier, one minute and one time. // P02 P03 P10
func TestStolenCodes(t *testing.T) {
	s := brokertest.New(t)
	for _, tt := range []struct {
		name    string
		changes []string
		want    int
	}{
		{"without the verifier", []string{"code_verifier", ""}, 501481},
		{"with another verifier", []string{"code_verifier", strings.Repeat("x", 43)}, 501481},
		{"at another address", []string{"redirect_uri", "http://localhost:1"}, 501461},
		{"by another client", []string{"client_id", "1fec8e78-bce4-4aaf-ab1b-5451cc387264"}, 70000},
		{"a code that is none", []string{"code", "1.C" + strings.Repeat("A", 43)}, 70000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPerson(t, s)
			p.get(authorizePath + request().Encode())
			p.signIn(brokertest.Alice)
			code := p.code()
			if got := p.redeem(code, tt.changes...); got.Status != 400 || got.code() != tt.want || got.Access != "" {
				t.Errorf("%+v, want AADSTS%d", got, tt.want)
			}
			if got := p.redeem(code); got.Status != 200 {
				t.Errorf("its owner afterwards: %+v", got)
			}
		})
	}
	p := newPerson(t, s)
	p.get(authorizePath + request().Encode())
	p.signIn(brokertest.Alice)
	code := p.code()
	first := p.redeem(code)
	if got := p.redeem(code); got.code() != 54005 {
		t.Errorf("a second time: %+v", got)
	}
	// A code in two hands ends what came of it (RFC 6749 section 4.1.2).
	if got := p.token("grant_type", "refresh_token", "refresh_token", first.Refresh, "client_id", office); got.code() != 50173 {
		t.Errorf("the refresh token of a code that was used twice: %+v", got)
	}
	p.get(authorizePath + request().Encode())
	late := p.code()
	s.Advance(61_000_000_000)
	if got := p.redeem(late); got.code() != 70008 {
		t.Errorf("after a minute: %+v", got)
	}
}

// Nothing is sent to an address that is not the application's. // P13
func TestNoOpenRedirect(t *testing.T) {
	p := newPerson(t, brokertest.New(t))
	for _, uri := range []string{
		"https://evil.example", "http://localhost.evil.example", "http://localhost@evil.example", "http://localhost:4711/other", "javascript:alert(1)", "",
		"http://localhost:4711#x", "//evil.example", "http://127.0.0.1.evil.example/",
	} {
		for _, prompt := range []string{"none", "login", ""} {
			p.get(authorizePath + request("redirect_uri", uri, "prompt", prompt).Encode())
			if p.location != nil || p.status != 400 {
				t.Errorf("%q with prompt %q: %d, to %v", uri, prompt, p.status, p.location)
			}
			if strings.Contains(p.page, "evil.example") {
				t.Errorf("%q is on the page", uri)
			}
		}
	}
	p.get(authorizePath + request("client_id", uuid.NewString(), "prompt", "none").Encode())
	if p.location != nil {
		t.Errorf("an unknown client is answered at %s", p.location)
	}
}

// Before the person's tenant is known, an application of a tenant is not known either: nothing is sent anywhere, signed in or
// not, silently or not. Once it is known, its own address is answered. // P13
func TestNoOpenRedirectAtCommon(t *testing.T) {
	s := brokertest.New(t)
	applications(t, s)
	p := newPerson(t, s)
	p.get(authorizePath + request().Encode())
	p.signIn(brokertest.Alice)
	const common = "/common/oauth2/v2.0/authorize?"
	for name, q := range map[string]url.Values{
		"an unknown application":              request("client_id", uuid.NewString(), "redirect_uri", "https://evil.example/", "prompt", "none"),
		"another address of an application":   request("client_id", webApp, "redirect_uri", "https://evil.example/", "prompt", "none"),
		"an unknown application, with a page": request("client_id", uuid.NewString(), "redirect_uri", "https://evil.example/"),
		"a mistake beside an unknown address": request("client_id", webApp, "redirect_uri", "https://evil.example/", "response_type", "token"),
	} {
		p.get(common + q.Encode())
		if p.location != nil {
			t.Errorf("%s: sent to %s", name, p.location)
		}
	}
	p.get(common + request("client_id", uuid.NewString(), "redirect_uri", "https://evil.example/", "prompt", "login").Encode())
	p.submit("step", "cancel")
	if p.location != nil {
		t.Errorf("who cancels is sent to %s", p.location)
	}
	p.get(common + request("client_id", webApp, "redirect_uri", web, "scope", "openid "+graph, "prompt", "none").Encode())
	if p.location == nil || !strings.HasPrefix(p.location.String(), web) {
		t.Errorf("the application's own address: %d, to %v", p.status, p.location)
	}
}

// A mistake of the client is told to the client, and a silent request is never answered with a page.
func TestErrorsForTheClient(t *testing.T) {
	p := newPerson(t, brokertest.New(t))
	for _, tt := range []struct {
		name    string
		changes []string
		want    string
	}{
		{"silently, and nobody is signed in", []string{"prompt", "none"}, "login_required"},
		{"another response type", []string{"response_type", "token"}, "unsupported_response_type"},
		{"a request object", []string{"request", "a.b.c"}, "request_not_supported"},
		{"a plain code challenge", []string{"code_challenge_method", "plain"}, "invalid_request"},
		{"two prompts of which one is none", []string{"prompt", "none login"}, "invalid_request"},
		{"an unknown response mode", []string{"response_mode", "pigeon"}, "invalid_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.get(authorizePath + request(tt.changes...).Encode())
			if p.location == nil || p.location.Query().Get("error") != tt.want || p.location.Query().Get("state") != "s" {
				t.Errorf("%d, to %v, want %s\n%s", p.status, p.location, tt.want, p.page)
			}
		})
	}
	p.get(authorizePath + request("response_mode", "fragment", "prompt", "none").Encode())
	if p.location == nil || !strings.Contains(p.location.Fragment, "error=login_required") || p.location.RawQuery != "" {
		t.Errorf("in a fragment: %v", p.location)
	}
	p.get(authorizePath + request("response_mode", "form_post", "prompt", "none").Encode())
	p.shows(`action="`+loopback+`"`, `name="error" value="login_required"`, `name="state" value="s"`)
	if policy := p.header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' "+loopback) {
		t.Errorf("the page's policy does not allow its own form: %s", policy)
	}
}

// PKCE is required of every client that has no proof of a device. // P02
func TestPKCEIsRequired(t *testing.T) {
	p := newPerson(t, brokertest.New(t))
	p.get(authorizePath + request("code_challenge", "", "code_challenge_method", "").Encode())
	p.signIn(brokertest.Alice)
	if p.location == nil || p.location.Query().Get("error") != "invalid_request" {
		p.shows("not one that can be answered", "code_challenge")
	}
}

// The two block screens say what is the matter and what to do. // S61 S62 B01
func TestBlockScreens(t *testing.T) {
	s := brokertest.New(t)
	policyFor(t, s, tokenProtection)
	p := newPerson(t, s)
	p.get(authorizePath + request().Encode())
	p.signIn(brokertest.Alice)
	p.shows("This device is not registered", "Microsoft Office", "Register this device", "AADSTS530084", "Unbound, 1002", "TP01", "not registered")
	if p.location != nil {
		t.Errorf("sent away to %s", p.location)
	}
	row := p.lastRow()
	if row.ResultType != "530084" || !strings.Contains(p.page, row.ID) || !strings.Contains(p.page, row.CorrelationID) {
		t.Errorf("the page and its row differ: %+v", row)
	}
	p.get(authorizePath+request("ui_locales", "ja").Encode(), "Accept-Language", "en")
	p.shows("このデバイスは登録されていません", `lang="ja"`)
}

// A policy that asks for a second factor lets the person set one up, once, and asks for it from then on.
func TestSecondFactor(t *testing.T) {
	s := brokertest.New(t)
	policyFor(t, s, multiFactor)
	p := newPerson(t, s)
	p.get(authorizePath + request().Encode())
	p.signIn(brokertest.Alice)
	p.shows("Set up a second way to verify", "TP01", "<svg")
	if row := p.lastRow(); row.ResultType != "50079" {
		t.Errorf("row: %s", row.ResultType)
	}
	key := strings.ReplaceAll(regexp.MustCompile(`<code>([A-Z2-7 ]+)</code>`).FindStringSubmatch(p.page)[1], " ", "")
	p.submit("step", "enrol", "code", "000000")
	p.shows("The code is wrong")
	p.submit("step", "enrol", "code", totpAt(t, key, s.Now()))
	if got := p.redeem(p.code()); got.Status != 200 {
		t.Fatalf("%+v", got)
	}

	// A thief of the password gets no further, and cannot add a factor of his own.
	thief := newPerson(t, s)
	s.Advance(60_000_000_000)
	thief.get(authorizePath + request().Encode())
	thief.signIn(brokertest.Alice)
	thief.shows("Code from your authenticator app")
	thief.submit("step", "enrol", "code", "123456")
	if thief.location != nil {
		t.Fatalf("the thief has registered a factor: %s", thief.location)
	}
	thief.get(authorizePath + request().Encode())
	thief.shows("Code from your authenticator app")
	code := totpAt(t, key, s.Now())
	// The owner's code works once, also when the thief looks over the shoulder.
	owner := newPerson(t, s)
	owner.get(authorizePath + request().Encode())
	owner.signIn(brokertest.Alice)
	owner.submit("step", "code", "code", code)
	owner.code()
	thief.submit("step", "code", "code", code)
	thief.shows("The code is wrong or has been used")
	if thief.location != nil {
		t.Errorf("a code works twice: %s", thief.location)
	}
}

// A form counts in the browser that got it, and for an hour. // P03
func TestFormsOfAnotherBrowser(t *testing.T) {
	s := brokertest.New(t)
	p, other := newPerson(t, s), newPerson(t, s)
	p.get(authorizePath + request().Encode())
	other.page = p.page
	other.submit("step", "account", "username", brokertest.Alice)
	other.shows("This page has expired")
	s.Advance(3601_000_000_000)
	p.submit("step", "account", "username", brokertest.Alice)
	p.shows("This page has expired")
}

// The cookie changes with each sign-in, so that one that was planted is worth nothing. // P03
func TestSessionFixation(t *testing.T) {
	s := brokertest.New(t)
	p := newPerson(t, s)
	p.get(authorizePath + request().Encode())
	p.signIn(brokertest.Alice)
	cookie := func() string {
		u, err := url.Parse(s.URL)
		must(t, err)
		for _, c := range p.http.Jar.Cookies(u) {
			if strings.HasSuffix(c.Name, "session") {
				return c.Value
			}
		}
		return ""
	}
	before := cookie()
	p.get(authorizePath + request("prompt", "login").Encode())
	p.signIn(brokertest.Bob)
	after := cookie()
	if before == "" || after == before {
		t.Fatal("the cookie stays")
	}
	thief := newPerson(t, s)
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL+authorizePath+request("prompt", "none").Encode(), nil)
	must(t, err)
	thief.do(r, "Cookie", "__Host-boundgate-session="+before)
	if thief.location == nil || thief.location.Query().Get("error") != "login_required" {
		t.Errorf("the old cookie still signs in: %v", thief.location)
	}
	// Both accounts are in the browser now, and the person chooses.
	p.get(authorizePath + request().Encode())
	p.shows("Pick an account", brokertest.Alice, brokertest.Bob)
}

// Guesses from many addresses do not keep the owner out of the browser that the owner uses. // P14
func TestGuessersDoNotLockTheOwnerOut(t *testing.T) {
	s := brokertest.New(t)
	owner, stranger := newPerson(t, s), newPerson(t, s)
	owner.get(authorizePath + request().Encode())
	owner.signIn(brokertest.Alice)
	for n := range 15 { // from the owner's own network, too
		p := newPerson(t, s)
		p.get(authorizePath + request().Encode())
		p.submit("step", "account", "username", brokertest.Alice)
		p.submit("step", "password", "password", "guess "+string(rune('a'+n)))
	}
	stranger.get(authorizePath + request().Encode())
	stranger.submit("step", "account", "username", brokertest.Alice)
	stranger.submit("step", "password", "password", brokertest.Password)
	stranger.shows("Too many wrong attempts")
	owner.get(authorizePath + request("prompt", "login").Encode())
	owner.signIn(brokertest.Alice)
	owner.code()
}

// A silent request that a second factor would help is told so, with the policy in a claims challenge; one that nothing
// helps is not called an interaction. // B01
func TestInteractionIsRequiredWhereItHelps(t *testing.T) {
	s := brokertest.New(t)
	p := newPerson(t, s)
	first := p.token("grant_type", "password", "username", brokertest.Alice, "password", brokertest.Password, "client_id", office, "scope", "openid offline_access "+brokertest.Exchange+"/.default")
	policyFor(t, s, multiFactor)
	got := p.token("grant_type", "refresh_token", "refresh_token", first.Refresh, "client_id", office)
	if got.Error != "interaction_required" || got.code() != 50076 || !strings.Contains(got.Claims, "capolids") || got.Sub != "basic_action" {
		t.Errorf("a second factor: %+v", got)
	}
	policyFor(t, s, tokenProtection)
	got = p.token("grant_type", "refresh_token", "refresh_token", first.Refresh, "client_id", office)
	if got.Error != "invalid_grant" || got.code() != 530084 || got.Claims != "" {
		t.Errorf("token protection: %+v", got)
	}
}

// The change of language leads back to a path of this server, and nowhere else. // P13
func TestLanguageGoesBackHereAlone(t *testing.T) {
	p := newPerson(t, brokertest.New(t))
	p.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, back := range []string{"https://evil.example/", "//evil.example/", "/\\evil.example/", "\\\\evil.example", "javascript:alert(1)", "evil"} {
		p.get("/language?" + url.Values{"to": {"ja"}, "back": {back}}.Encode())
		if p.location == nil || p.location.String() != "/me" {
			t.Errorf("%q leads to %v", back, p.location)
		}
	}
	p.get("/language?" + url.Values{"to": {"ja"}, "back": {"/error?code=50011"}}.Encode())
	if p.location == nil || p.location.String() != "/error?code=50011" {
		t.Errorf("a local path leads to %v", p.location)
	}
	p.get("/error?code=50011")
	p.shows("アプリケーションの応答先が登録されていません")
}

// A verifier for a code that was asked for without a challenge is refused: it would pass for protection that there is none.
func TestVerifierWithoutAChallenge(t *testing.T) {
	p := newPerson(t, brokertest.New(t))
	p.get(authorizePath + request("code_challenge", strings.Repeat("A", 43)).Encode())
	p.signIn(brokertest.Alice)
	if got := p.redeem(p.code(), "code_verifier", ""); got.code() != 501481 {
		t.Errorf("a challenge without a verifier: %+v", got)
	}
}

// After a form the browser is sent on by 303, so that no form is sent again. // P11
func TestRedirectsAfterForms(t *testing.T) {
	p := newPerson(t, brokertest.New(t))
	p.get(authorizePath + request().Encode())
	p.signIn(brokertest.Alice)
	if p.status != http.StatusSeeOther {
		t.Errorf("after a form: %d", p.status)
	}
	p.get(authorizePath + request().Encode())
	if p.status != http.StatusFound || p.header.Get("Referrer-Policy") != "no-referrer" || p.header.Get("Cache-Control") != "no-store" {
		t.Errorf("without one: %d %v", p.status, p.header)
	}
}

// The cookies are this host's alone, and no script reads them. // P11
func TestCookies(t *testing.T) {
	p := newPerson(t, brokertest.New(t))
	check := func() (persistent bool) {
		for _, text := range p.header.Values("Set-Cookie") {
			c, err := http.ParseSetCookie(text)
			must(t, err)
			if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
				t.Errorf("cookie %s", text)
			}
			persistent = persistent || strings.HasSuffix(c.Name, "-session") && c.MaxAge > 0
		}
		return persistent
	}
	p.get(authorizePath + request().Encode())
	check()
	p.signIn(brokertest.Alice)
	if check() {
		t.Error("the browser keeps the session without being asked to")
	}
	p.get(authorizePath + request("prompt", "login", "login_hint", brokertest.Alice).Encode())
	p.submit("step", "password", "password", brokertest.Password, "stay", "1")
	if !check() {
		t.Error("the browser does not stay signed in")
	}
}

// Signing out ends the session on the server, and leads back to the application's own address alone.
func TestSignOut(t *testing.T) {
	s := brokertest.New(t)
	applications(t, s)
	p := newPerson(t, s)
	const evil = "https://evil.example/"
	for _, tt := range []struct{ name, client, hint, back, to string }{
		{"to the application's own address", webApp, "", web, web + "?state=x"},
		{"to a stranger's", webApp, "", evil, ""},
		{"to nowhere", "", "", "", ""},
		{"by an ID token", "", "token", web, web + "?state=x"},
		{"by an ID token, to a stranger's", "", "token", evil, ""},
		{"by nonsense", "", "a.b.c", web, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.get(authorizePath + request("client_id", webApp, "redirect_uri", web, "scope", "openid api://"+apiApp+"/access", "prompt", "login").Encode())
			p.signIn(brokertest.Alice)
			if tt.hint == "token" {
				tt.hint = p.redeem(p.code(), "client_id", webApp, "redirect_uri", web, "client_secret", pass).ID
			}
			q := url.Values{"client_id": {tt.client}, "id_token_hint": {tt.hint}, "post_logout_redirect_uri": {tt.back}, "state": {"x"}}
			p.get("/" + brokertest.Domain + "/oauth2/v2.0/logout?" + q.Encode())
			p.shows("Which account do you want to sign out of?")
			p.submit("signout", "1", "user", "")
			switch {
			case tt.to == "":
				p.shows("You have signed out")
				if p.location != nil || strings.Contains(p.page, "evil.example") {
					t.Errorf("it leads to %v", p.location)
				}
			case p.location == nil || p.location.String() != tt.to:
				t.Errorf("it leads to %v\n%s", p.location, p.page)
			}
			p.get(authorizePath + request("prompt", "none").Encode())
			if p.location.Query().Get("error") != "login_required" {
				t.Errorf("still signed in: %v", p.location)
			}
		})
	}
}

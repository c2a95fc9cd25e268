package signin_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"boundgate/internal/broker/brokertest"
	"boundgate/internal/policy"
	"boundgate/internal/prt"
)

const (
	authorizeV1 = "/common/oauth2/authorize?"
	plugin      = "ms-appx-web://Microsoft.AAD.BrokerPlugin/" + office
	verifier    = "a-code-verifier-of-forty-three-characters-or-more"
)

// A visit is the answer to an authorization request that a browser made, without following where it leads.
type visit struct {
	status   int
	location *url.URL
	page     string
	cookies  []*http.Cookie
}

func (a visit) code() string {
	if a.location == nil {
		return ""
	}
	return a.location.Query().Get("code")
}

func (v victim) authorize(t *testing.T, address string, headers ...string) visit {
	t.Helper()
	client := *v.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.server.URL+address, nil)
	must(t, err)
	for n := 0; n+1 < len(headers); n += 2 {
		req.Header.Set(headers[n], headers[n+1])
	}
	resp, err := client.Do(req)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	a := visit{status: resp.StatusCode, page: string(text), cookies: resp.Cookies()}
	if to := resp.Header.Get("Location"); to != "" {
		a.location, err = url.Parse(to)
		must(t, err)
	}
	return a
}

// asking is an authorization request for Exchange, as a broker's client makes it: without PKCE.
func asking(changes ...string) string {
	q := url.Values{"client_id": {office}, "redirect_uri": {plugin}, "response_type": {"code"}, "resource": {brokertest.Exchange}, "state": {"s"}}
	for n := 0; n+1 < len(changes); n += 2 {
		q.Set(changes[n], changes[n+1])
	}
	return authorizeV1 + q.Encode()
}

// cookie is what the broker adds to a browser's request.
func (v victim) cookie(t *testing.T, changes map[string]string) string {
	t.Helper()
	c := map[string]string{"refresh_token": v.prt, "is_primary": "true", "request_nonce": v.nonce(t)}
	for name, value := range changes {
		c[name] = value
	}
	jws, err := prt.SignSession(v.key, prt.KDF2, c)
	must(t, err)
	return jws
}

const credential = "x-ms-RefreshTokenCredential"

func (v victim) redeem(t *testing.T, code string, changes map[string]string) answer {
	t.Helper()
	f := map[string]string{"grant_type": "authorization_code", "client_id": office, "code": code, "redirect_uri": plugin}
	for name, value := range changes {
		f[name] = value
	}
	return v.post(t, tokenV1, f)
}

// A browser on the registered device signs on by itself, under a policy that accepts bound sessions alone, and what comes of
// the code is bound. // S01 S30 P02
func TestSingleSignOnInTheBrowser(t *testing.T) {
	v := newVictim(t)
	v.enforce(t, policy.Enabled)
	for _, tt := range []struct{ name, header, value string }{
		{"as a header", credential, v.cookie(t, nil)},
		{"as a header with a number", credential + "1", v.cookie(t, nil)},
		{"as a cookie", "Cookie", credential + "=" + v.cookie(t, nil)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := v.authorize(t, asking(), tt.header, tt.value)
			if got.code() == "" || !strings.HasPrefix(got.location.String(), plugin) || strings.Contains(got.location.String(), "sso_nonce") {
				t.Fatalf("%d, to %v\n%s", got.status, got.location, got.page)
			}
			if len(got.cookies) > 0 {
				t.Errorf("it leaves cookies: %v", got.cookies)
			}
			if result, status := v.last(t); result != "0" || status.Status != "bound" {
				t.Errorf("the row of the request: %s, %+v", result, status)
			}
			tokens := v.redeem(t, got.code(), nil)
			if !tokens.ok() || tokens.Access == "" || tokens.Token == "" {
				t.Fatalf("redeem: %s", tokens.text)
			}
			if result, status := v.last(t); result != "0" || status.Status != "bound" {
				t.Errorf("the row of the redemption: %s, %+v", result, status)
			}
			if a := v.post(t, tokenV1, plainly(tokens.Token, office)); a.ok() {
				t.Error("its refresh token is redeemed plainly")
			}
			if a := v.send(t, tokenV1, v.signed(t, map[string]string{"refresh_token": tokens.Token})); a.status != 200 {
				t.Errorf("its refresh token in a signed request: %s", a.text)
			}
		})
	}
	got := v.authorize(t, asking(), credential, v.cookie(t, nil))
	sealed := v.redeem(t, got.code(), map[string]string{"windows_api_version": "2.0", "client_info": "1"})
	if opened, err := prt.DecryptResponse(v.key, sealed.text); err != nil || !strings.Contains(string(opened), "access_token") {
		t.Errorf("an answer under the session key: %s, %v", sealed.text, err)
	}
}

// Single sign-on with a copy of everything but the key. // S03 P01 P03
func TestStolenBrowserCredentials(t *testing.T) {
	v := newVictim(t)
	v.enforce(t, policy.Enabled)
	used := v.cookie(t, nil)
	if got := v.authorize(t, asking(), credential, used); got.code() == "" {
		t.Fatalf("the owner: %d %s", got.status, got.page)
	}
	stale := v.cookie(t, nil)
	guess, err := prt.NewSessionKey()
	must(t, err)
	forged, err := prt.SignSession(guess, prt.KDF2, map[string]string{"refresh_token": v.prt, "request_nonce": v.nonce(t)})
	must(t, err)
	v.server.Advance(6 * time.Minute)
	for name, jws := range map[string]string{
		"a credential that was used": used, "one with a nonce that is too old": stale, "one without a nonce": v.cookie(t, map[string]string{"request_nonce": ""}),
		"one signed with another key": forged,
	} {
		got := v.authorize(t, asking(), credential, jws)
		if got.code() != "" || got.location == nil || got.location.Query().Get("sso_nonce") == "" {
			t.Errorf("%s: %d, to %v", name, got.status, got.location)
		}
		if result, status := v.last(t); result == "0" || status.Code != 1005 {
			t.Errorf("%s: row %s, %+v", name, result, status)
		}
		// Once the browser has been challenged, the person is asked.
		if got := v.authorize(t, asking("sso_nonce", "x"), credential, jws); got.location != nil || !strings.Contains(got.page, "Email address or user name") {
			t.Errorf("%s, a second time: %d, to %v", name, got.status, got.location)
		}
	}
	// What is signed for the token endpoint is no credential for a browser, and the reverse.
	if got := v.authorize(t, asking("sso_nonce", "x"), credential, v.signed(t, nil)); got.code() != "" {
		t.Error("a token request signs a browser in")
	}
	if a := v.send(t, tokenV1, v.cookie(t, map[string]string{"client_id": office, "resource": brokertest.Exchange, "scope": "openid"})); a.status == 200 {
		t.Error("a browser's credential gets tokens")
	}
	// The honest broker signs with the nonce that the browser was given.
	challenged := v.authorize(t, asking(), credential, stale)
	fresh := v.cookie(t, map[string]string{"request_nonce": challenged.location.Query().Get("sso_nonce")})
	if got := v.authorize(t, challenged.location.RequestURI(), credential, fresh); got.code() == "" {
		t.Errorf("with the nonce of the challenge: %d\n%s", got.status, got.page)
	}
}

// Between a code and its redemption nothing that ends a session, and no policy, is forgotten. // P06
func TestCodesEndWithTheirSession(t *testing.T) {
	for name, change := range map[string]func(v victim) error{
		"the device is disabled": func(v victim) error {
			d, err := v.server.Store.DeviceByID(context.Background(), brokertest.Tenant, v.device)
			must(t, err)
			d.Enabled = false
			return v.server.Store.UpdateDevice(context.Background(), d, v.audit())
		},
		"the device is deleted": func(v victim) error {
			return v.server.Store.DeleteDevice(context.Background(), brokertest.Tenant, v.device, v.audit())
		},
		"the user's sessions are ended": func(v victim) error {
			u, err := v.server.Store.UserByName(context.Background(), brokertest.Tenant, brokertest.Alice)
			must(t, err)
			v.server.Advance(time.Second)
			return v.server.Store.RevokeSessions(context.Background(), brokertest.Tenant, u.ID, v.server.Now(), v.audit())
		},
		"the user is disabled": func(v victim) error {
			u, err := v.server.Store.UserByName(context.Background(), brokertest.Tenant, brokertest.Alice)
			must(t, err)
			u.Enabled = false
			return v.server.Store.UpdateUser(context.Background(), u, v.audit())
		},
		"a policy blocks": func(v victim) error {
			p := policy.Policy{ID: "11111111-1111-4111-8111-111111111112", DisplayName: "Block", State: policy.Enabled}
			p.Conditions.Users.IncludeUsers = []string{"All"}
			p.Conditions.Applications.IncludeApplications = []string{"All"}
			p.Conditions.ClientAppTypes = []policy.ClientAppType{"all"}
			p.GrantControls = &policy.GrantControls{Operator: "OR", BuiltInControls: []string{"block"}}
			return v.server.Store.PutPolicy(context.Background(), brokertest.Tenant, policy.Normalise(p), v.audit())
		},
		"nothing": func(victim) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			got := v.authorize(t, asking(), credential, v.cookie(t, nil))
			if got.code() == "" {
				t.Fatalf("%d %s", got.status, got.page)
			}
			must(t, change(v))
			if a := v.redeem(t, got.code(), nil); a.ok() != (name == "nothing") {
				t.Errorf("redeem: %s", a.text)
			}
		})
	}
}

// pkeyauth answers the challenge that the authorization endpoint has sent a client to.
func (v victim) pkeyauth(t *testing.T, challenge *url.URL, changes map[string]any) string {
	t.Helper()
	q, err := url.ParseQuery(challenge.RawQuery)
	must(t, err)
	claims := map[string]any{"aud": q.Get("SubmitUrl"), "nonce": q.Get("nonce"), "iat": v.server.Now().Unix()}
	for name, value := range changes {
		claims[name] = value
	}
	header := map[string]any{"alg": "RS256", "typ": "JWT", "x5c": []string{base64.StdEncoding.EncodeToString(v.certificate)}}
	return `PKeyAuth AuthToken="` + v.jws(t, header, claims) + `", Context="` + q.Get("Context") + `", Version="1.0"`
}

func (v victim) jws(t *testing.T, header, claims map[string]any) string {
	t.Helper()
	h, err := json.Marshal(header)
	must(t, err)
	c, err := json.Marshal(claims)
	must(t, err)
	input := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c)
	digest := sha256.Sum256([]byte(input))
	signature, err := v.deviceKey.Sign(rand.Reader, digest[:], crypto.SHA256)
	must(t, err)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// A device proves its key to the authorization endpoint. What it proves is the device, and no session. // S04 P02 P03
func TestDeviceAuthentication(t *testing.T) {
	v := newVictim(t)
	address := strings.Replace(asking(), "/common/", "/"+brokertest.Domain+"/", 1)
	challenge := func() *url.URL {
		got := v.authorize(t, address, "x-ms-PKeyAuth", "1.0")
		if got.location == nil || !strings.HasPrefix(got.location.String(), "urn:http-auth:PKeyAuth?") {
			t.Fatalf("no challenge: %d, to %v", got.status, got.location)
		}
		return got.location
	}
	signsIn := func(authorization string) visit {
		got := v.authorize(t, address, "x-ms-PKeyAuth", "1.0", "Authorization", authorization)
		if !strings.Contains(got.page, "Email address or user name") {
			t.Fatalf("not asked to sign in: %d, to %v", got.status, got.location)
		}
		return v.typePassword(t, got)
	}
	first := challenge()
	honest := v.pkeyauth(t, first, nil)
	// Without PKCE a code is given where the device has proven itself, and nowhere else.
	got := signsIn(honest)
	if got.code() == "" {
		t.Fatalf("with the device's key: %d, to %v\n%s", got.status, got.location, got.page)
	}
	for name, authorization := range map[string]string{
		"an answer that was used":              honest,
		"an answer for another address":        v.pkeyauth(t, challenge(), map[string]any{"aud": "https://elsewhere.example/"}),
		"an answer with a nonce of the sender": v.pkeyauth(t, challenge(), map[string]any{"nonce": "n"}),
		"no key":                               `PKeyAuth Context="c", Version="1.0"`,
	} {
		if got := signsIn(authorization); got.code() != "" {
			t.Errorf("%s: a code without PKCE", name)
		}
	}
	// The device is proven; the session is not bound to it.
	v.enforce(t, policy.Enabled)
	if got := signsIn(v.pkeyauth(t, challenge(), nil)); got.code() != "" || !strings.Contains(got.page, "AADSTS530084") || !strings.Contains(got.page, "Unbound, 1008") {
		t.Errorf("under token protection: %d, to %v\n%s", got.status, got.location, got.page)
	}
}

// typePassword goes through the account and password pages as Alice.
func (v victim) typePassword(t *testing.T, page visit, more ...string) visit {
	t.Helper()
	client := *v.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cookies := page.cookies
	for _, fields := range []url.Values{
		{"step": {"account"}, "username": {brokertest.Alice}}, {"step": {"password"}, "password": {brokertest.Password}},
	} {
		_, rest, _ := strings.Cut(page.page, `<form method="post" action="`)
		action, rest, _ := strings.Cut(rest, `"`)
		_, rest, _ = strings.Cut(rest, `name="state" value="`)
		state, _, _ := strings.Cut(rest, `"`)
		fields.Set("state", state)
		for n := 0; n+1 < len(more); n += 2 {
			fields.Set(more[n], more[n+1])
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.server.URL+action, strings.NewReader(fields.Encode()))
		must(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range cookies {
			req.AddCookie(c)
		}
		resp, err := client.Do(req)
		must(t, err)
		text, err := io.ReadAll(resp.Body)
		must(t, err)
		must(t, resp.Body.Close())
		page = visit{status: resp.StatusCode, page: string(text), cookies: resp.Cookies()}
		if to := resp.Header.Get("Location"); to != "" {
			page.location, err = url.Parse(to)
			must(t, err)
		}
	}
	return page
}

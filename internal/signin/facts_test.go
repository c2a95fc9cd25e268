package signin_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boundgate/internal/broker"
	"boundgate/internal/broker/brokertest"
	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

const officeLocation = "22222222-2222-4222-8222-222222222222"

// put puts a policy for everybody and everything in force, as changed.
func (v victim) put(t *testing.T, change func(*policy.Policy)) {
	t.Helper()
	p := policy.Policy{ID: "33333333-3333-4333-8333-333333333333", DisplayName: "CA01", State: policy.Enabled}
	p.Conditions.Users.IncludeUsers = []string{"All"}
	p.Conditions.Applications.IncludeApplications = []string{"All"}
	p.Conditions.ClientAppTypes = []policy.ClientAppType{policy.AllClientApps}
	change(&p)
	p = policy.Normalise(p)
	must(t, policy.Validate(p))
	must(t, v.server.Store.PutPolicy(context.Background(), brokertest.Tenant, p, v.audit()))
}

func block(p *policy.Policy) {
	p.GrantControls = &policy.GrantControls{Operator: "OR", BuiltInControls: []string{"block"}}
}

func (v victim) locate(t *testing.T, ranges ...string) {
	t.Helper()
	l := policy.NamedLocation{ID: officeLocation, DisplayName: "Office", Kind: policy.IPLocation}
	for _, r := range ranges {
		l.Ranges = append(l.Ranges, netip.MustParsePrefix(r))
	}
	must(t, v.server.Store.PutLocation(context.Background(), brokertest.Tenant, l, v.audit()))
}

// A policy blocks whoever is not in the office. The office's addresses count from the next request on, for a code too that
// was given out before. // P06
func TestALocationIsWhereTheRequestComesFrom(t *testing.T) {
	v := newVictim(t)
	v.locate(t, "203.0.113.0/24")
	v.put(t, func(p *policy.Policy) {
		block(p)
		p.Conditions.Locations = &policy.Locations{IncludeLocations: []string{"All"}, ExcludeLocations: []string{officeLocation}}
	})
	if got := v.send(t, tokenV1, v.signed(t, nil)); got.ok() || got.code() != 53003 {
		t.Errorf("from elsewhere: %d %s", got.status, got.text)
	}
	if got := v.authorize(t, asking(), credential, v.cookie(t, nil)); got.code() != "" || !strings.Contains(got.page, "AADSTS53003") {
		t.Errorf("at the authorization endpoint: %d\n%s", got.status, got.page)
	}
	v.locate(t, "203.0.113.0/24", "192.0.2.0/24")
	if got := v.send(t, tokenV1, v.signed(t, nil)); !got.ok() {
		t.Errorf("from the office: %d %s", got.status, got.text)
	}
	code := v.authorize(t, asking(), credential, v.cookie(t, nil)).code()
	v.locate(t, "203.0.113.0/24")
	if got := v.redeem(t, code, nil); got.ok() || got.code() != 53003 {
		t.Errorf("a code that is redeemed from elsewhere: %d %s", got.status, got.text)
	}
}

// Without a database of countries nobody is known to be in one: such a policy refuses rather than guess. // P07
func TestAnUnknownCountryIsInNobodysFavour(t *testing.T) {
	v := newVictim(t)
	home := policy.NamedLocation{ID: officeLocation, DisplayName: "Home", Kind: policy.CountryLocation, Countries: []string{"JP"}, LookUp: policy.ByAddress}
	must(t, v.server.Store.PutLocation(context.Background(), brokertest.Tenant, home, v.audit()))
	v.put(t, func(p *policy.Policy) {
		block(p)
		p.Conditions.Locations = &policy.Locations{IncludeLocations: []string{"All"}, ExcludeLocations: []string{officeLocation}}
	})
	if got := v.send(t, tokenV1, v.signed(t, nil)); got.ok() || got.code() != 53003 {
		t.Errorf("a country that cannot be told: %d %s", got.status, got.text)
	}
}

// A client that asks for itself is judged by the policies for workload identities, and by no other.
func TestWorkloadIdentitiesAreJudged(t *testing.T) {
	v := newVictim(t)
	const worker, workerPrincipal = "44444444-4444-4444-8444-444444444444", "55555555-5555-4555-8555-555555555555"
	const secret = "a secret of the worker, of forty-three characters"
	digest := sha256.Sum256([]byte(secret))
	app := directory.Application{AppID: worker, ServicePrincipal: workerPrincipal, DisplayName: "Worker"}
	app.Secrets = []directory.ClientSecret{{KeyID: "1", Hash: digest[:], ExpiresAt: v.server.Now().Add(time.Hour)}}
	must(t, v.server.Store.PutApplication(context.Background(), brokertest.Tenant, app, v.audit()))
	ask := func() answer {
		return v.post(t, "/"+v.tenant+"/oauth2/token", map[string]string{
			"grant_type": "client_credentials", "client_id": worker, "client_secret": secret, "resource": brokertest.Exchange,
		})
	}
	v.put(t, block)
	if got := ask(); !got.ok() {
		t.Fatalf("a policy about people: %d %s", got.status, got.text)
	}
	v.put(t, func(p *policy.Policy) {
		block(p)
		p.Conditions.Users = policy.Users{}
		p.Conditions.ClientApplications = &policy.ClientApplications{IncludeServicePrincipals: []string{workerPrincipal}}
	})
	if got := ask(); got.ok() || got.code() != 53003 {
		t.Errorf("a policy about it: %d %s", got.status, got.text)
	}
	rows, _ := v.rows(t, 0)
	if row := rows[len(rows)-1]; row.ConditionalAccessStatus != "failure" || !strings.Contains(row.ConditionalAccessPolicies, `"CA01"`) {
		t.Errorf("row: %s %s", row.ConditionalAccessStatus, row.ConditionalAccessPolicies)
	}
	if got := v.send(t, tokenV1, v.signed(t, nil)); !got.ok() {
		t.Errorf("a person, under a policy about workloads: %d %s", got.status, got.text)
	}
}

// A session that is older than the policy's frequency is refused, and a new sign-in mends it.
func TestSignInFrequency(t *testing.T) {
	v := newVictim(t)
	v.put(t, func(p *policy.Policy) {
		hour := 1
		p.SessionControls = &policy.SessionControls{SignInFrequency: &policy.SignInFrequency{IsEnabled: true, Type: "hours", Value: &hour,
			FrequencyInterval: "timeBased", AuthenticationType: "primaryAndSecondaryAuthentication"}}
	})
	if got := v.send(t, tokenV1, v.signed(t, nil)); !got.ok() {
		t.Fatalf("at once: %d %s", got.status, got.text)
	}
	v.server.Advance(61 * time.Minute)
	if got := v.send(t, tokenV1, v.signed(t, nil)); got.ok() || got.code() != 70043 || got.Error != "invalid_grant" {
		t.Errorf("after an hour: %d %s", got.status, got.text)
	}
	page := v.authorize(t, asking(pkce()...), credential, v.cookie(t, nil))
	if page.code() != "" || !strings.Contains(page.page, `name="username"`) {
		t.Fatalf("at the authorization endpoint: %d\n%s", page.status, page.page)
	}
	if got := v.typePassword(t, page); got.code() == "" {
		t.Errorf("after the password: %d %v\n%s", got.status, got.location, got.page)
	}
	must(t, v.laptop.SignIn(t.Context(), brokertest.Alice, brokertest.Password))
	if _, err := v.laptop.Token(t.Context(), broker.TokenRequest{Client: office, Resource: brokertest.Exchange}); err != nil {
		t.Errorf("after a new sign-in: %v", err)
	}
}

// An access token stands for the authentication contexts that were asked for and judged, and for no others.
func TestAuthenticationContexts(t *testing.T) {
	v := newVictim(t)
	v.put(t, func(p *policy.Policy) {
		block(p)
		p.Conditions.Applications = policy.Applications{IncludeAuthenticationContextClassReferences: []string{"c1"}}
	})
	ask := func(claims string) answer {
		return v.post(t, "/"+v.tenant+"/oauth2/v2.0/token", map[string]string{
			"grant_type": "password", "client_id": office, "username": brokertest.Alice, "password": brokertest.Password,
			"scope": brokertest.Exchange + "/.default offline_access", "claims": claims,
		})
	}
	contexts := func(a answer) (list []string) {
		t.Helper()
		if !a.ok() {
			t.Fatalf("%d %s", a.status, a.text)
		}
		text, err := base64.RawURLEncoding.DecodeString(strings.Split(a.Access, ".")[1])
		must(t, err)
		var claims struct{ Acrs []string }
		must(t, json.Unmarshal(text, &claims))
		return claims.Acrs
	}
	if got := contexts(ask("")); got != nil {
		t.Errorf("acrs that nobody asked for: %v", got)
	}
	granted := ask(`{"access_token":{"acrs":{"essential":true,"values":["c3","c2"]}}}`)
	if diff := cmp.Diff([]string{"c2", "c3"}, contexts(granted)); diff != "" {
		t.Errorf("acrs:\n%s", diff)
	}
	if got := ask(`{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`); got.ok() || got.code() != 53003 {
		t.Errorf("a context that is blocked: %d %s", got.status, got.text)
	}
	if got := ask(`{"access_token":{"acrs":{"essential":true,"values":["c100"]}}}`); got.status != http.StatusBadRequest || !strings.Contains(got.text, "c1 to c99") {
		t.Errorf("a context that does not exist: %d %s", got.status, got.text)
	}
	again := v.post(t, "/"+v.tenant+"/oauth2/v2.0/token", map[string]string{"grant_type": "refresh_token", "client_id": office, "refresh_token": granted.Token,
		"scope": brokertest.Exchange + "/.default"})
	if got := contexts(again); got != nil {
		t.Errorf("a refreshed token stands for %v", got)
	}
}

// Who may register devices is for policies to say; a token from before the policy does not get round it for long (P08).
func TestRegisteringADeviceIsAUserAction(t *testing.T) {
	v := newVictim(t)
	ask := func() answer {
		return v.post(t, "/"+v.tenant+"/oauth2/token", map[string]string{
			"grant_type": "password", "client_id": string(directory.AuthenticationBroker), "username": brokertest.Alice,
			"password": brokertest.Password, "resource": "urn:ms-drs:enterpriseregistration.windows.net",
		})
	}
	if got := ask(); !got.ok() {
		t.Fatalf("without a policy: %d %s", got.status, got.text)
	}
	v.put(t, func(p *policy.Policy) {
		p.GrantControls = &policy.GrantControls{Operator: "OR", BuiltInControls: []string{"mfa"}}
		p.Conditions.Applications = policy.Applications{IncludeUserActions: []string{string(policy.RegisterDevice)}}
	})
	if got := ask(); got.ok() || got.code() != 50076 {
		t.Errorf("with a policy about the action: %d %s", got.status, got.text)
	}
	if got := v.send(t, tokenV1, v.signed(t, nil)); !got.ok() {
		t.Errorf("another resource: %d %s", got.status, got.text)
	}
}

// A browser keeps its session when it closes where the person asks for it, and where a policy does not say otherwise. A
// session that is kept already loses that at the first application of which a policy says so.
func TestPersistentBrowser(t *testing.T) {
	for _, tt := range []struct {
		mode string
		stay bool
		kept bool
	}{{"", true, true}, {"", false, false}, {"never", true, false}, {"always", false, true}} {
		t.Run(tt.mode, func(t *testing.T) {
			v := newVictim(t)
			v.persist(t, tt.mode)
			var stay []string
			if tt.stay {
				stay = []string{"stay", "1"}
			}
			got := v.typePassword(t, v.authorize(t, asking(pkce()...)), stay...)
			if got.code() == "" || sessionOf(got) == nil || sessionOf(got).MaxAge > 0 != tt.kept {
				t.Fatalf("%v, with the cookie %v; kept %v is wanted", got.location, sessionOf(got), tt.kept)
			}
			v.persist(t, "never")
			again := v.authorize(t, asking(pkce()...), "Cookie", sessionOf(got).String())
			if again.code() == "" {
				t.Fatalf("single sign-on: %d\n%s", again.status, again.page)
			}
			if renewed := sessionOf(again) != nil && sessionOf(again).MaxAge == 0; renewed != tt.kept {
				t.Errorf("under a policy that keeps nothing: cookies %v, renewed %v is wanted", again.cookies, tt.kept)
			}
		})
	}
}

func (v victim) persist(t *testing.T, mode string) {
	t.Helper()
	v.put(t, func(p *policy.Policy) {
		p.SessionControls = &policy.SessionControls{PersistentBrowser: &policy.PersistentBrowser{IsEnabled: true, Mode: policy.PersistentBrowserMode(mode)}}
		if mode == "" {
			block(p)
			p.SessionControls, p.State = nil, policy.Disabled
		}
	})
}

func pkce() []string {
	digest := sha256.Sum256([]byte(verifier))
	return []string{"code_challenge", base64.RawURLEncoding.EncodeToString(digest[:]), "code_challenge_method", "S256"}
}

// sessionOf is the session cookie that an answer sets; nil for none.
func sessionOf(page visit) *http.Cookie {
	i := slices.IndexFunc(page.cookies, func(c *http.Cookie) bool { return strings.HasSuffix(c.Name, "session") })
	if i < 0 {
		return nil
	}
	return page.cookies[i]
}

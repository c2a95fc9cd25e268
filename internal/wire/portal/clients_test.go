package portal_test

import (
	"context"
	"crypto/sha256"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"boundgate/internal/broker/brokertest"
	"boundgate/internal/directory"
)

const (
	webApp = "11111111-1111-4111-8111-111111111111"
	apiApp = "22222222-2222-4222-8222-222222222222"
	web    = "https://web.contoso.example/back"
	pass   = "a-client-secret-of-the-test"
	graph  = "https://graph.microsoft.com/.default"
)

// applications registers a web application and an interface that it calls, and agrees to both for everybody.
func applications(t *testing.T, s *brokertest.Server) {
	t.Helper()
	digest := sha256.Sum256([]byte(pass))
	for id, uris := range map[directory.AppID][]string{webApp: {web}, apiApp: nil} {
		must(t, s.Store.PutApplication(context.Background(), brokertest.Tenant, directory.Application{
			AppID: id, DisplayName: "App " + string(id[:1]), WebRedirectURIs: uris, ServicePrincipal: directory.ObjectID("33333333-3333-4333-8333-33333333333" + string(id[:1])),
			Secrets: []directory.ClientSecret{{KeyID: "k", Hash: digest[:], ExpiresAt: s.Now().Add(time.Hour)}},
		}, entry(s)))
	}
	must(t, s.Store.PutResource(context.Background(), brokertest.Tenant, directory.Resource{
		ObjectID: "44444444-4444-4444-8444-444444444444", AppID: apiApp, DisplayName: "Api", IdentifierURIs: []string{"api://" + apiApp},
	}, entry(s)))
	for client, resource := range map[directory.AppID]directory.AppID{webApp: apiApp, apiApp: directory.MicrosoftGraph} {
		must(t, s.Store.PutConsent(context.Background(), directory.Consent{
			ID: "consent " + string(client), Tenant: brokertest.Tenant, Client: client, Resource: resource, At: s.Now(),
			Scopes: []string{"access", "user_impersonation", "openid", "profile", "offline_access"},
		}, entry(s)))
	}
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// visit lets a person sign in at an address, and goes where the browser is sent: by a redirect, or with a form.
func visit(p *person, address string) error {
	p.t.Helper()
	p.get(strings.TrimPrefix(address, p.server.URL))
	if p.location == nil {
		p.signIn(brokertest.Alice)
	}
	if p.location != nil {
		resp, err := http.Get(p.location.String()) //nolint:noctx // the application's own listener
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	p.shows("Returning to the application")
	form := url.Values{}
	for _, field := range hiddenField.FindAllStringSubmatch(p.page[strings.Index(p.page, "data-submit"):], -1) {
		form.Set(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
	}
	resp, err := http.PostForm(html.UnescapeString(formAction.FindStringSubmatch(p.page)[1]), form) //nolint:noctx // the same
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// MSAL for Go, unmodified, as a public client. // S30
func TestMSALForGo(t *testing.T) {
	s := brokertest.NewAt(t, time.Now()) // the library reads the clock
	app, err := public.New(office, public.WithAuthority(s.URL+"/"+string(brokertest.Tenant)), public.WithHTTPClient(s.Client()), public.WithInstanceDiscovery(false))
	must(t, err)
	ctx, scopes := t.Context(), []string{graph}

	p := newPerson(t, s)
	interactive, err := app.AcquireTokenInteractive(ctx, scopes, public.WithOpenURL(func(address string) error {
		return visit(p, address)
	}))
	if err != nil || interactive.Account.PreferredUsername != brokertest.Alice {
		t.Fatalf("interactive: %+v, %v", interactive.Account, err)
	}
	silent, err := app.AcquireTokenSilent(ctx, scopes, public.WithSilentAccount(interactive.Account))
	if err != nil || silent.AccessToken == "" {
		t.Errorf("silent: %v", err)
	}
	other, err := app.AcquireTokenSilent(ctx, []string{brokertest.Exchange + "/.default"}, public.WithSilentAccount(interactive.Account))
	if err != nil || other.AccessToken == silent.AccessToken {
		t.Errorf("silent for another resource: %v", err)
	}
	//lint:ignore SA1019 deprecated, and in use
	if _, err := app.AcquireTokenByUsernamePassword(ctx, scopes, brokertest.Alice, brokertest.Password); err != nil {
		t.Errorf("user name and password: %v", err)
	}
	device, err := app.AcquireTokenByDeviceCode(ctx, scopes)
	must(t, err)
	q := newPerson(t, s)
	q.get("/common/oauth2/deviceauth?user_code=" + device.Result.UserCode)
	q.submit("step", "devicecode", "user_code", device.Result.UserCode)
	q.signIn(brokertest.Bob)
	q.shows("Are you signing in on another device?", "Microsoft Office")
	q.submit("step", "approve")
	q.shows("You have signed in on the other device")
	got, err := device.AuthenticationResult(ctx)
	if err != nil || got.Account.PreferredUsername != brokertest.Bob {
		t.Errorf("device code: %+v, %v", got.Account, err)
	}
	address, err := app.AuthCodeURL(ctx, office, loopback, scopes)
	must(t, err)
	if !strings.HasPrefix(address, s.URL) {
		t.Errorf("the authorization endpoint is elsewhere: %s", address)
	}
}

// MSAL for Go, unmodified, as a confidential client: of its own, for a person, and on behalf of one.
func TestMSALForGoConfidential(t *testing.T) {
	s := brokertest.NewAt(t, time.Now())
	applications(t, s)
	client := func(id string) confidential.Client {
		secret, err := confidential.NewCredFromSecret(pass)
		must(t, err)
		app, err := confidential.New(s.URL+"/"+string(brokertest.Tenant), id, secret, confidential.WithHTTPClient(s.Client()), confidential.WithInstanceDiscovery(false))
		must(t, err)
		return app
	}
	ctx, app := t.Context(), client(webApp)
	if own, err := app.AcquireTokenByCredential(ctx, []string{graph}); err != nil || own.AccessToken == "" {
		t.Errorf("client credentials: %v", err)
	}
	scopes := []string{"api://" + apiApp + "/access"}
	address, err := app.AuthCodeURL(ctx, webApp, web, scopes)
	must(t, err)
	p := newPerson(t, s)
	u, err := url.Parse(address)
	must(t, err)
	q := u.Query()
	q.Set("code_challenge", challenge())
	q.Set("code_challenge_method", "S256")
	p.get(u.Path + "?" + q.Encode())
	p.signIn(brokertest.Alice)
	signed, err := app.AcquireTokenByAuthCode(ctx, p.code(), web, scopes, confidential.WithChallenge(verifier))
	if err != nil {
		t.Fatalf("authorization code: %v", err)
	}
	behalf, err := client(apiApp).AcquireTokenOnBehalfOf(ctx, signed.AccessToken, []string{graph})
	if err != nil || behalf.AccessToken == "" {
		t.Errorf("on behalf of: %v", err)
	}
}

// golang.org/x/oauth2, unmodified.
func TestXOAuth2(t *testing.T) {
	s := brokertest.NewAt(t, time.Now())
	applications(t, s)
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, s.Client())
	base := s.URL + "/" + string(brokertest.Tenant) + "/oauth2/v2.0/"
	endpoint := oauth2.Endpoint{AuthURL: base + "authorize", TokenURL: base + "token", DeviceAuthURL: base + "devicecode"}
	native := oauth2.Config{ClientID: office, RedirectURL: loopback, Endpoint: endpoint, Scopes: []string{"openid", "offline_access", graph}}
	proof := oauth2.GenerateVerifier()
	p := newPerson(t, s)
	p.get(strings.TrimPrefix(native.AuthCodeURL("state", oauth2.S256ChallengeOption(proof)), s.URL))
	p.signIn(brokertest.Alice)
	got, err := native.Exchange(ctx, p.code(), oauth2.VerifierOption(proof))
	if err != nil || got.AccessToken == "" {
		t.Fatalf("exchange: %v", err)
	}
	expired := *got
	expired.Expiry = time.Now().Add(-time.Hour)
	if next, err := native.TokenSource(ctx, &expired).Token(); err != nil || next.AccessToken == got.AccessToken {
		t.Errorf("refresh: %v", err)
	}
	if _, err := native.PasswordCredentialsToken(ctx, brokertest.Alice, brokertest.Password); err != nil {
		t.Errorf("password: %v", err)
	}
	device, err := native.DeviceAuth(ctx)
	if err != nil || device.UserCode == "" || device.Interval != 5 {
		t.Errorf("device code: %+v, %v", device, err)
	}
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInParams, oauth2.AuthStyleInHeader} {
		own := clientcredentials.Config{ClientID: webApp, ClientSecret: pass, TokenURL: base + "token", Scopes: []string{graph}, AuthStyle: style}
		if _, err := own.Token(ctx); err != nil {
			t.Errorf("client credentials, style %d: %v", style, err)
		}
	}
}

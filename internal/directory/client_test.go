package directory

import (
	"net/url"
	"strings"
	"testing"
)

var registered = Application{
	AppID: "11111111-1111-4111-8111-111111111111", PublicClient: true,
	RedirectURIs:    []string{"http://127.0.0.1/callback", "myapp://auth", "https://app.contoso.example/native"},
	WebRedirectURIs: []string{"https://web.contoso.example/back", "https://web.contoso.example/back?x=1"},
	SPARedirectURIs: []string{"https://page.contoso.example/"},
}

// A redirect URI is compared as it is written; only the port of a loopback address may differ (RFC 9700 section 4.1.3, RFC
// 8252 section 7.3).
func TestRedirect(t *testing.T) {
	builtIn, _ := WellKnownApplication(AuthenticationBroker)
	for _, tt := range []struct {
		app  Application
		uri  string
		want Platform
	}{
		{registered, "https://web.contoso.example/back", Web},
		{registered, "https://web.contoso.example/back?x=1", Web},
		{registered, "https://page.contoso.example/", SPA},
		{registered, "myapp://auth", PublicClient},
		{registered, "http://127.0.0.1:51004/callback", PublicClient},
		{registered, "http://localhost:1234", PublicClient},
		{registered, "http://localhost", PublicClient},
		{registered, "http://[::1]:99/", PublicClient},
		{registered, "urn:ietf:wg:oauth:2.0:oob", PublicClient},
		{registered, "https://login.microsoftonline.com/common/oauth2/nativeclient", PublicClient},
		{registered, "ms-appx-web://microsoft.aad.brokerplugin/11111111-1111-4111-8111-111111111111", PublicClient},
		{builtIn, "ms-appx-web://Microsoft.AAD.BrokerPlugin/DRS", PublicClient},
		{builtIn, "ms-appx-web://Microsoft.AAD.BrokerPlugIn/d3590ed6-52b3-4102-aeff-aad2292ab01c", PublicClient},
		{builtIn, "msauth://Microsoft.AAD.BrokerPlugin", PublicClient},

		{registered, "", ""},
		{registered, "https://web.contoso.example/back/", ""},
		{registered, "https://web.contoso.example/back?x=2", ""},
		{registered, "https://web.contoso.example/back#x", ""},
		{registered, "https://web.contoso.example/../back", ""},
		{registered, "https://web.contoso.example%2fback", ""},
		{registered, "https://web.contoso.example:8443/back", ""},
		{registered, "HTTPS://web.contoso.example/back", ""},
		{registered, "http://web.contoso.example/back", ""},
		{registered, "https://web.contoso.example.evil.example/back", ""},
		{registered, "https://web.contoso.example@evil.example/back", ""},
		{registered, "http://127.0.0.1:51004/other", ""},
		{registered, "http://127.0.0.1:51004/callback?x=1", ""},
		{registered, "http://127.0.0.1:51004/callback#x", ""},
		{registered, "http://localhost.evil.example/", ""},
		{registered, "http://localhost@evil.example/", ""},
		{registered, "http://localhost:1234@evil.example/", ""},
		{registered, "http://localhost\\@evil.example/", ""},
		{registered, "http://127.0.0.2/", ""},
		{registered, "https://localhost/", ""},
		{registered, "ms-appx-web://microsoft.aad.brokerplugin/22222222-2222-4222-8222-222222222222", ""},
		{builtIn, "ms-appx-web://Microsoft.AAD.BrokerPlugin/x/../../evil.example", ""},
		{builtIn, "ms-appx-web://Microsoft.AAD.BrokerPlugin.evil.example/DRS", ""},
		{builtIn, "msauth://Microsoft.AAD.BrokerPlugin.evil.example", ""},
		{Application{RedirectURIs: nil}, "http://localhost", ""},
		{registered, "https://web.contoso.example/back" + strings.Repeat("x", maxRedirect), ""},
	} {
		if got, ok := tt.app.Redirect(tt.uri); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%q belongs to %q, want %q", tt.uri, got, tt.want)
		}
	}
}

// Whatever matches leads to the host of a registered URI, to this very device, or to a broker.
func FuzzRedirect(f *testing.F) {
	for _, seed := range []string{"http://localhost:1", "https://web.contoso.example/back", "ms-appx-web://microsoft.aad.brokerplugin/x", "myapp://auth", "http://127.0.0.1:1/callback"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if _, ok := registered.Redirect(uri); !ok {
			return
		}
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("%q matches and is no URI", uri)
		}
		switch host := strings.ToLower(u.Hostname()); host {
		case "web.contoso.example", "page.contoso.example", "app.contoso.example", "localhost", "127.0.0.1", "::1", "auth", "", "login.microsoftonline.com", "microsoft.aad.brokerplugin":
			if u.User != nil {
				t.Fatalf("%q has user information", uri)
			}
		default:
			t.Fatalf("%q leads to %s", uri, host)
		}
	})
}

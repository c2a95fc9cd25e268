package pages

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostile is a name that an attacker chose.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>`

// gallery has every page in every state that looks different.
func gallery() map[string]Page {
	at := time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC)
	form := Form{Action: "/contoso.example/login", State: "sealed", Application: "Microsoft Office", Cancel: true}
	wrong := form
	wrong.Error = "error.credentials"
	wrongCode := form
	wrongCode.Error = "error.code"
	alice := Person{ID: "1", Name: "Alice Example", UPN: "alice@contoso.example", Organisation: "Contoso", SignedIn: true}
	bob := Person{ID: "2", Name: "Bob", UPN: "a-very-long-user-name-that-does-not-end-soon@a-long-domain-name.contoso.example", Organisation: "Contoso"}
	permissions := []Permission{{"openid", ""}, {"profile", ""}, {"offline_access", ""}, {"user_impersonation", "Office 365 Exchange Online"}, {"Mail.Read", "Microsoft Graph"}}
	passkey := []byte(`{"publicKey":{"challenge":"AAAA"}}`)
	signIn := SignIn{ID: "s", Application: "Microsoft Office", Resource: "Exchange", Address: "192.0.2.7", Device: "LAPTOP-7", At: at, Succeeded: true, Bound: true}
	refused := SignIn{ID: "t", Application: "Azure CLI", Address: "2001:db8::1", At: at, Code: "530084"}
	const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8" aria-hidden="true"><path fill="#fff" d="M0 0h8v8H0z"/><path d="M1 1h3v3H1z"/></svg>`
	all := map[string]Page{
		"account":         Account{Form: form},
		"account-error":   Account{Form: Form{Action: "/login", State: "s", Error: "error.username"}, Username: "alice"},
		"account-hostile": Account{Form: Form{Action: "/login", State: hostile, Application: hostile}, Username: hostile},
		"picker":          Picker{Form: form, Accounts: []Person{alice, bob}},
		"password":        Password{Form: form, Username: alice.UPN},
		"password-error":  Password{Form: wrong, Username: bob.UPN, StaySignedIn: true},
		"factor":          Factor{Form: form, Username: alice.UPN, Code: true, Policy: "Require MFA for Exchange"},
		"factor-both":     Factor{Form: wrongCode, Username: alice.UPN, Code: true, Passkey: passkey},
		"factor-passkey":  Factor{Form: form, Username: alice.UPN, Passkey: passkey},
		"enrol":           Enrol{Form: form, Username: alice.UPN, Policy: "Require MFA", QRCode: svg, Key: "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP", Passkey: passkey},
		"enrol-error":     Enrol{Form: wrongCode, Username: alice.UPN, QRCode: svg, Key: "JBSW Y3DP"},
		"consent":         Consent{Form: form, Username: alice.UPN, Resource: "Exchange", Permissions: permissions},
		"consent-admin":   Consent{Form: form, Username: alice.UPN, Permissions: permissions, AdminOnly: true},
		"devicecode":      DeviceCode{Form: form},
		"devicecode-bad":  DeviceCode{Form: Form{Action: "/login", State: "s", Error: "error.usercode"}, Code: "BCDFGHJKL"},
		"deviceconfirm":   DeviceConfirm{Form: form, Username: alice.UPN, Code: "BCDFGHJKL", Address: "203.0.113.9", Device: "curl/8.5 (linux)", Asked: at, Permissions: permissions},
		"devicedone":      DeviceDone{Application: "Azure CLI"},
		"devicedeclined":  DeviceDone{Declined: true},
		"formpost":        FormPost{Target: "/posted", Fields: []Field{{"code", "c"}, {"state", hostile}}},
		"signout":         SignOut{Form: form, Accounts: []Person{alice, bob}},
		"signedout":       SignOut{Done: true},
		"me":              Me{Form: form, Person: alice, Notice: "notice.disabled", SignIns: []SignIn{signIn, refused}, Devices: []Device{{ID: "d", Name: "LAPTOP-7", System: "Windows 10.0.22631.3593", TrustType: "AzureAD", Registered: at, LastActive: at, Enabled: true}, {ID: "e", Name: "OLD-PC", System: "Windows", TrustType: "Workplace", Registered: at}}, Factors: []OwnFactor{{"f", "Authenticator app", "softwareOath", at}}},
		"me-empty":        Me{Form: form, Person: alice},
		"report":          Report{Form: form, SignIn: signIn},
		"done":            Done{Notice: "notice.reported"},
	}
	facts := Facts{
		Application: "Microsoft Teams", Resource: "Office 365 Exchange Online", Organisation: "Contoso", Home: "Fabrikam", Device: "LAPTOP-7",
		System: "Windows 10.0.9600", Policy: "TP01 Token protection", Minimum: "1.6.00.1331", Version: "1.5", Option: "Tools > Options > Accounts", Profile: "Kiosk",
	}
	details := []Detail{{"code", "AADSTS530084"}, {"session", "Unbound, 1002"}, {"policy", facts.Policy}, {"correlation", "0b9f6f7e-6f0d-4f7e-9a8f-1f6c2d7a4410"}, {"time", "2026-11-23T08:30:00Z"}, {"account", alice.UPN}}
	for _, cause := range Causes {
		all["refusal-"+string(cause)] = Refusal{Form: form, Cause: cause, Facts: facts, Details: details, Retry: "/again", SwitchAccount: "/switch", Register: "ms-settings:workplace"}
	}
	all["refusal-bare"] = Refusal{Cause: NoDevice}
	all["refusal-hostile"] = Refusal{Cause: BlockedByPolicy, Facts: Facts{Policy: hostile, Application: hostile}, Details: []Detail{{"policy", hostile}}}
	return all
}

// Real Chromium finds nothing wrong with any page: in both languages and themes, on narrow and wide screens, with and
// without JavaScript. // S61 S62
func TestPagesInABrowser(t *testing.T) {
	const chromium = "/usr/bin/chromium"
	tests, err := filepath.Abs("../../test/browser")
	if err != nil {
		t.Fatal(err)
	}
	for _, needed := range []string{chromium, filepath.Join(tests, "node_modules", "axe-core")} {
		if _, err := os.Stat(needed); err != nil {
			t.Skipf("%s is not installed: make test installs it", needed)
		}
	}
	set, err := New()
	if err != nil {
		t.Fatal(err)
	}
	all := gallery()
	mux := http.NewServeMux()
	mux.Handle("GET "+AssetRoot, set.Assets())
	mux.HandleFunc("/page/{name}", func(w http.ResponseWriter, r *http.Request) {
		p, ok := all[r.PathValue("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if err := set.Render(w, r, http.StatusOK, Frame{Organisation: "Contoso"}, p); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("POST /posted", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "posted %s", r.FormValue("code")) })
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	server := httptest.NewServer(mux)
	defer server.Close()
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range all {
			if !yield(name) {
				return
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, "node", filepath.Join(tests, "gallery.mjs"), server.URL, strings.Join(names, ",")) //nolint:gosec // the test's own script
	out, err := run.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

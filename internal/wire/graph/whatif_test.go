package graph_test

import (
	"net/http"
	"strings"
	"testing"
)

const (
	evaluate  = "/v1.0/identity/conditionalAccess/evaluate"
	exchange  = "00000002-0000-0ff1-ce00-000000000000"
	policyURL = "/v1.0/identity/conditionalAccess/policies"
)

func (s *server) policy(t *testing.T, name, state, conditions, controls string) {
	t.Helper()
	a := s.call(t, global, "POST", policyURL, `{"displayName":"`+name+`","state":"`+state+`","conditions":{"clientAppTypes":["all"],`+
		`"users":{"includeUsers":["All"],"excludeUsers":["`+id("breakglass")+`"]},`+conditions+`},`+controls+`,"@boundgate.overrideReason":"a test"}`)
	if a.status != http.StatusCreated {
		t.Fatalf("policy %s: %d %s", name, a.status, a.text)
	}
}

// What-If names for each policy whether it applies and which conditions say so; what is not known holds (P07), and is said
// to. The decision beside it is that of a real sign-in. // P18
func TestWhatIf(t *testing.T) {
	s := newServer(t)
	const all, office = `"applications":{"includeApplications":["All"]}`, `"applications":{"includeApplications":["` + exchange + `"]}`
	const mfa, block = `"grantControls":{"operator":"OR","builtInControls":["mfa"]}`, `"grantControls":{"operator":"OR","builtInControls":["block"]}`
	s.policy(t, "mfa", "enabled", all, mfa)
	s.policy(t, "linux", "enabledForReportingButNotEnforced", all+`,"platforms":{"includePlatforms":["linux"]}`, block)
	s.policy(t, "off", "disabled", all, block)
	s.policy(t, "bound", "enabledForReportingButNotEnforced", office+`,"platforms":{"includePlatforms":["windows"]},"devices":{"deviceFilter":{"mode":"exclude","rule":"device.systemLabels -contains \"CloudPC\""}}`,
		`"sessionControls":{"secureSignInSession":{"isEnabled":true}}`)
	s.policy(t, "contexts", "enabled", `"applications":{"includeAuthenticationContextClassReferences":["c7"]}`, block)

	ask := func(t *testing.T, context, conditions, rest string) (answer, map[string]string) {
		t.Helper()
		a := s.call(t, "contoso/Security Reader", "POST", evaluate, `{"signInIdentity":{"@odata.type":"#microsoft.graph.userSignIn","userId":"`+id("mika")+`"},
			"signInContext":{`+context+`},"signInConditions":{`+conditions+`}`+rest+`}`)
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.text)
		}
		reasons := map[string]string{}
		for _, v := range a.at("value").([]any) {
			m := v.(map[string]any)
			verdict := m["analysisReasons"].(string)
			if m["policyApplies"] == true {
				verdict = "applies, " + verdict
			}
			reasons[m["displayName"].(string)] = verdict
		}
		return a, reasons
	}
	const app = `"@odata.type":"#microsoft.graph.applicationContext","includeApplications":["` + exchange + `"]`
	for _, tt := range []struct {
		why, context, conditions, rest string
		want                           map[string]string
		status, cause                  string
	}{
		{"nothing is known", app, ``, ``, map[string]string{"mfa": "applies, notSet", "linux": "applies, notEnoughInformation,devicePlatform",
			"off": "policyNotEnabled", "bound": "applies, notEnoughInformation,devicePlatform", "contexts": "application"}, "failure", "Mfa"},
		{"Windows, an own device", app, `"devicePlatform":"windows","clientAppType":"mobileAppsAndDesktopClients","deviceInfo":{"trustType":"EntraID","profileType":"Standard","isCompliant":true}`,
			`,"@boundgate.session":{"multiFactor":true,"bound":true}`, map[string]string{"mfa": "applies, notSet", "linux": "devicePlatform", "off": "policyNotEnabled",
				"bound": "applies, notSet", "contexts": "application"}, "success", ""},
		{"a Cloud PC", app, `"devicePlatform":"windows","deviceInfo":{"systemLabels":["CloudPC"],"ownership":null}`, ``, map[string]string{"mfa": "applies, notSet",
			"linux": "devicePlatform", "off": "policyNotEnabled", "bound": "devices", "contexts": "application"}, "failure", "Mfa"},
		{"a context alone", `"@odata.type":"#microsoft.graph.authContext","authenticationContextValue":"c7"`, `"devicePlatform":"linux"`, ``, map[string]string{
			"mfa": "authenticationContext", "linux": "authenticationContext", "off": "policyNotEnabled", "bound": "authenticationContext", "contexts": "applies, notSet"}, "failure", "Block"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			a, got := ask(t, tt.context, tt.conditions, tt.rest)
			for name, want := range tt.want {
				if got[name] != want {
					t.Errorf("%s: %q, want %q", name, got[name], want)
				}
			}
			requirement, _ := a.at("@boundgate.decision", "cause", "requirement").(string)
			if a.at("@boundgate.decision", "status") != tt.status || requirement != tt.cause {
				t.Errorf("decision: %v", a.at("@boundgate.decision"))
			}
			if a.at("value", 0, "@boundgate.reason") == "" || a.at("value", 0, "@boundgate.result") == "" {
				t.Errorf("no reason: %s", a.text)
			}
		})
	}
	if _, got := ask(t, app, `"devicePlatform":"windows"`, `,"appliedPoliciesOnly":true`); len(got) != 2 {
		t.Errorf("policies that apply: %v", got)
	}
}

func TestWhatIfErrors(t *testing.T) {
	s := newServer(t)
	const app = `"signInContext":{"includeApplications":["` + exchange + `"]}`
	person := `"signInIdentity":{"userId":"` + id("mika") + `"}`
	for why, tt := range map[string]struct{ body, says string }{
		"no conditions":              {`{` + person + `,` + app + `}`, "/signInConditions is missing"},
		"a condition that is none":   {`{` + person + `,` + app + `,"signInConditions":{"platform":"windows"}}`, "/signInConditions/platform"},
		"a platform that is none":    {`{` + person + `,` + app + `,"signInConditions":{"devicePlatform":"BeOS"}}`, "BeOS"},
		"an address that is none":    {`{` + person + `,` + app + `,"signInConditions":{"ipAddress":"office"}}`, "/signInConditions/ipAddress"},
		"a user of nobody":           {`{"signInIdentity":{"userId":"` + id("nobody") + `"},` + app + `,"signInConditions":{}}`, "no such user"},
		"a user of another tenant":   {`{"signInIdentity":{"userId":"b7d2b8b4-5d8c-4c11-9e5b-0f3a8c1d2e3f"},` + app + `,"signInConditions":{}}`, "no such user"},
		"no identity":                {`{"signInIdentity":{},` + app + `,"signInConditions":{}}`, "no user and no service principal"},
		"a resource that is none":    {`{` + person + `,"signInContext":{"includeApplications":["x"]},"signInConditions":{}}`, "/signInContext/includeApplications/0"},
		"nothing is asked for":       {`{` + person + `,"signInContext":{},"signInConditions":{}}`, "/signInContext"},
		"a property that is none":    {`{` + person + `,` + app + `,"signInConditions":{"deviceInfo":{"colour":"red"}}}`, "/signInConditions/deviceInfo/colour"},
		"a truth value that is none": {`{` + person + `,` + app + `,"signInConditions":{"deviceInfo":{"isCompliant":"perhaps"}}}`, "isCompliant"},
		"an array":                   {`[]`, "object"},
	} {
		a := s.call(t, global, "POST", evaluate, tt.body)
		if a.status != http.StatusBadRequest || !strings.Contains(a.text, tt.says) {
			t.Errorf("%s: %d %s, want %q", why, a.status, a.text, tt.says)
		}
	}
	if a := s.call(t, "contoso/User Administrator", "POST", evaluate, `{`+person+`,`+app+`,"signInConditions":{}}`); a.status != http.StatusForbidden { // S40
		t.Errorf("without the right to read policies: %d %s", a.status, a.text)
	}
}

// A policy is replaced as a whole, under the address of today and of before; what is left out is gone.
func TestPoliciesAreReplaced(t *testing.T) {
	s := newServer(t)
	s.policy(t, "P", "disabled", `"applications":{"includeApplications":["All"]},"platforms":{"includePlatforms":["linux"]}`, `"grantControls":{"operator":"OR","builtInControls":["mfa"]}`)
	const legacy = "/beta/policies/conditionalAccessPolicies"
	a := s.call(t, global, "GET", legacy, "")
	made, _ := a.at("value", 0, "id").(string)
	body := `{"displayName":"P2","state":"disabled","conditions":{"clientAppTypes":["all"],"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]}},"grantControls":{"operator":"OR","builtInControls":["block"]}}`
	for _, address := range []string{policyURL, legacy} {
		if a := s.call(t, global, "PUT", address+"/"+made, body); a.status != http.StatusNoContent {
			t.Errorf("PUT %s: %d %s", address, a.status, a.text)
		}
	}
	if a = s.call(t, global, "GET", policyURL+"/"+made, ""); a.at("displayName") != "P2" || a.at("conditions", "platforms") != nil || a.at("id") != made {
		t.Errorf("after it: %s", a.text)
	}
	if a := s.call(t, global, "PUT", policyURL+"/"+id("nobody"), body); a.status != http.StatusNotFound {
		t.Errorf("an unknown policy: %d %s", a.status, a.text)
	}
	if a := s.call(t, "contoso/Security Reader", "PUT", policyURL+"/"+made, body); a.status != http.StatusForbidden {
		t.Errorf("a reader: %d %s", a.status, a.text)
	}
}

func TestAuthenticationStrengthsAreRead(t *testing.T) {
	s := newServer(t)
	for _, address := range []string{"/v1.0/identity/conditionalAccess/authenticationStrength/policies", "/beta/policies/authenticationStrengthPolicies"} {
		a := s.call(t, "contoso/Security Reader", "GET", address, "")
		if list, _ := a.at("value").([]any); len(list) != 3 || a.at("value", 2, "displayName") != "Phishing-resistant MFA" || a.at("value", 2, "policyType") != "builtIn" {
			t.Errorf("%s: %s", address, a.text)
		}
		if a := s.call(t, global, "GET", address+"/00000000-0000-0000-0000-000000000004", ""); a.at("allowedCombinations", 0) != "fido2" {
			t.Errorf("one: %s", a.text)
		}
		if a := s.call(t, "contoso/User Administrator", "GET", address, ""); a.status != http.StatusForbidden {
			t.Errorf("without the role: %d", a.status)
		}
	}
}

func TestReplaysAreForThoseWhoReadPoliciesAndTheLog(t *testing.T) { // S40
	s := newServer(t)
	const body = `{"policy":{"displayName":"x"},"from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z"}`
	if a := s.call(t, "contoso/User Administrator", "POST", "/beta/boundgate/policies/replay", body); a.status != http.StatusForbidden {
		t.Errorf("without the roles: %d %s", a.status, a.text)
	}
	for why, tt := range map[string]struct{ body, says string }{
		"no time":        {`{"policy":{},"to":"2026-01-02T00:00:00Z"}`, "/from"},
		"an empty range": {`{"policy":{},"from":"2026-01-02T00:00:00Z","to":"2026-01-02T00:00:00Z"}`, "empty"},
		"another member": {`{"policies":[]}`, "/policies"},
		"another state":  {`{"id":"x","state":"on","from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z"}`, "/state"},
	} {
		if a := s.call(t, global, "POST", "/beta/boundgate/policies/replay", tt.body); a.status != http.StatusBadRequest || !strings.Contains(a.text, tt.says) {
			t.Errorf("%s: %d %s", why, a.status, a.text)
		}
	}
}

package graph_test

import (
	"net/http"
	"strings"
	"testing"
)

const locations = "/v1.0/identity/conditionalAccess/namedLocations"

func TestNamedLocationLifecycle(t *testing.T) { // S40
	s := newServer(t)
	const office = `{"@odata.type":"#microsoft.graph.ipNamedLocation","id":null,"createdDateTime":null,"displayName":"本社","isTrusted":true,
		"ipRanges":[{"@odata.type":"#microsoft.graph.iPv4CidrRange","cidrAddress":"203.0.113.7/24"},{"cidrAddress":"2001:db8::1"}]}`
	const countries = `{"@odata.type":"microsoft.graph.countryNamedLocation","displayName":"Away","countriesAndRegions":["de","JP","DE"],"includeUnknownCountriesAndRegions":true,"countryLookupMethod":null}`
	if a := s.call(t, "contoso/Security Reader", "POST", locations, office); a.status != http.StatusForbidden {
		t.Errorf("a reader creates: %d %s", a.status, a.text)
	}
	a := s.call(t, global, "POST", locations, office)
	office1, _ := a.at("id").(string)
	if a.status != http.StatusCreated || a.at("ipRanges", 0, "cidrAddress") != "203.0.113.0/24" || a.at("ipRanges", 0, "@odata.type") != "#microsoft.graph.iPv4CidrRange" ||
		a.at("ipRanges", 1, "cidrAddress") != "2001:db8::1/128" || a.at("isTrusted") != true || a.at("displayName") != "本社" ||
		!strings.HasSuffix(a.header.Get("Location"), locations+"/"+office1) {
		t.Fatalf("create: %d %s", a.status, a.text)
	}
	a = s.call(t, global, "POST", locations, countries)
	away, _ := a.at("id").(string)
	if a.status != http.StatusCreated || len(a.at("countriesAndRegions").([]any)) != 2 || a.at("countriesAndRegions", 0) != "DE" ||
		a.at("countryLookupMethod") != "clientIpAddress" || a.at("includeUnknownCountriesAndRegions") != true {
		t.Fatalf("create countries: %d %s", a.status, a.text)
	}
	for target, want := range map[string]int{locations: 2, locations + "/microsoft.graph.ipNamedLocation": 1, "/beta" + locations[5:] + "/graph.countryNamedLocation": 1} {
		if a := s.call(t, "contoso/Security Reader", "GET", target, ""); a.status != http.StatusOK || len(a.at("value").([]any)) != want {
			t.Errorf("GET %s: %d %s, want %d", target, a.status, a.text, want)
		}
	}
	if a := s.call(t, "fabrikam/Global Administrator", "GET", locations+"/"+office1, ""); a.status != http.StatusNotFound { // P13
		t.Errorf("another tenant reads it: %d %s", a.status, a.text)
	}
	if a := s.call(t, global, "PATCH", locations+"/"+office1, `{"displayName":"Head office"}`); a.status != http.StatusNoContent {
		t.Errorf("change: %d %s", a.status, a.text)
	}
	a = s.call(t, global, "GET", locations+"/"+strings.ToUpper(office1), "")
	if a.at("displayName") != "Head office" || a.at("isTrusted") != true || len(a.at("ipRanges").([]any)) != 2 || a.at("modifiedDateTime") == nil {
		t.Errorf("after the change: %s", a.text)
	}

	// What a policy names stays; what is trusted has to be told so first.
	p := s.call(t, global, "POST", "/v1.0/identity/conditionalAccess/policies", `{"displayName":"Away","state":"enabledForReportingButNotEnforced",
		"conditions":{"clientAppTypes":["all"],"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]},
		"locations":{"includeLocations":["`+away+`"],"excludeLocations":["AllTrusted"]}},"grantControls":{"operator":"OR","builtInControls":["block"]}}`)
	if p.status != http.StatusCreated {
		t.Fatalf("a policy with locations: %d %s", p.status, p.text)
	}
	for id, status := range map[string]int{office1: http.StatusConflict, away: http.StatusConflict, id("ann"): http.StatusNotFound} {
		if a := s.call(t, global, "DELETE", locations+"/"+id, ""); a.status != status {
			t.Errorf("delete %s: %d %s, want %d", id, a.status, a.text, status)
		}
	}
	policyID, _ := p.at("id").(string)
	for _, step := range []struct{ method, target, body string }{
		{"DELETE", "/v1.0/identity/conditionalAccess/policies/" + policyID, ""}, {"DELETE", locations + "/" + away, ""},
		{"PATCH", locations + "/" + office1, `{"isTrusted":false}`}, {"DELETE", locations + "/" + office1, ""},
	} {
		if a := s.call(t, global, step.method, step.target, step.body); a.status != http.StatusNoContent {
			t.Errorf("%s %s: %d %s", step.method, step.target, a.status, a.text)
		}
	}
	a = s.call(t, global, "GET", "/v1.0/auditLogs/directoryAudits", "")
	for activity, want := range map[string]int{"Add named location": 2, "Update named location": 2, "Delete named location": 2} {
		if got := strings.Count(a.text, `"`+activity+`"`); got != want {
			t.Errorf("audit: %d rows of %q, want %d: %s", got, activity, want, a.text)
		}
	}
}

func TestNamedLocationErrors(t *testing.T) {
	s := newServer(t)
	for _, tt := range []struct{ why, body, target string }{
		{"no kind", `{"displayName":"x","ipRanges":[{"cidrAddress":"203.0.113.0/24"}]}`, "/@odata.type"},
		{"no name", `{"@odata.type":"#microsoft.graph.ipNamedLocation","ipRanges":[{"cidrAddress":"203.0.113.0/24"}]}`, "/displayName"},
		{"no range", `{"@odata.type":"#microsoft.graph.ipNamedLocation","displayName":"x"}`, "/ipRanges"},
		{"a range that is none", `{"@odata.type":"#microsoft.graph.ipNamedLocation","displayName":"x","ipRanges":[{"cidrAddress":"203.0.113.0/24"},{"cidrAddress":"office"}]}`, "/ipRanges/1/cidrAddress"},
		{"most of the Internet", `{"@odata.type":"#microsoft.graph.ipNamedLocation","displayName":"x","ipRanges":[{"cidrAddress":"0.0.0.0/0"}]}`, "/ipRanges/0/cidrAddress"},
		{"a country that is none", `{"@odata.type":"#microsoft.graph.countryNamedLocation","displayName":"x","countriesAndRegions":["DE","Japan"]}`, "/countriesAndRegions/1"},
		{"a trusted country", `{"@odata.type":"#microsoft.graph.countryNamedLocation","displayName":"x","countriesAndRegions":["DE"],"isTrusted":true}`, "/isTrusted"},
	} {
		a := s.call(t, global, "POST", locations, tt.body)
		if a.status != http.StatusBadRequest || a.at("error", "details", 0, "target") != tt.target {
			t.Errorf("%s: %d %s, want 400 at %s", tt.why, a.status, a.text, tt.target)
		}
	}
	for why, body := range map[string]string{
		"another kind":           `{"@odata.type":"#microsoft.graph.cityNamedLocation","displayName":"x"}`,
		"a misspelling":          `{"@odata.type":"#microsoft.graph.ipNamedLocation","displayName":"x","trusted":true}`,
		"a type that is no text": `{"@odata.type":1,"displayName":"x"}`,
	} {
		if a := s.call(t, global, "POST", locations, body); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", why, a.status, a.text)
		}
	}
}

// A policy whose location is not there would stop every sign-in of the tenant: it is refused where it is written.
func TestAPolicyNamesOnlyWhatIsThere(t *testing.T) {
	s := newServer(t)
	const nobody = "6e3f1a55-5b3c-4f8e-9d0e-0123456789ab"
	a := s.call(t, global, "POST", "/v1.0/identity/conditionalAccess/policies", `{"displayName":"Away","state":"disabled",
		"conditions":{"clientAppTypes":["all"],"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]},
		"locations":{"includeLocations":["All"],"excludeLocations":["`+nobody+`"]}},"grantControls":{"operator":"OR","builtInControls":["block"]}}`)
	if a.status != http.StatusBadRequest || a.at("error", "details", 0, "target") != "/conditions/locations/excludeLocations/0" || !strings.HasPrefix(a.at("error", "message").(string), "1007") {
		t.Errorf("an unknown location: %d %s", a.status, a.text)
	}
	const risky = `{"displayName":"Risk","state":"disabled","conditions":{"clientAppTypes":["all"],"users":{"includeUsers":["All"]},
		"applications":{"includeApplications":["All"]},"signInRiskLevels":["high"]},"grantControls":{"operator":"OR","builtInControls":["block"]}}`
	a = s.call(t, global, "POST", "/v1.0/identity/conditionalAccess/policies", risky)
	if a.status != http.StatusBadRequest || a.at("error", "details", 0, "target") != "/conditions/signInRiskLevels" || !strings.HasPrefix(a.at("error", "message").(string), "1039") {
		t.Errorf("risk without P2: %d %s", a.status, a.text)
	}
	if a := s.call(t, global, "POST", "/v1.0/subscribedSkus", `{"skuPartNumber":"AAD_PREMIUM_P2","prepaidUnits":{"enabled":5}}`); a.status != http.StatusCreated {
		t.Fatalf("licence: %d %s", a.status, a.text)
	}
	if a := s.call(t, global, "POST", "/v1.0/identity/conditionalAccess/policies", risky); a.status != http.StatusCreated {
		t.Errorf("risk with P2: %d %s", a.status, a.text)
	}
}

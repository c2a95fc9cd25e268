package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"boundgate/internal/admin/admintest"
)

const templatesPath = "/identity/conditionalAccess/templates"

func TestTemplatesAreGraphs(t *testing.T) { // S48
	s := newServer(t)
	for _, version := range []string{"/v1.0", "/beta"} {
		a := s.call(t, "contoso/Security Reader", "GET", version+templatesPath, "")
		value, _ := a.at("value").([]any)
		if a.status != http.StatusOK || len(value) < 8 {
			t.Fatalf("GET %s%s: %d with %d templates", version, templatesPath, a.status, len(value))
		}
		for i := range value {
			if a.at("value", i, "name") == "" || a.at("value", i, "details", "conditions", "applications", "includeApplications") == nil ||
				!strings.Contains(fmt.Sprint(a.at("value", i, "scenarios")), "zeroTrust") {
				t.Errorf("%s: template %d is %v", version, i, value[i])
			}
		}
	}
	one := s.call(t, global, "GET", "/v1.0"+templatesPath+"/0b2282f9-2862-4178-88b5-d79340b36cb8", "")
	if one.status != http.StatusOK || one.at("@odata.context") == nil || one.at("details", "grantControls", "builtInControls", 0) != "block" {
		t.Errorf("one template: %d %s", one.status, one.text)
	}
	if a := s.call(t, global, "GET", "/beta"+templatesPath+"/99999999-9999-4999-8999-999999999999", ""); a.status != http.StatusNotFound {
		t.Errorf("an id that is none: %d %s", a.status, a.text)
	}
	filter := "?$filter=name%20eq%20'CA07%20-%20Block%20device%20code%20flow'"
	if a := s.call(t, global, "GET", "/v1.0"+templatesPath+filter, ""); a.at("value", 0, "id") == nil || a.at("value", 1) != nil {
		t.Errorf("by name: %s", a.text)
	}
}

func TestTemplatesNeedARole(t *testing.T) { // S40
	s := newServer(t)
	for _, c := range []struct{ as, method, target string }{
		{"contoso/", "GET", templatesPath},
		{"contoso/", "GET", "/boundgate/policyCompanions"},
		{"contoso/Security Reader", "POST", "/boundgate/policyTemplates/block-device-code/create"},
		{"contoso/Security Reader", "POST", "/boundgate/policyCompanions/createMissing"},
	} {
		if a := s.call(t, c.as, c.method, "/beta"+c.target, "{}"); a.status != http.StatusForbidden {
			t.Errorf("%s %s as %q: %d %s, want 403", c.method, c.target, c.as, a.status, a.text)
		}
	}
	if list := s.call(t, global, "GET", "/beta/identity/conditionalAccess/policies", ""); list.at("value", 0) != nil {
		t.Errorf("who may not created %s", list.text)
	}
}

func TestAPolicyFromATemplateIsReportOnly(t *testing.T) { // S47
	s := newServer(t)
	body := fmt.Sprintf(`{"displayName":"試験","includeGroups":[%q],"excludeUsers":[%q]}`, id("Pilot"), id("breakglass"))
	a := s.call(t, "contoso/Conditional Access Administrator", "POST", "/beta/boundgate/policyTemplates/token-protection/create", body)
	if a.status != http.StatusCreated || a.at("state") != "enabledForReportingButNotEnforced" || a.at("displayName") != "試験" ||
		a.at("templateId") != "b0a6d9a7-7c53-4d0e-9a41-2f6a51b7c001" || a.header.Get("Location") == "" ||
		a.at("conditions", "users", "includeGroups", 0) != id("Pilot") || a.at("conditions", "users", "excludeUsers", 0) != id("breakglass") {
		t.Errorf("create: %d %s", a.status, a.text)
	}
	for _, c := range []struct{ name, template, body, want string }{
		{"nobody is named", "token-protection", `{}`, "Name a small pilot group"},
		{"a group is not there", "token-protection", `{"includeGroups":["99999999-9999-4999-8999-999999999999"]}`, "no group with the id"},
		{"a group of another tenant is not there", "token-protection", fmt.Sprintf(`{"includeGroups":[%q]}`, string(admintest.ID(admintest.Fabrikam, "Pilot"))), "no group with the id"}, // P13
		{"a member is misspelt", "token-protection", `{"includedGroups":[]}`, "includedGroups"},
		{"the state is not the caller's to choose", "block-device-code", `{"state":"enabled"}`, "state"},
		{"there is no such template", "nothing", `{}`, "no such object"},
	} {
		a := s.call(t, global, "POST", "/beta/boundgate/policyTemplates/"+c.template+"/create", c.body)
		if a.status < 400 || a.status >= 500 || !strings.Contains(a.text, c.want) {
			t.Errorf("%s: %d %s, want %q", c.name, a.status, a.text, c.want)
		}
	}
}

func TestCompanionsAreCreatedOnce(t *testing.T) { // S48
	s := newServer(t)
	const companions = "/beta/boundgate/policyCompanions"
	missing := func(a answer) string {
		return fmt.Sprint(a.at("value", 0, "missing"), a.at("value", 1, "missing"), a.at("value", 0, "created"), a.at("value", 1, "created"))
	}
	if got := missing(s.call(t, global, "GET", companions, "")); got != "true true false false" {
		t.Errorf("at first: %s", got)
	}
	body := fmt.Sprintf(`{"excludeUsers":[%q]}`, id("breakglass"))
	a := s.call(t, global, "POST", companions+"/createMissing", body)
	if got := missing(a); got != "false false true true" || a.at("value", 1, "policies", 0, "state") != "enabledForReportingButNotEnforced" ||
		a.at("value", 0, "policies", 0, "conditions", "users", "excludeUsers", 0) != id("breakglass") {
		t.Errorf("created: %s %s", got, a.text)
	}
	if got := missing(s.call(t, global, "POST", companions+"/createMissing", body)); got != "false false false false" {
		t.Errorf("again: %s", got)
	}
	list, _ := s.call(t, global, "GET", "/beta/identity/conditionalAccess/policies", "").at("value").([]any)
	if len(list) != 2 {
		t.Errorf("there are %d policies, want 2", len(list))
	}
	if got := missing(s.call(t, "fabrikam/Global Administrator", "GET", companions, "")); got != "true true false false" { // P13
		t.Errorf("in another tenant: %s", got)
	}
}

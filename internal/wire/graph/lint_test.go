package graph_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

const (
	lintPath     = "/beta/boundgate/policies/lint"
	policiesPath = "/beta/identity/conditionalAccess/policies"
)

func office365(state string) string {
	return strings.Replace(policyJSON(state), "00000002-0000-0ff1-ce00-000000000000", "Office365", 1)
}

// A draft is linted without being stored, by whoever may read policies.
func TestLintOfADraft(t *testing.T) { // S40 S43
	s := newServer(t)
	a := s.call(t, "contoso/Security Reader", "POST", lintPath, `{"policy":`+office365("enabled")+`}`)
	if a.status != 200 || a.at("value", 0, "id") != "office365Selected" || a.at("value", 0, "rule") != "J-01" || a.at("value", 0, "blocks") != true ||
		a.at("value", 0, "target") != "/conditions/applications/includeApplications" {
		t.Fatalf("POST: %d %s", a.status, a.text)
	}
	mended, err := json.Marshal(a.at("value", 0, "mended"))
	if err != nil {
		t.Fatal(err)
	}
	if again := s.call(t, global, "POST", lintPath, `{"policy":`+string(mended)+`}`); again.status != 200 || strings.Contains(again.text, "office365Selected") {
		t.Errorf("the mended policy: %d %s", again.status, again.text)
	}
	if made := s.call(t, global, "POST", policiesPath, string(mended)); made.status != 201 {
		t.Errorf("creating the mended policy: %d %s", made.status, made.text)
	}
	if list := s.call(t, global, "GET", policiesPath, ""); list.at("value", 1) != nil {
		t.Errorf("linting has stored something: %s", list.text)
	}
	if a := s.call(t, "contoso/User Administrator", "POST", lintPath, `{"policy":`+office365("enabled")+`}`); a.status != 403 {
		t.Errorf("as a User Administrator: %d, want 403", a.status)
	}
}

func TestLintOfAPolicyOfTheTenant(t *testing.T) { // S40 P13
	s := newServer(t)
	made := s.call(t, global, "POST", policiesPath, office365("disabled"))
	p, _ := made.at("id").(string)
	a := s.call(t, "contoso/Security Reader", "GET", "/beta/boundgate/policies/"+p+"/lint", "")
	if a.status != 200 || a.at("value", 0, "id") != "office365Selected" {
		t.Errorf("GET: %d %s", a.status, a.text)
	}
	if a := s.call(t, "fabrikam/Global Administrator", "GET", "/beta/boundgate/policies/"+p+"/lint", ""); a.status != 404 {
		t.Errorf("from another tenant: %d, want 404", a.status)
	}
	if a := s.call(t, "contoso/User Administrator", "GET", "/beta/boundgate/policies/"+p+"/lint", ""); a.status != 403 {
		t.Errorf("as a User Administrator: %d, want 403", a.status)
	}
}

func TestLintRefusesWhatItCannotRead(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		says       string
	}{
		{"no object", `[]`, 400, "not a JSON object"},
		{"no policy", `{}`, 400, "/policy: the policy to lint is missing"},
		{"a policy that is none", `{"policy":"TP01"}`, 400, "/policy"},
		{"another member", `{"policy":{},"colour":"red"}`, 400, "/colour"},
		{"an id that is no text", `{"policy":{},"id":7}`, 400, "/id"},
		{"an id that is not there", `{"policy":` + policyJSON("disabled") + `,"id":"99999999-9999-4999-8999-999999999999"}`, 404, "no such object"},
		{"a member that policies do not have", `{"policy":{"colour":"red"}}`, 400, "colour"},
		{"a repeated member beside the policy", `{"id":"a","id":"99999999-9999-4999-8999-999999999999","policy":` + policyJSON("disabled") + `}`, 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newServer(t).call(t, global, "POST", lintPath, tt.body)
			if a.status != tt.status || !strings.Contains(a.text, tt.says) {
				t.Errorf("%d %s, want %d and %q", a.status, a.text, tt.status, tt.says)
			}
		})
	}
}

// The reason of an override comes as a header or as a member; the policy shows it, and what it was given for.
func TestTheReasonOfAnOverride(t *testing.T) {
	const reason = "Bis zum Umzug: の例外"
	for _, tt := range []struct {
		name    string
		member  string
		headers []string
		status  int
	}{
		{"none", "", nil, 400},
		{"a member", reason, nil, 201},
		{"a header", "", []string{reason}, 201},
		{"a blank header", "", []string{" "}, 400},
		{"a header that is no UTF-8", "", []string{"\xff"}, 400},
		{"two headers", "", []string{reason, reason}, 400},
		{"a header and a member", reason, []string{reason}, 400},
		{"a header that is too long", "", []string{strings.Repeat("x", 1001)}, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			body := office365("enabled")
			if tt.member != "" {
				body = `{"@boundgate.overrideReason":"` + tt.member + `",` + body[1:]
			}
			r := httptest.NewRequest("POST", policiesPath, strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+global)
			for _, h := range tt.headers {
				r.Header.Add("Boundgate-Override-Reason", h)
			}
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Fatalf("%d %s, want %d", w.Code, w.Body, tt.status)
			}
			if tt.status != 201 {
				return
			}
			list := s.call(t, global, "GET", policiesPath, "")
			if list.at("value", 0, "@boundgate.overrideReason") != reason || list.at("value", 0, "@boundgate.overriddenFindings", 0) != "office365Selected" {
				t.Errorf("GET: %s", list.text)
			}
			shown, err := json.Marshal(list.at("value", 0))
			if err != nil {
				t.Fatal(err)
			}
			if again := s.call(t, global, "POST", policiesPath, string(shown)); again.status != 201 || again.at("@boundgate.overrideReason") != reason {
				t.Errorf("what was exported, imported: %d %s", again.status, again.text)
			}
		})
	}
}

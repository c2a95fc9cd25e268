package graph_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

func names(a answer, member string) string {
	var list []string
	value, _ := a.at("value").([]any)
	for i := range value {
		text, _ := a.at("value", i, member).(string)
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

func query(options ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(options); i += 2 {
		v.Set(options[i], options[i+1])
	}
	return "?" + v.Encode()
}

// Lists take OData's options as Graph's clients send them.
func TestListOptions(t *testing.T) {
	s := newServer(t)
	for _, name := range []string{"Alpha team", "Beta team", "Gamma"} {
		if a := s.call(t, global, "POST", "/v1.0/groups", `{"displayName":"`+name+`","mailEnabled":false,"mailNickname":"x","securityEnabled":true}`); a.status != http.StatusCreated {
			t.Fatalf("%d %s", a.status, a.text)
		}
	}
	for _, tt := range []struct{ query, want string }{
		{query("$filter", "startswith(displayName,'alpha')"), "Alpha team"},
		{query("$filter", "endswith(displayName,'team') and not (displayName eq 'Beta team')"), "Alpha team"},
		{query("$filter", "displayName in ('Gamma','Pilot')", "$orderby", "displayName"), "Gamma Pilot"},
		{query("$orderby", "displayName desc", "$top", "2", "$filter", "securityEnabled eq true"), "Pilot Gamma"},
		{query("$orderby", "displayName", "$skip", "3"), "Gamma Pilot"},
		{query("orderby", "displayName", "TOP", "1"), "Alpha team"},
		{query("$search", `"displayName:team"`, "$orderby", "displayName"), "Alpha team Beta team"},
		{query("$search", `"displayName:team" AND "displayName:beta"`), "Beta team"},
		{query("$search", `"displayName:gam" OR "displayName:alp"`, "$orderby", "displayName"), "Alpha team Gamma"},
		{query("$filter", "displayName eq 'nothing'"), ""},
	} {
		a := s.call(t, "contoso/Security Reader", "GET", "/v1.0/groups"+tt.query, "")
		if a.status != http.StatusOK || names(a, "displayName") != tt.want {
			t.Errorf("%s: %d %q, want %q", tt.query, a.status, names(a, "displayName"), tt.want)
		}
	}
	a := s.call(t, global, "GET", "/v1.0/groups"+query("$select", "displayName", "$count", "true", "$top", "1", "$filter", "startswith(displayName,'B')"), "")
	if a.at("@odata.count") != 2.0 || a.at("value", 0, "id") == nil || a.at("value", 0, "securityEnabled") != nil || a.at("value", 0, "displayName") == nil {
		t.Errorf("selected and counted: %s", a.text)
	}
	if a = s.call(t, global, "GET", "/v1.0/users/"+id("mika")+query("$select", "userPrincipalName"), ""); a.at("userPrincipalName") == nil || a.at("displayName") != nil {
		t.Errorf("one object: %s", a.text)
	}
}

// Following @odata.nextLink as it came gives each object once, also when one that was seen has gone meanwhile.
func TestPaging(t *testing.T) {
	s := newServer(t)
	for n := range 7 {
		s.call(t, global, "POST", "/v1.0/groups", `{"displayName":"G`+strconv.Itoa(n)+`","mailEnabled":false,"mailNickname":"x","securityEnabled":true}`)
	}
	seen, pages := map[string]bool{}, 0
	next := "/v1.0/groups" + query("$top", "2", "$orderby", "displayName", "$filter", "startswith(displayName,'G')")
	for next != "" {
		a := s.call(t, global, "GET", next, "")
		if a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", next, a.status, a.text)
		}
		var last string
		for _, v := range a.at("value").([]any) {
			last = v.(map[string]any)["id"].(string)
			name := v.(map[string]any)["displayName"].(string)
			if seen[name] {
				t.Errorf("%s comes twice", name)
			}
			seen[name] = true
		}
		if pages++; pages == 2 {
			if a := s.call(t, global, "DELETE", "/v1.0/groups/"+last, ""); a.status != http.StatusNoContent {
				t.Fatalf("delete: %d", a.status)
			}
		}
		link, _ := a.at("@odata.nextLink").(string)
		next = strings.TrimPrefix(link, "https://login.contoso.example")
	}
	if len(seen) != 7 || pages != 4 {
		t.Errorf("%d groups on %d pages", len(seen), pages)
	}
}

func TestCounts(t *testing.T) {
	s := newServer(t)
	r := s.raw(t, "contoso/Security Reader", "/v1.0/groups/$count"+query("$filter", "startswith(displayName,'P')"))
	if r.Code != http.StatusOK || r.Body.String() != "1" || !strings.HasPrefix(r.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("%d %q", r.Code, r.Body)
	}
	if r := s.raw(t, "contoso/nobody", "/v1.0/users/$count"); r.Code != http.StatusForbidden { // S40
		t.Errorf("without a role: %d", r.Code)
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	s := newServer(t)
	for _, tt := range []struct{ query, says string }{
		{query("$expand", "members"), "$expand"}, {query("$top", "0"), "$top"}, {query("$top", "x"), "$top"}, {query("$skip", "-1"), "$skip"},
		{query("$count", "yes"), "$count"}, {query("$orderby", "displayName up"), "$orderby"}, {query("$orderby", "colour"), "colour"},
		{query("$select", "colour"), "colour"}, {query("$search", "team"), "$search"}, {query("$search", `"colour:x"`), "colour"}, {query("$search", `"displayName:x" XOR "displayName:y"`), "$search"},
		{query("$filter", "colour eq 'x'"), "colour"}, {query("$filter", "displayName eq"), "$filter"}, {query("$skiptoken", "!"), "$skiptoken"},
		{query("$skiptoken", "bm9uc2Vuc2U"), "$skiptoken"}, {query("$apply", "x"), "$apply"},
	} {
		if a := s.call(t, global, "GET", "/v1.0/groups"+tt.query, ""); a.status != http.StatusBadRequest || !strings.Contains(a.text, tt.says) {
			t.Errorf("%s: %d %s", tt.query, a.status, a.text)
		}
	}
	if a := s.call(t, global, "GET", "/v1.0/groups/"+id("Pilot")+query("$top", "1"), ""); a.status != http.StatusBadRequest || !strings.Contains(a.text, "$top") {
		t.Errorf("a list's option on one object: %d %s", a.status, a.text)
	}
}

// Logs come the newest first, and with the members that are asked for.
func TestOptionsOfLogs(t *testing.T) {
	s := newServer(t)
	s.signIns.rows = append(s.signIns.rows, signInRow("r1", true))
	a := s.call(t, global, "GET", "/v1.0/auditLogs/signIns"+query("$orderby", "createdDateTime desc", "$select", "userPrincipalName"), "")
	if a.status != http.StatusOK || a.at("value", 0, "userPrincipalName") == nil || a.at("value", 0, "status") != nil {
		t.Errorf("%d %s", a.status, a.text)
	}
	for _, options := range []string{query("$orderby", "createdDateTime"), query("$orderby", "userPrincipalName desc"), query("$select", "colour"), query("$search", `"a:b"`)} {
		if a := s.call(t, global, "GET", "/v1.0/auditLogs/signIns"+options, ""); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", options, a.status, a.text)
		}
	}
	if a := s.call(t, global, "GET", "/v1.0/auditLogs/directoryAudits"+query("$orderby", "activityDateTime desc"), ""); a.status != http.StatusOK {
		t.Errorf("audit: %d %s", a.status, a.text)
	}
}

package graph_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"boundgate/internal/admin"
	"boundgate/internal/admin/admintest"
	"boundgate/internal/directory"
	"boundgate/internal/signinlog"
	"boundgate/internal/wire/graph"

	"github.com/google/go-cmp/cmp"
)

const contoso = admintest.Contoso

func id(name string) string { return string(admintest.ID(contoso, name)) }

// tokens stands for the verifier of access tokens: a bearer names a tenant and a role, as "contoso/Security Reader".
type tokens struct{}

func (tokens) Authenticate(_ context.Context, bearer string) (admin.Caller, error) {
	tenant, role, ok := strings.Cut(bearer, "/")
	switch {
	case bearer == "broken":
		return admin.Caller{}, errors.New("the store at 10.0.0.7 is gone")
	case bearer == "gone":
		return admin.Caller{}, admin.ErrSignedOut
	case !ok:
		return admin.Caller{}, graph.ErrInvalidToken
	}
	r, _ := directory.RoleNamed(role)
	return admintest.Caller(map[string]directory.TenantID{"contoso": contoso, "fabrikam": admintest.Fabrikam}[tenant], r), nil
}

// signIns keeps rows in memory and remembers what it was asked.
type signIns struct {
	rows  []signinlog.Row
	asked []graph.SignInQuery
}

func (s *signIns) SignIns(_ context.Context, tenant directory.TenantID, q graph.SignInQuery) ([]signinlog.Row, string, error) {
	s.asked = append(s.asked, q)
	if q.After == "forged" {
		return nil, "", graph.ErrBadContinuation
	}
	var rows []signinlog.Row
	for _, r := range s.rows {
		if r.AADTenantID == string(tenant) && (q.ID == "" || q.ID == r.ID) {
			rows = append(rows, r)
		}
	}
	if len(rows) > q.Limit {
		return rows[:q.Limit], "c1", nil
	}
	return rows, "", nil
}

type server struct {
	*admintest.Organisation
	signIns *signIns
	handler http.Handler
}

func newServer(t *testing.T) *server {
	s := &server{Organisation: admintest.NewOrganisation(t), signIns: &signIns{}}
	s.handler = graph.New(graph.Deps{Admin: s.Service, Auth: tokens{}, SignIns: s.signIns, PublicURL: "https://login.contoso.example/"})
	return s
}

type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

// call sends a request; as is a bearer token.
func (s *server) call(t *testing.T, as, method, target, body string) answer {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if as != "" {
		r.Header.Set("Authorization", "Bearer "+as)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	text, _ := io.ReadAll(w.Result().Body)
	a := answer{status: w.Code, header: w.Result().Header, text: string(text)}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &a.body); err != nil {
			t.Fatalf("%s %s: answer %q is not JSON: %v", method, target, text, err)
		}
	}
	return a
}

// raw is call for answers that are no JSON.
func (s *server) raw(t *testing.T, as, target string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("Authorization", "Bearer "+as)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// at returns the value at a path of members and indices.
func (a answer) at(path ...any) any {
	var v any = a.body
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

const global = "contoso/Global Administrator"

func TestEveryPathNeedsAToken(t *testing.T) { // S40
	s := newServer(t)
	for _, target := range []string{"/v1.0/users", "/beta/me", "/v1.0/no/such/path", "/beta/auditLogs/signIns"} {
		for _, bearer := range []string{"", "nonsense", "gone"} {
			a := s.call(t, bearer, "GET", target, "")
			if a.status != http.StatusUnauthorized || a.at("error", "code") != "InvalidAuthenticationToken" || a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("GET %s with the token %q: %d %s, want 401 InvalidAuthenticationToken", target, bearer, a.status, a.text)
			}
		}
	}
}

// A sign-in that has ended is a claims challenge, for a token issued from now on; any other token that is not accepted is
// just not valid. // P06
func TestAnEndedSignInIsAClaimsChallenge(t *testing.T) {
	s := newServer(t)
	if h := s.call(t, "nonsense", "GET", "/v1.0/users", "").header.Get("WWW-Authenticate"); h != `Bearer realm="", error="invalid_token"` {
		t.Errorf("a token that is none: %s", h)
	}
	h := s.call(t, "gone", "GET", "/v1.0/users", "").header.Get("WWW-Authenticate")
	_, encoded, _ := strings.Cut(h, `claims="`)
	claims, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(encoded, `"`))
	var wanted struct {
		AccessToken struct {
			NBF struct {
				Essential bool
				Value     string
			}
		} `json:"access_token"`
	}
	if err != nil || json.Unmarshal(claims, &wanted) != nil {
		t.Fatalf("%s: %s, %v", h, claims, err)
	}
	since, err := strconv.ParseInt(wanted.AccessToken.NBF.Value, 10, 64)
	if age := time.Since(time.Unix(since, 0)); err != nil || !wanted.AccessToken.NBF.Essential || age < 0 || age > time.Minute {
		t.Errorf("claims %s", claims)
	}
	if !strings.Contains(h, `error="insufficient_claims"`) || !strings.Contains(h, `/common/oauth2/authorize"`) {
		t.Errorf("WWW-Authenticate: %s", h)
	}
}

// What goes wrong inside stays inside; the caller hears the id under which the server's log tells more.
func TestInternalErrorsTellNothing(t *testing.T) { // P11
	a := newServer(t).call(t, "broken", "GET", "/v1.0/users", "")
	if a.status != http.StatusInternalServerError || strings.Contains(a.text, "10.0.0.7") || !strings.Contains(a.text, a.header.Get("request-id")) {
		t.Errorf("answer %d %s, want 500 with the request id and without the cause", a.status, a.text)
	}
}

func TestErrorEnvelope(t *testing.T) {
	s := newServer(t)
	r := httptest.NewRequest("GET", "/v1.0/users/99999999-9999-4999-8999-999999999999", nil)
	r.Header.Set("Authorization", "Bearer "+global)
	r.Header.Set("client-request-id", "0B9F6F7E-6f0d-4f7e-9a8f-1f6c2d7a4410")
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	var got struct {
		Error struct {
			Code       string
			Message    string
			InnerError map[string]string `json:"innerError"`
		}
	}
	if err := json.NewDecoder(w.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if w.Code != 404 || got.Error.Code != "Request_ResourceNotFound" || got.Error.Message == "" {
		t.Errorf("answer %d %+v, want 404 Request_ResourceNotFound", w.Code, got)
	}
	inner := got.Error.InnerError
	if inner["request-id"] != w.Header().Get("request-id") || inner["client-request-id"] != "0b9f6f7e-6f0d-4f7e-9a8f-1f6c2d7a4410" || inner["date"] == "" {
		t.Errorf("innerError %v does not hold date, request-id and client-request-id", inner)
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name           string
		as             string
		method, target string
		body           string
		status         int
		says           string
	}{
		{"a role that does not do", "contoso/Security Reader", "POST", "/v1.0/groups", `{"displayName":"G"}`, 403, "User Administrator"},
		{"a policy from a reader", "contoso/Security Reader", "POST", "/v1.0/identity/conditionalAccess/policies", policyJSON("disabled"), 403, "Conditional Access Administrator"}, // S40
		{"sign-ins for a device administrator", "contoso/Cloud Device Administrator", "GET", "/beta/auditLogs/signIns", "", 403, "Reports Reader"},                                  // S40
		{"an unknown path", global, "GET", "/v1.0/drives", "", 404, "no such path"},
		{"a method that the path does not take", global, "PUT", "/v1.0/users", "", 405, "GET or POST"},
		{"an unknown OData option", global, "GET", "/v1.0/users?$expand=manager", "", 400, "$expand"},
		{"an OData option without its $", global, "GET", "/v1.0/users?search=x", "", 400, "search"},
		{"an option given twice", global, "GET", "/v1.0/users?$filter=id%20eq%20'a'&$filter=id%20eq%20'b'", "", 400, "more than once"},
		{"a filter on another property", global, "GET", "/v1.0/users?$filter=city%20eq%20'Helsinki'", "", 400, "city"},
		{"a filter with another operator", global, "GET", "/v1.0/users?$filter=length(displayName)%20eq%201", "", 400, "length"},
		{"an unknown member", global, "POST", "/v1.0/groups", `{"displayName":"G","colour":"red"}`, 400, "/colour"},
		{"an unknown inner member", global, "PATCH", "/v1.0/users/" + id("mika"), `{"passwordProfile":{"passwort":"x"}}`, 400, "/passwordProfile/passwort"},
		{"a member in the wrong case", global, "POST", "/v1.0/groups", `{"DisplayName":"G"}`, 400, "/DisplayName"},
		{"a member given twice", global, "POST", "/v1.0/groups", `{"displayName":"G","displayName":"H"}`, 400, "/displayName"},
		{"null where it does not belong", global, "PATCH", "/v1.0/users/" + id("mika"), `{"accountEnabled":null}`, 400, "/accountEnabled"},
		{"a value of another type", global, "PATCH", "/v1.0/users/" + id("mika"), `{"accountEnabled":"no"}`, 400, "/accountEnabled"},
		{"an array for an object", global, "POST", "/v1.0/groups", `[]`, 400, "not a JSON object"},
		{"something after the object", global, "POST", "/v1.0/groups", `{"displayName":"G"} {}`, 400, "follows"},
		{"a broken body", global, "POST", "/v1.0/groups", `{"displayName":`, 400, "not JSON"},
		{"an empty body", global, "POST", "/v1.0/groups", ``, 400, "missing"},
		{"a body nested too deeply", global, "POST", "/v1.0/groups", strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), 400, "nested"}, // P14
		{"a body that is too large", global, "POST", "/v1.0/groups", `{"displayName":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "larger"},      // P14
		{"a trust type", global, "PATCH", "/v1.0/devices/" + id("LAPTOP-7"), `{"trustType":"ServerAd"}`, 400, "/trustType"},
		{"a device's owner", global, "PATCH", "/v1.0/devices/" + id("LAPTOP-7"), `{"ownerId":"x"}`, 400, "/ownerId"},
		{"a device's freshness", global, "PATCH", "/v1.0/devices/" + id("LAPTOP-7"), `{"freshCredentials":true}`, 400, "/freshCredentials"},
		{"an extension attribute that is not there", global, "PATCH", "/v1.0/devices/" + id("LAPTOP-7"), `{"extensionAttributes":{"extensionAttribute16":"x"}}`, 400, "extensionAttribute16"},
		{"a password that is too short", global, "PATCH", "/v1.0/users/" + id("mika"), `{"passwordProfile":{"password":"short"}}`, 400, "shorter"},
		{"a forged continuation", global, "GET", "/beta/auditLogs/signIns?$skiptoken=forged", "", 400, "$skiptoken"},
		{"another tenant's settings", global, "PATCH", "/beta/boundgate/tenants/" + string(admintest.Fabrikam), `{"settings":{"allowKdf1":true}}`, 404, "no such object"}, // P13
		{"a tenant made by another tenant", "fabrikam/Global Administrator", "POST", "/beta/boundgate/tenants", `{"displayName":"N","domain":"n.example"}`, 403, "operator"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			a := s.call(t, tt.as, tt.method, tt.target, tt.body)
			if a.status != tt.status || !strings.Contains(a.text, tt.says) {
				t.Errorf("%s %s: %d %s\nwant %d and the words %q", tt.method, tt.target, a.status, a.text, tt.status, tt.says)
			}
			if strings.Contains(a.text, `"short"`) { // P11
				t.Errorf("the answer repeats a password: %s", a.text)
			}
			if n := len(s.Entries(t)); n != 0 {
				t.Errorf("the refused request left %d audit rows", n)
			}
		})
	}
}

func TestUserLifecycle(t *testing.T) {
	s := newServer(t)
	made := s.call(t, global, "POST", "/v1.0/users", `{"accountEnabled":true,"displayName":"Ken 健","mailNickname":"ken","userPrincipalName":"Ken@contoso.example",
		"passwordProfile":{"password":"a good long password","forceChangePasswordNextSignIn":false}}`)
	ken, _ := made.at("id").(string)
	if made.status != 201 || made.header.Get("Location") != "https://login.contoso.example/v1.0/users/"+ken || made.at("userPrincipalName") != "ken@contoso.example" {
		t.Fatalf("POST /users: %d %s %v", made.status, made.text, made.header)
	}
	if strings.Contains(made.text, "password\":") || strings.Contains(made.text, "good long") { // P11
		t.Errorf("the answer shows a password that was not generated: %s", made.text)
	}
	if again := s.call(t, global, "POST", "/v1.0/users", `{"displayName":"K","userPrincipalName":"ken@contoso.example"}`); again.status != 409 {
		t.Errorf("the same name again: %d %s, want 409", again.status, again.text)
	}
	generated := s.call(t, global, "POST", "/v1.0/users", `{"displayName":"A","userPrincipalName":"aya@contoso.example"}`)
	if p, _ := generated.at("passwordProfile", "password").(string); len(p) < 16 {
		t.Errorf("no password was generated: %s", generated.text)
	}
	if a := s.call(t, global, "PATCH", "/v1.0/users/KEN@contoso.example", `{"accountEnabled":false}`); a.status != 204 || a.text != "" {
		t.Errorf("PATCH: %d %q, want 204 and nothing", a.status, a.text)
	}
	shown := s.call(t, global, "GET", "/V1.0/Users/"+ken, "") // the fixed segments match in any case
	if shown.at("accountEnabled") != false || shown.at("@odata.context") != "https://login.contoso.example/v1.0/$metadata#users/$entity" {
		t.Errorf("GET: %s", shown.text)
	}
	if a := s.call(t, global, "GET", "/v1.0/users?$filter="+url.QueryEscape("userPrincipalName eq 'ken@contoso.example'"), ""); a.at("value", 0, "id") != ken || a.at("value", 1) != nil {
		t.Errorf("filtered list: %s", a.text)
	}
	if a := s.call(t, global, "POST", "/v1.0/users/"+ken+"/revokeSignInSessions", ""); a.status != 200 || a.at("value") != true {
		t.Errorf("revokeSignInSessions: %d %s", a.status, a.text)
	}
	if a := s.call(t, global, "DELETE", "/v1.0/users/"+ken, ""); a.status != 204 {
		t.Errorf("DELETE: %d %s", a.status, a.text)
	}
	if a := s.call(t, global, "GET", "/v1.0/users/"+ken, ""); a.status != 404 {
		t.Errorf("GET after DELETE: %d, want 404", a.status)
	}
}

func TestGroupsAndRoles(t *testing.T) {
	s := newServer(t)
	ring, _ := s.call(t, global, "POST", "/v1.0/groups", `{"displayName":"Ring 1","mailEnabled":false,"securityEnabled":true,"mailNickname":"ring1"}`).at("id").(string)
	ref := `{"@odata.id":"https://graph.microsoft.com/v1.0/directoryObjects/` + id("Pilot") + `"}`
	if a := s.call(t, global, "POST", "/v1.0/groups/"+ring+"/members/$ref", ref); a.status != 204 {
		t.Fatalf("adding Pilot: %d %s", a.status, a.text)
	}
	if a := s.call(t, global, "GET", "/v1.0/groups/"+ring+"/members", ""); a.at("value", 0, "@odata.type") != "#microsoft.graph.group" {
		t.Errorf("members: %s", a.text)
	}
	direct, nested := s.call(t, global, "GET", "/v1.0/users/"+id("mika")+"/memberOf", ""), s.call(t, global, "GET", "/v1.0/users/"+id("mika")+"/transitiveMemberOf", "")
	if direct.at("value", 0, "displayName") != "Pilot" || direct.at("value", 1) != nil || nested.at("value", 1, "displayName") != "Ring 1" {
		t.Errorf("memberOf %s\ntransitiveMemberOf %s", direct.text, nested.text)
	}
	if a := s.call(t, global, "DELETE", "/v1.0/groups/"+ring+"/members/"+id("Pilot")+"/$ref", ""); a.status != 204 {
		t.Errorf("removing Pilot: %d %s", a.status, a.text)
	}
	const assignments = "/v1.0/roleManagement/directory/roleAssignments"
	made := s.call(t, global, "POST", assignments, `{"principalId":"`+id("mika")+`","roleDefinitionId":"`+string(directory.SecurityReader)+`","directoryScopeId":"/"}`)
	assignment, _ := made.at("id").(string)
	filter := "?$filter=" + url.QueryEscape("principalId eq '"+id("mika")+"'")
	if a := s.call(t, global, "GET", assignments+filter, ""); a.at("value", 0, "id") != assignment || made.status != 201 {
		t.Errorf("assigned %d %s, listed %s", made.status, made.text, a.text)
	}
	if a := s.call(t, global, "DELETE", assignments+"/"+assignment, ""); a.status != 204 {
		t.Errorf("unassigning: %d %s", a.status, a.text)
	}
	if a := s.call(t, global, "DELETE", assignments+"/"+assignment, ""); a.status != 404 {
		t.Errorf("unassigning twice: %d, want 404", a.status)
	}
}

func TestDevices(t *testing.T) {
	s := newServer(t)
	byID := s.call(t, global, "GET", "/beta/devices/"+id("LAPTOP-7"), "")
	byDeviceID := s.call(t, global, "GET", "/beta/Devices(DeviceId='"+id("LAPTOP-7 device")+"')", "")
	if diff := cmp.Diff(byID.body, byDeviceID.body); byID.status != 200 || diff != "" {
		t.Errorf("by id and by device id: %d (-id +device id)\n%s", byID.status, diff)
	}
	if byID.at("trustType") != "AzureAd" || byID.at("isCompliant") != nil || byID.at("extensionAttributes", "extensionAttribute1") != nil {
		t.Errorf("device: %s", byID.text)
	}
	if strings.Contains(byID.text, "ZGV2aWNlIGtleQ") { // P11
		t.Errorf("the device's key is shown: %s", byID.text)
	}
	patch := `{"systemLabels":["CloudPC"],"isCompliant":true,"extensionAttributes":{"extensionAttribute3":"kiosk"},"enrollmentProfileName":"Autopilot 自己展開プロファイル"}`
	if a := s.call(t, global, "PATCH", "/beta/devices/"+id("LAPTOP-7"), patch); a.status != 204 {
		t.Fatalf("PATCH: %d %s", a.status, a.text)
	}
	after := s.call(t, global, "GET", "/beta/devices/"+id("LAPTOP-7"), "")
	if after.at("systemLabels", 0) != "CloudPC" || after.at("isCompliant") != true || after.at("extensionAttributes", "extensionAttribute3") != "kiosk" ||
		after.at("enrollmentProfileName") != "Autopilot 自己展開プロファイル" { // S26
		t.Errorf("after PATCH: %s", after.text)
	}
	if a := s.call(t, global, "PATCH", "/beta/devices/"+id("LAPTOP-7"), `{"isCompliant":null}`); a.status != 204 {
		t.Errorf("PATCH to null: %d %s", a.status, a.text)
	}
	if a := s.call(t, global, "GET", "/beta/devices/"+id("LAPTOP-7"), ""); a.at("isCompliant") != nil {
		t.Errorf("after PATCH to null: %s", a.text)
	}
}

func policyJSON(state string) string {
	return `{"displayName":"TP01","state":"` + state + `","conditions":{
		"users":{"includeGroups":["` + id("Pilot") + `"],"excludeGroups":["` + id("Break glass") + `"]},
		"applications":{"includeApplications":["00000002-0000-0ff1-ce00-000000000000"]},
		"platforms":{"includePlatforms":["windows"]},"clientAppTypes":["mobileAppsAndDesktopClients"]},
		"grantControls":null,"sessionControls":{"secureSignInSession":{"isEnabled":true}}}`
}

func TestPolicyLifecycle(t *testing.T) { // S40 S41 S46 S47
	s := newServer(t)
	const as, policies = "contoso/Conditional Access Administrator", "/v1.0/identity/conditionalAccess/policies"
	made := s.call(t, as, "POST", "/v1.0/Identity/conditionalaccess/policies", policyJSON("enabledForReportingButNotEnforced"))
	p, _ := made.at("id").(string)
	if made.status != 201 || made.header.Get("Location") != "https://login.contoso.example"+policies+"/"+p {
		t.Fatalf("POST: %d %s %s", made.status, made.header.Get("Location"), made.text)
	}
	if a := s.call(t, as, "PATCH", policies+"/"+p, `{"state":"enabled","conditions":{"locations":{"includeLocations":["All"]}}}`); a.status != 204 || a.text != "" {
		t.Fatalf("PATCH: %d %s, want 204 and nothing", a.status, a.text)
	}
	got := s.call(t, as, "GET", policies+"/"+p, "")
	delete(got.body, "@boundgate.warnings") // another test's
	want := map[string]any{
		"@odata.context": "https://login.contoso.example/v1.0/$metadata#identity/conditionalAccess/policies/$entity",
		"id":             p, "templateId": nil, "displayName": "TP01", "state": "enabled",
		"createdDateTime": "2026-05-04T07:00:00.0000000Z", "modifiedDateTime": "2026-05-04T07:00:00.0000000Z",
		"conditions": map[string]any{
			"users": map[string]any{"includeUsers": []any{}, "excludeUsers": []any{}, "includeGroups": []any{id("Pilot")}, "excludeGroups": []any{id("Break glass")},
				"includeRoles": []any{}, "excludeRoles": []any{}, "includeGuestsOrExternalUsers": nil, "excludeGuestsOrExternalUsers": nil},
			"applications": map[string]any{"includeApplications": []any{"00000002-0000-0ff1-ce00-000000000000"}, "excludeApplications": []any{},
				"includeUserActions": []any{}, "includeAuthenticationContextClassReferences": []any{}, "applicationFilter": nil},
			"platforms":      map[string]any{"includePlatforms": []any{"windows"}, "excludePlatforms": []any{}},
			"clientAppTypes": []any{"mobileAppsAndDesktopClients"}, "locations": map[string]any{"includeLocations": []any{"All"}, "excludeLocations": []any{}}, "devices": nil, "clientApplications": nil, "authenticationFlows": nil,
			"signInRiskLevels": []any{}, "userRiskLevels": []any{}, "servicePrincipalRiskLevels": []any{}, "insiderRiskLevels": nil,
		},
		"grantControls": nil,
		"sessionControls": map[string]any{"disableResilienceDefaults": nil, "applicationEnforcedRestrictions": nil, "cloudAppSecurity": nil,
			"persistentBrowser": nil, "signInFrequency": nil, "secureSignInSession": map[string]any{"isEnabled": true}},
	}
	if diff := cmp.Diff(want, got.body); diff != "" {
		t.Errorf("GET (-want +got):\n%s", diff)
	}
	if a := s.call(t, as, "GET", policies+"?$filter="+url.QueryEscape("displayName eq 'TP01' and state eq 'enabled'"), ""); a.at("value", 0, "id") != p {
		t.Errorf("filtered list: %s", a.text)
	}
	if a := s.call(t, as, "GET", policies+"?$filter="+url.QueryEscape("state eq 'disabled'"), ""); a.at("value", 0) != nil {
		t.Errorf("list of others: %s", a.text)
	}
	if a := s.call(t, as, "DELETE", policies+"/"+p, ""); a.status != 204 {
		t.Errorf("DELETE: %d %s", a.status, a.text)
	}
	if a := s.call(t, as, "GET", policies+"/"+p, ""); a.status != 404 {
		t.Errorf("GET after DELETE: %d, want 404", a.status)
	}
}

func TestPolicyErrors(t *testing.T) {
	const policies = "/v1.0/identity/conditionalAccess/policies"
	for _, tt := range []struct {
		name, body string
		says       string
	}{
		{"an empty list of client applications", strings.Replace(policyJSON("disabled"), `["mobileAppsAndDesktopClients"]`, `[]`, 1), "1064: "},
		{"an unknown group", strings.Replace(policyJSON("disabled"), id("Pilot"), "99999999-9999-4999-8999-999999999999", 1), "1007: There is no group"},
		{"a broken filter", strings.Replace(policyJSON("disabled"), `"platforms"`, `"devices":{"deviceFilter":{"mode":"exclude","rule":"device.model -eq"}},"platforms"`, 1), "1400: "},
		{"a member that policies do not have", strings.Replace(policyJSON("disabled"), `"platforms"`, `"colours":["red"],"platforms"`, 1), "colours"},
		{"members that differ by case", strings.Replace(policyJSON("disabled"), `"state"`, `"State":"enabled","state"`, 1), "differ by case"},
		{"no object", `[]`, "1007: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newServer(t).call(t, global, "POST", policies, tt.body)
			if message, _ := a.at("error", "message").(string); a.status != 400 || a.at("error", "code") != "BadRequest" || !strings.Contains(message, tt.says) {
				t.Errorf("%d %s, want 400 BadRequest with %q", a.status, a.text, tt.says)
			}
		})
	}
}

func TestPolicyWarningsStandBesideTheResult(t *testing.T) { // S43 S45
	s := newServer(t)
	body := strings.Replace(policyJSON("disabled"), "00000002-0000-0ff1-ce00-000000000000", "Office365", 1)
	body = strings.Replace(body, `"grantControls":null,`, `"grantControls":null,"sessionControls":null,`, 1) // the later one counts
	a := s.call(t, global, "POST", "/beta/identity/conditionalAccess/policies", body)
	if a.status != 201 || a.at("sessionControls", "secureSignInSession", "isEnabled") != true {
		t.Fatalf("POST: %d %s", a.status, a.text)
	}
	first := func(member ...any) any { return a.at(append([]any{"@boundgate.warnings", 0}, member...)...) }
	if first("id") != "office365Selected" || first("rule") != "J-01" || first("severity") != "error" || first("blocks") != true ||
		first("target") != "/conditions/applications/includeApplications" || first("mended", "conditions", "applications", "includeApplications", 2) != "cc15fd57-2c6c-4117-a88c-83b1d56b4bbe" {
		t.Errorf("warnings: %v", a.at("@boundgate.warnings"))
	}
	warnings, _ := a.at("@boundgate.warnings").([]any)
	if last, _ := warnings[len(warnings)-1].(map[string]any); last["id"] != "repeatedMember" || last["target"] != "/sessionControls" {
		t.Errorf("warnings: %v", warnings)
	}
}

func TestWithoutLicencePoliciesAreRefused(t *testing.T) { // S10
	s := newServer(t)
	if a := s.call(t, global, "PATCH", "/beta/subscribedSkus/078d2b04-f1bd-4111-bbd4-b4b1b354cef4", `{"capabilityStatus":"Suspended"}`); a.status != 200 {
		t.Fatalf("suspending: %d %s", a.status, a.text)
	}
	a := s.call(t, global, "POST", "/v1.0/identity/conditionalAccess/policies", policyJSON("enabledForReportingButNotEnforced"))
	if a.status != 403 || a.at("error", "code") != "AccessDenied" || a.at("error", "@boundgate.remedy") == nil {
		t.Errorf("POST: %d %s, want 403 AccessDenied with a remedy", a.status, a.text)
	}
}

func signInRow(rowID string, interactive bool) signinlog.Row {
	return signinlog.Row{
		ID: rowID, AADTenantID: string(contoso), CreatedDateTime: time.Date(2026, 5, 4, 7, 12, 9, 118000000, time.UTC), UserID: id("mika"),
		UserPrincipalName: "mika@contoso.example", UserType: "Member", AppDisplayName: "Microsoft Office", IsInteractive: interactive,
		CorrelationID: "0b9f6f7e-6f0d-4f7e-9a8f-1f6c2d7a4410", ConditionalAccessStatus: "failure",
		Status:                       `{"errorCode":530084,"failureReason":"Access blocked."}`,
		TokenProtectionStatusDetails: `{"signInSessionStatus":"unbound","signInSessionStatusCode":1002}`,
		ConditionalAccessPolicies: `[{"id":"p","displayName":"TP01","enforcedGrantControls":[],"enforcedSessionControls":["SignInTokenProtection"],
			"sessionControlsNotSatisfied":["SignInTokenProtection"],"result":"failure","conditionsSatisfied":23,"conditionsNotSatisfied":0}]`,
	}
}

func TestSignIns(t *testing.T) { // S51 S52
	s := newServer(t)
	s.signIns.rows = []signinlog.Row{signInRow("s2", true), signInRow("s1", false)}
	foreign := signInRow("f1", true)
	foreign.AADTenantID = string(admintest.Fabrikam)
	s.signIns.rows = append(s.signIns.rows, foreign)

	a := s.call(t, "contoso/Reports Reader", "GET", "/beta/auditLogs/signIns?$top=1", "")
	if a.at("value", 0, "id") != "s2" || a.at("value", 1) != nil || a.at("@odata.nextLink") != "https://login.contoso.example/beta/auditLogs/signIns?%24skiptoken=c1&%24top=1" {
		t.Errorf("first page: %s", a.text)
	}
	one := s.call(t, "contoso/Reports Reader", "GET", "/beta/auditLogs/signIns/s1", "")
	if one.at("tokenProtectionStatusDetails", "signInSessionStatusCode") != 1002.0 || one.at("signInEventTypes", 0) != "nonInteractiveUser" ||
		one.at("status", "errorCode") != 530084.0 || one.at("userType") != "member" || one.at("createdDateTime") != "2026-05-04T07:12:09Z" ||
		one.at("appliedConditionalAccessPolicies", 0, "conditionsSatisfied") != "application,users,devicePlatform,clientType" ||
		one.at("appliedConditionalAccessPolicies", 0, "conditionsNotSatisfied") != "none" ||
		one.at("appliedConditionalAccessPolicies", 0, "sessionControlsNotSatisfied", 0) != "SignInTokenProtection" { // S54
		t.Errorf("one sign-in: %s", one.text)
	}
	old := s.call(t, "contoso/Reports Reader", "GET", "/v1.0/auditLogs/signIns/s1", "")
	if _, has := old.body["tokenProtectionStatusDetails"]; has || old.status != 200 {
		t.Errorf("v1.0 shows what only beta has: %s", old.text)
	}
	if a := s.call(t, "contoso/Reports Reader", "GET", "/beta/auditLogs/signIns/f1", ""); a.status != 404 { // P13
		t.Errorf("another tenant's sign-in: %d %s, want 404", a.status, a.text)
	}
}

func ptr[T any](v T) *T { return &v }

func TestSignInFilters(t *testing.T) { // S51
	at := func(s string) time.Time { v, _ := time.Parse(time.RFC3339, s); return v }
	const code = "tokenProtectionStatusDetails/signInSessionStatusCode eq 1003"
	for _, tt := range []struct {
		filter string
		want   graph.SignInQuery
		refuse string // part of the message, where it is refused
	}{
		{"correlationId eq '0B9F'", graph.SignInQuery{CorrelationID: ptr("0b9f")}, ""},
		{"userId eq 'a' and userPrincipalName eq 'Mika.O''Hara@contoso.example'", graph.SignInQuery{UserID: ptr("a"), UPN: ptr("mika.o'hara@contoso.example")}, ""},
		{"createdDateTime ge 2026-05-04T00:00:00Z and createdDateTime le 2026-05-05T00:00:00Z", graph.SignInQuery{From: at("2026-05-04T00:00:00Z"), To: at("2026-05-05T00:00:00Z")}, ""},
		{"status/errorCode eq 530084", graph.SignInQuery{ErrorCode: ptr(530084)}, ""},
		{"(signInEventTypes/any(t: t eq 'nonInteractiveUser') and " + code + ")", graph.SignInQuery{Kind: graph.NonInteractive, SessionCode: ptr(1003)}, ""},
		{"signInEventTypes/any(t:t eq 'interactiveUser' or t eq 'nonInteractiveUser')", graph.SignInQuery{Kind: graph.AnyKind}, ""},
		{"appId eq 'a'", graph.SignInQuery{}, "appId eq 'a'"},
		{"userId ne 'a'", graph.SignInQuery{}, "ne"},
		{"userId eq 'a' or userId eq 'b'", graph.SignInQuery{}, "or"},
		{"userId eq 'a' and userId eq 'b'", graph.SignInQuery{}, "twice"},
		{"not (userId eq 'a')", graph.SignInQuery{}, "not"},
		{"startswith(userPrincipalName,'a')", graph.SignInQuery{}, "startswith"},
		{"createdDateTime ge 'yesterday'", graph.SignInQuery{}, "createdDateTime"},
		{"createdDateTime ge yesterday", graph.SignInQuery{}, "date and time"},
		{"status/errorCode eq '530084'", graph.SignInQuery{}, "status/errorCode"},
		{"signInEventTypes/any(t: t eq 'managedIdentity')", graph.SignInQuery{}, "managedIdentity"},
		{"userId eq 'a", graph.SignInQuery{}, "quote"},
	} {
		t.Run(tt.filter, func(t *testing.T) {
			s := newServer(t)
			a := s.call(t, "contoso/Security Reader", "GET", "/beta/auditLogs/signIns?$filter="+url.QueryEscape(tt.filter), "")
			if tt.refuse != "" {
				if a.status != 400 || !strings.Contains(a.text, tt.refuse) || len(s.signIns.asked) != 0 {
					t.Errorf("%d %s, want 400 with %q", a.status, a.text, tt.refuse)
				}
				return
			}
			tt.want.Limit = 1000
			if len(s.signIns.asked) != 1 {
				t.Fatalf("%d %s: the log was asked %d times", a.status, a.text, len(s.signIns.asked))
			}
			if diff := cmp.Diff(tt.want, s.signIns.asked[0]); diff != "" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
		})
	}
	if a := newServer(t).call(t, "contoso/Security Reader", "GET", "/v1.0/auditLogs/signIns?$filter="+url.QueryEscape(code), ""); a.status != 400 {
		t.Errorf("a filter that only beta has, on v1.0: %d, want 400", a.status)
	}
}

func TestDirectoryAudits(t *testing.T) {
	s := newServer(t)
	s.Now = s.Now.Add(time.Hour)
	s.call(t, global, "PATCH", "/v1.0/users/"+id("mika"), `{"accountEnabled":false}`)
	s.call(t, global, "POST", "/v1.0/groups", `{"displayName":"Ring 1"}`)
	first := s.call(t, "contoso/Security Reader", "GET", "/v1.0/auditLogs/directoryAudits?$top=1", "")
	next, _ := first.at("@odata.nextLink").(string)
	if first.at("value", 0, "activityDisplayName") != "Add group" || next == "" {
		t.Fatalf("first page: %s", first.text)
	}
	second := s.call(t, "contoso/Security Reader", "GET", strings.TrimPrefix(next, "https://login.contoso.example"), "")
	change := second.at("value", 0, "targetResources", 0, "modifiedProperties")
	want := []any{map[string]any{"displayName": "accountEnabled", "oldValue": "true", "newValue": "false"}}
	if diff := cmp.Diff(want, change); diff != "" || second.at("value", 0, "initiatedBy", "user", "userPrincipalName") != "admin@contoso.example" {
		t.Errorf("second page %s (-want +got):\n%s", second.text, diff)
	}
	since := "?$filter=" + url.QueryEscape("activityDateTime ge 2026-05-04T08:00:00Z")
	if a := s.call(t, "contoso/Security Reader", "GET", "/v1.0/auditLogs/directoryAudits"+since, ""); a.at("value", 0, "activityDisplayName") != "Add group" || a.at("value", 2) != nil {
		t.Errorf("since an hour: %s", a.text)
	}
	if a := s.call(t, "fabrikam/Security Reader", "GET", "/v1.0/auditLogs/directoryAudits"+since, ""); a.at("value", 0) != nil { // P13
		t.Errorf("another tenant reads: %s", a.text)
	}
}

func TestTenants(t *testing.T) {
	s := newServer(t)
	made := s.call(t, global, "POST", "/beta/boundgate/tenants", `{"displayName":"Tailspin","domain":"Tailspin.example","administrator":{"userPrincipalName":"root@tailspin.example","displayName":"Root"}}`)
	if p, _ := made.at("administrator", "passwordProfile", "password").(string); made.status != 201 || len(p) < 16 || made.at("domains", 0, "name") != "tailspin.example" {
		t.Fatalf("POST: %d %s", made.status, made.text)
	}
	if a := s.call(t, global, "POST", "/beta/boundgate/tenants", `{"displayName":"T","domain":"tailspin.example","administrator":{"userPrincipalName":"r@tailspin.example","displayName":"R"}}`); a.status != 409 {
		t.Errorf("the same domain again: %d %s, want 409", a.status, a.text)
	}
	if a := s.call(t, global, "PATCH", "/beta/boundgate/tenants/"+string(contoso), `{"settings":{"devicesPerUser":7}}`); a.status != 204 {
		t.Errorf("PATCH: %d %s", a.status, a.text)
	}
	own := s.call(t, global, "GET", "/beta/boundgate/tenants/"+string(contoso), "")
	if own.at("settings", "devicesPerUser") != 7.0 {
		t.Errorf("GET: %s", own.text)
	}
	newID, _ := made.at("id").(string)
	if a := s.call(t, global, "GET", "/beta/boundgate/tenants/"+newID, ""); a.status != 404 {
		t.Errorf("the operator reads another tenant: %d %s, want 404", a.status, a.text)
	}
	if a := s.call(t, global, "GET", "/v1.0/organization", ""); a.at("value", 0, "id") != string(contoso) || a.at("value", 0, "workspaceId") == nil {
		t.Errorf("organization: %s", a.text)
	}
}

func TestCatalogue(t *testing.T) { // S13
	s := newServer(t)
	const teams = "/v1.0/applications(appId='1fec8e78-bce4-4aaf-ab1b-5451cc387264')"
	if a := s.call(t, "contoso/Security Reader", "GET", teams, ""); a.at("minimumVersion") != "1.6.00.1331" || a.at("listed") != true {
		t.Errorf("Teams: %s", a.text)
	}
	if a := s.call(t, global, "PATCH", teams, `{"minimumVersion":"1.7.0"}`); a.status != 204 {
		t.Fatalf("PATCH: %d %s", a.status, a.text)
	}
	if a := s.call(t, global, "GET", teams, ""); a.at("minimumVersion") != "1.7.0" {
		t.Errorf("Teams after the change: %s", a.text)
	}
	if a := s.call(t, global, "DELETE", teams, ""); a.status != 409 {
		t.Errorf("deleting a built-in application: %d, want 409", a.status)
	}
	made := s.call(t, global, "POST", "/v1.0/servicePrincipals", `{"displayName":"Payroll","servicePrincipalNames":["api://payroll"]}`) // S05
	payroll, _ := made.at("id").(string)
	if a := s.call(t, global, "DELETE", "/v1.0/servicePrincipals/"+payroll, ""); made.status != 201 || a.status != 204 {
		t.Errorf("adding and removing a resource: %d %s, %d %s", made.status, made.text, a.status, a.text)
	}
}

func TestDoctor(t *testing.T) {
	s := newServer(t)
	s.call(t, global, "PATCH", "/beta/boundgate/tenants/"+string(contoso), `{"settings":{"allowKdf1":true}}`)
	a := s.call(t, "contoso/Security Reader", "GET", "/beta/boundgate/doctor", "")
	if a.at("value", 0, "id") != "kdf1Allowed" || a.at("value", 0, "remedy") == nil {
		t.Errorf("doctor: %s", a.text)
	}
}

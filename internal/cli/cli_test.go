package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"boundgate/internal/admin"
	"boundgate/internal/admin/admintest"
	"boundgate/internal/cli"
	"boundgate/internal/directory"
	"boundgate/internal/signinlog"
	"boundgate/internal/wire/graph"

	"github.com/spf13/cobra"
)

const contoso = admintest.Contoso

func id(name string) string { return string(admintest.ID(contoso, name)) }

// A server is the real Graph routes over TLS, with a token endpoint and a query endpoint of its own: enough of a
// deployment for the commands to speak to.
type server struct {
	*admintest.Organisation
	*httptest.Server
	dir    string // of the administrator's computer
	caFile string

	mu       sync.Mutex
	issued   int
	tokens   map[string]admin.Subject // access tokens
	refresh  string                   // the one refresh token that is good
	reused   bool
	grants   []string
	queries  []string
	answer   string // of the query endpoint
	revoked  bool   // makes every access token stale
	rejected int
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{Organisation: admintest.NewOrganisation(t), dir: filepath.Join(t.TempDir(), "config"), tokens: map[string]admin.Subject{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", s.token)
	mux.HandleFunc("POST /v1/workspaces/{workspace}/query", s.query)
	var routes http.Handler
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/beta/") { // fixed roots come before tenants
			routes.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	routes = graph.New(graph.Deps{Admin: s.Service, Auth: s, SignIns: s, PublicURL: s.URL})
	s.caFile = filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(s.caFile, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// token is the token endpoint: passwords for admin@, and refresh tokens that work once.
func (s *server) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	grant, presented := r.PostFormValue("grant_type"), r.PostFormValue("refresh_token")
	s.grants = append(s.grants, grant)
	good := grant == "password" && r.PostFormValue("username") == "admin@contoso.example" && r.PostFormValue("password") == admintest.Password ||
		grant == "refresh_token" && presented == s.refresh
	if grant == "refresh_token" && presented != s.refresh {
		s.reused = true
	}
	if !good || r.PathValue("tenant") != "contoso.example" || r.PostFormValue("client_id") != string(directory.CommandLine) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant","error_description":"AADSTS50126: Error validating credentials due to invalid username or password. Trace ID: x\r\nCorrelation ID: y","error_codes":[50126]}`)
		return
	}
	s.issued++
	s.revoked = false
	access := fmt.Sprintf("access-%d", s.issued)
	s.tokens[access] = admin.Subject{Tenant: contoso, User: admintest.ID(contoso, "admin"), App: directory.CommandLine, AuthTime: s.Now}
	s.refresh = fmt.Sprintf("refresh-%d", s.issued)
	fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3600,"access_token":%q,"refresh_token":%q}`, access, s.refresh)
}

// Authenticate implements graph.Authenticator with the roles that the store has now.
func (s *server) Authenticate(ctx context.Context, bearer string) (admin.Caller, error) {
	s.mu.Lock()
	subject, ok := s.tokens[bearer]
	if s.revoked {
		s.rejected++
		ok = false
	}
	s.mu.Unlock()
	if !ok {
		return admin.Caller{}, graph.ErrInvalidToken
	}
	return s.Service.CallerFor(ctx, subject)
}

func (s *server) query(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	s.queries = append(s.queries, r.PathValue("workspace")+" "+string(body))
	if strings.Contains(string(body), "oops") {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":{"message":"The request had some invalid properties","code":"BadArgumentError","innererror":{"code":"SyntaxError","message":"line 1, column 14: unknown operator \"oops\""}}}`)
		return
	}
	fmt.Fprint(w, s.answer)
}

// SignIns implements graph.SignIns with one refused sign-in.
func (s *server) SignIns(_ context.Context, _ directory.TenantID, q graph.SignInQuery) ([]signinlog.Row, string, error) {
	if q.ID != "" && q.ID != "s1" {
		return nil, "", nil
	}
	return []signinlog.Row{{ID: "s1", CreatedDateTime: admintest.Start, UserPrincipalName: "mika@contoso.example", AppDisplayName: "Microsoft Office",
		ResourceDisplayName: "Office 365 Exchange Online", Status: `{"errorCode":530084,"failureReason":"Access blocked.","additionalDetails":"Sign in through the broker."}`,
		TokenProtectionStatusDetails: `{"signInSessionStatus":"unbound","signInSessionStatusCode":1002}`, DeviceDetail: `{"deviceId":"","displayName":"端末\u001b[31m"}`,
		ConditionalAccessPolicies: `[{"id":"p","displayName":"TP01","result":"failure","sessionControlsNotSatisfied":["SignInTokenProtection"]}]`}}, "", nil
}

// A result is what a command did.
type result struct {
	code        int
	out, errOut string
}

// run executes a command line against the server's directory.
func (s *server) run(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	root := cli.New("1.2.3", cli.Streams{In: strings.NewReader(stdin), Out: &out, Err: &errOut})
	code := cli.Run(context.Background(), root, append([]string{"--config-dir", s.dir}, args...))
	return result{code, out.String(), errOut.String()}
}

// signIn signs the administrator in.
func (s *server) signIn(t *testing.T) {
	t.Helper()
	r := s.run(t, admintest.Password+"\n", "login", "--server", s.URL, "--ca-file", s.caFile, "--password-stdin", "admin@contoso.example")
	if r.code != cli.ExitOK {
		t.Fatalf("login: %+v", r)
	}
}

// must runs a command line that has to succeed, and returns what it printed.
func (s *server) must(t *testing.T, args ...string) string {
	t.Helper()
	r := s.run(t, "", args...)
	if r.code != cli.ExitOK {
		t.Fatalf("%q: exit code %d\n%s%s", args, r.code, r.out, r.errOut)
	}
	return r.out
}

func TestLoginKeepsTheSignInPrivate(t *testing.T) { // P11
	s := newServer(t)
	s.signIn(t)
	path := filepath.Join(s.dir, "session.json")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("session file: %v, %v, want mode 0600", info, err)
	}
	data, err := os.ReadFile(path)
	if err != nil || bytes.Contains(data, []byte(admintest.Password)) {
		t.Errorf("the session file holds the password, or cannot be read: %v", err)
	}
	if out := s.must(t, "whoami"); !strings.Contains(out, "admin@contoso.example") || !strings.Contains(out, "Global Administrator") {
		t.Errorf("whoami: %s", out)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if r := s.run(t, "", "whoami"); r.code != cli.ExitFailed || !strings.Contains(r.errOut, "error: ") || !strings.Contains(r.errOut, "hint: run \"chmod 600") {
		t.Errorf("with mode 0640: %+v, want a refusal with a hint", r)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	s.must(t, "logout")
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("after logout: %v, want no file", err)
	}
	if r := s.run(t, "", "whoami"); r.code != cli.ExitFailed || !strings.Contains(r.errOut, "hint: run \"boundgate login") {
		t.Errorf("after logout: %+v", r)
	}
}

func TestPasswordFromTheEnvironment(t *testing.T) {
	s := newServer(t)
	t.Setenv("BOUNDGATE_PASSWORD", admintest.Password)
	if r := s.run(t, "", "login", "--server", s.URL, "--ca-file", s.caFile, "admin@contoso.example"); r.code != cli.ExitOK {
		t.Errorf("login: %+v", r)
	}
	// It is the administrator's own and nobody else's.
	if r := s.run(t, "", "user", "create", "ken@contoso.example", "--name", "Ken"); r.code != cli.ExitFailed || !strings.Contains(r.errOut, "hint: use --password-stdin") {
		t.Errorf("user create without a password: %+v, want a refusal", r)
	}
}

// What the server refuses, the command says in the server's words, with a hint, and exits with 1; a wrong command line
// exits with 2.
func TestExitCodesAndHints(t *testing.T) {
	s := newServer(t)
	wrong := s.run(t, "wrong password\n", "login", "--server", s.URL, "--ca-file", s.caFile, "--password-stdin", "admin@contoso.example")
	if wrong.code != cli.ExitFailed || !strings.Contains(wrong.errOut, "error: AADSTS50126") || strings.Contains(wrong.errOut, "wrong password") { // P11
		t.Errorf("login with a wrong password: %+v", wrong)
	}
	s.signIn(t)
	for _, tt := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"no argument", []string{"user", "show"}, cli.ExitUsage, []string{"error: USER is missing", `hint: run "boundgate user show --help"`}},
		{"one argument too many", []string{"user", "list", "x"}, cli.ExitUsage, []string{`unexpected argument "x"`}},
		{"an unknown command", []string{"polcy"}, cli.ExitUsage, []string{`unknown command "polcy"`, `did you mean "boundgate policy"?`}},
		{"an unknown command below another", []string{"user", "lst"}, cli.ExitUsage, []string{`did you mean "boundgate user list"?`}},
		{"an unknown flag", []string{"user", "list", "--colour"}, cli.ExitUsage, []string{"unknown flag: --colour"}},
		{"a state that there is not", []string{"policy", "state", "TP01", "maybe"}, cli.ExitUsage, []string{"on, off or report-only"}},
		{"nothing to set", []string{"device", "set", "LAPTOP-7"}, cli.ExitUsage, []string{"nothing to set"}},
		{"two sources of a password", []string{"user", "create", "x@contoso.example", "--generate", "--password-stdin"}, cli.ExitUsage, []string{"exclude each other"}},
		{"a user that there is not", []string{"user", "show", "nobody@contoso.example"}, cli.ExitFailed, []string{"error: There is no such object in this tenant.", "hint: Check the id"}},
		{"a group that there is not", []string{"group", "delete", "Nobody"}, cli.ExitFailed, []string{`there is no group named "Nobody"`, "hint: run \"boundgate group list\""}},
		{"another server than the one signed in to", []string{"--server", "https://elsewhere.example", "whoami"}, cli.ExitFailed, []string{"you are signed in to", "hint:"}},
		{"a server without TLS", []string{"--server", "http://localhost", "login", "a@b.example"}, cli.ExitFailed, []string{"is not the https URL"}},
		{"a file that is not there", []string{"policy", "create", "-f", "missing.json"}, cli.ExitFailed, []string{"cannot read the policy"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := s.run(t, "", tt.args...)
			if r.code != tt.code {
				t.Errorf("exit code %d, want %d: %s", r.code, tt.code, r.errOut)
			}
			for _, say := range tt.says {
				if !strings.Contains(r.errOut, say) {
					t.Errorf("%q does not say %q", r.errOut, say)
				}
			}
		})
	}
}

// The roles of the server decide, not the command.
func TestRefusalsNameTheRoles(t *testing.T) { // S40
	s := newServer(t)
	s.signIn(t)
	ctx, c := context.Background(), admintest.Caller(contoso, directory.GlobalAdministrator)
	if _, err := s.Service.AssignRole(ctx, c, directory.GlobalAdministrator, id("mika")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Service.AssignRole(ctx, c, directory.SecurityReader, id("admin")); err != nil {
		t.Fatal(err)
	}
	if err := s.Service.UnassignRole(ctx, c, string(directory.GlobalAdministrator)+"_"+id("admin")); err != nil {
		t.Fatal(err)
	}
	r := s.run(t, "{}", "policy", "create", "-f", "-")
	if r.code != cli.ExitFailed || !strings.Contains(r.errOut, "needs the role Conditional Access Administrator, Security Administrator or Global Administrator") || !strings.Contains(r.errOut, "hint: ") {
		t.Errorf("policy create as a reader: %+v", r)
	}
	s.must(t, "policy", "list")
}

func TestPolicyRollout(t *testing.T) { // S32 S40 S43 S47
	s := newServer(t)
	s.signIn(t)
	document := s.must(t, "policy", "template", "token-protection", "--group", "Pilot", "--exclude-group", "Break glass")
	if !strings.Contains(document, `"includeGroups": [`+"\n        \""+id("Pilot")) && !strings.Contains(document, id("Pilot")) {
		t.Errorf("template: %s", document)
	}
	made := s.run(t, document, "policy", "create", "-f", "-")
	if made.code != cli.ExitOK || !strings.Contains(made.out, "report-only") || strings.Count(made.errOut, "warning: ") != 2 || strings.Count(made.errOut, "companion policy") != 2 {
		t.Fatalf("create: %+v, want a report-only policy and no warnings but of the companions", made)
	}
	const name = "TP01 - Token protection - Windows native apps"
	if set := s.run(t, "", "policy", "state", name, "on"); set.code != cli.ExitOK || !strings.Contains(set.errOut, "warning: The policy was report-only for 0 minutes") { // S31
		t.Errorf("state on: %+v, want a warning that it was hardly report-only", set)
	}
	if out := s.must(t, "policy", "list"); !strings.Contains(out, name+"  on     yes") {
		t.Errorf("list:\n%s", out)
	}
	const office365 = `{"conditions":{"applications":{"includeApplications":["Office365"]}}}`
	refused := s.run(t, office365, "policy", "update", name, "-f", "-")
	if refused.code != cli.ExitFailed || !strings.Contains(refused.errOut, "error: The policy cannot be On as it is (office365Selected)") || !strings.Contains(refused.errOut, "--override-reason") {
		t.Errorf("update: %+v, want a refusal that says how to override it", refused)
	}
	warned := s.run(t, office365, "policy", "update", name, "-f", "-", "--override-reason", "Asked for by the board")
	if warned.code != cli.ExitOK || !strings.Contains(warned.errOut, "warning: The policy selects the Office 365 group") || !strings.Contains(warned.errOut, "hint: ") {
		t.Errorf("update: %+v, want a warning with a hint", warned)
	}
	var shown map[string]any
	if err := json.Unmarshal([]byte(s.must(t, "policy", "show", name)), &shown); err != nil || shown["state"] != "enabled" || shown["@boundgate.overrideReason"] != "Asked for by the board" {
		t.Errorf("show: %v, %v", shown, err)
	}
	s.must(t, "licence", "set", "AAD_PREMIUM", "--status", "Suspended")
	if r := s.run(t, document, "policy", "create", "-f", "-"); r.code != cli.ExitFailed || !strings.Contains(r.errOut, "no licence that includes Conditional Access") { // S10
		t.Errorf("create without a licence: %+v", r)
	}
	s.must(t, "policy", "delete", name)
	if out := s.must(t, "policy", "list", "--json"); strings.TrimSpace(out) != "null" && strings.TrimSpace(out) != "[]" {
		t.Errorf("list after delete: %s", out)
	}
}

func TestDirectoryCommands(t *testing.T) {
	s := newServer(t)
	s.signIn(t)
	out := s.must(t, "user", "create", "ken@contoso.example", "--name", "健", "--generate")
	if !strings.Contains(out, "Password") {
		t.Errorf("user create --generate prints no password: %s", out)
	}
	if out := s.run(t, "a good long password\n", "user", "password", "--password-stdin", "ken@contoso.example"); out.code != cli.ExitOK || strings.Contains(out.out+out.errOut, "good long") { // P11
		t.Errorf("user password: %+v", out)
	}
	s.must(t, "user", "disable", "ken@contoso.example")
	if u, err := s.Store.UserByName(context.Background(), contoso, "ken@contoso.example"); err != nil || u.Enabled {
		t.Errorf("after disable: %+v, %v", u, err)
	}
	s.must(t, "user", "enable", "ken@contoso.example")
	s.must(t, "user", "revoke-sessions", "ken@contoso.example")
	s.must(t, "group", "create", "Ring 1")
	s.must(t, "group", "add", "Ring 1", "ken@contoso.example", "Pilot")
	if out := s.must(t, "group", "members", "Ring 1"); !strings.Contains(out, "ken@contoso.example") || !strings.Contains(out, "Pilot") {
		t.Errorf("members: %s", out)
	}
	s.must(t, "group", "remove", "Ring 1", "Pilot")
	s.must(t, "role", "assign", "security reader", "ken@contoso.example")
	if out := s.must(t, "user", "show", "ken@contoso.example"); !strings.Contains(out, "Ring 1") || !strings.Contains(out, "Security Reader") {
		t.Errorf("user show: %s", out)
	}
	s.must(t, "role", "unassign", "Security Reader", "ken@contoso.example")
	s.must(t, "user", "delete", "ken@contoso.example")
	s.must(t, "group", "delete", "Ring 1")
	s.must(t, "device", "set", "LAPTOP-7", "--compliant", "true", "--system-label", "CloudPC", "--extension-attribute", "3=kiosk")
	if out := s.must(t, "device", "show", "LAPTOP-7"); !strings.Contains(out, "kiosk") || !strings.Contains(out, "CloudPC") || !strings.Contains(out, "Compliant            yes") {
		t.Errorf("device show: %s", out)
	}
	s.must(t, "device", "disable", id("LAPTOP-7 device"))
	s.must(t, "device", "delete", id("LAPTOP-7"))
	s.must(t, "app", "set", "Microsoft Teams", "--minimum-version", "1.7.0")
	if out := s.must(t, "app", "list"); !strings.Contains(out, "from 1.7.0") { // S13
		t.Errorf("app list: %s", out)
	}
	s.must(t, "app", "add", "Payroll", "--redirect-uri", "http://localhost")
	s.must(t, "app", "remove", "Payroll")
	s.must(t, "resource", "add", "Payroll", "--identifier", "api://payroll") // S05
	s.must(t, "resource", "remove", "Payroll")
	if out := s.must(t, "role", "list"); !strings.Contains(out, "Global Administrator") || !strings.Contains(out, "admin@contoso.example") {
		t.Errorf("role list: %s", out)
	}
	if out := s.must(t, "licence", "list"); !strings.Contains(out, "AAD_PREMIUM  Enabled  100") {
		t.Errorf("licence list: %s", out)
	}
	if out := s.must(t, "resource", "list"); !strings.Contains(out, "Office 365 Exchange Online") {
		t.Errorf("resource list: %s", out)
	}
	s.must(t, "device", "create", "SRV-3", "--os", "Windows Server", "--os-version", "10.0.20348.2402", "--sid", "S-1-5-21-1-2-3-1104", "--certificate", s.caFile) // S12
	if out := s.must(t, "device", "list"); !strings.Contains(out, "SRV-3   Windows Server 10.0.20348.2402  ServerAd") {
		t.Errorf("device list: %s", out)
	}
	s.must(t, "tenant", "add-domain", string(contoso), "contoso.test")
	s.must(t, "tenant", "remove-domain", string(contoso), "contoso.test")
	s.must(t, "tenant", "set", "--devices-per-user", "7")
	if out := s.must(t, "tenant", "show"); !strings.Contains(out, `"devicesPerUser":7`) {
		t.Errorf("tenant show: %s", out)
	}
	s.must(t, "tenant", "create", "tailspin.example", "--name", "Tailspin", "--generate")
	if out := s.must(t, "tenant", "list"); !strings.Contains(out, "Tailspin") {
		t.Errorf("tenant list: %s", out)
	}
	if out := s.must(t, "audit", "list", "--top", "3"); strings.Count(out, "\n") != 4 || !strings.Contains(out, "Create tenant") {
		t.Errorf("audit list: %s", out)
	}
	s.must(t, "tenant", "set", "--allow-kdf1=true")
	if r := s.run(t, "", "doctor"); r.code != cli.ExitFailed || !strings.Contains(r.out, "key derivation version 1") {
		t.Errorf("doctor: %+v, want 1 and the finding", r)
	}
}

func TestSignInCommands(t *testing.T) { // S51
	s := newServer(t)
	s.signIn(t)
	listed := s.must(t, "signin", "list", "--user", "mika@contoso.example", "--since", "24h", "--code", "1002", "--non-interactive")
	if !strings.Contains(listed, "Unbound (1002)") || !strings.Contains(listed, "530084") {
		t.Errorf("list: %s", listed)
	}
	shown := s.must(t, "signin", "show", "s1")
	for _, want := range []string{"Unbound (1002)", "Policy TP01", "not satisfied: SignInTokenProtection", "Sign in through the broker."} {
		if !strings.Contains(shown, want) {
			t.Errorf("show does not say %q:\n%s", want, shown)
		}
	}
	if strings.ContainsRune(listed+shown, '\x1b') {
		t.Errorf("a device's name reaches the terminal as a control sequence: %q", listed)
	}
	if r := s.run(t, "", "signin", "show", "s2"); r.code != cli.ExitFailed {
		t.Errorf("show of an unknown one: %+v", r)
	}
}

func TestQuery(t *testing.T) { // S53
	s := newServer(t)
	s.signIn(t)
	s.answer = `{"tables":[{"name":"PrimaryResult","columns":[{"name":"App","type":"string"},{"name":"n","type":"long"}],"rows":[["=cmd()",-3],["端末",12],[null,0]]}]}`
	if out, want := s.must(t, "query", "SigninLogs | take 3"), "App     n\n=cmd()  -3\n端末    12\n        0\n"; out != want {
		t.Errorf("table:\n%s\nwant:\n%s", out, want)
	}
	file := filepath.Join(t.TempDir(), "q.kql")
	if err := os.WriteFile(file, []byte("//comment\nSigninLogs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, want := s.must(t, "query", "-f", file, "--csv"), "App,n\n'=cmd(),-3\n端末,12\n,0\n"; out != want {
		t.Errorf("CSV:\n%s\nwant:\n%s", out, want)
	}
	var raw map[string]any
	if err := json.Unmarshal([]byte(s.must(t, "query", "--json", "SigninLogs")), &raw); err != nil || raw["tables"] == nil {
		t.Errorf("JSON: %v, %v", raw, err)
	}
	workspace, err := s.Store.WorkspaceOf(context.Background(), contoso)
	if err != nil {
		t.Fatal(err)
	}
	if want := workspace + ` {"query":"SigninLogs | take 3"}`; s.queries[0] != want {
		t.Errorf("the server was asked %q, want %q", s.queries[0], want)
	}
	if r := s.run(t, "", "query", "SigninLogs | oops"); r.code != cli.ExitFailed || !strings.Contains(r.errOut, `line 1, column 14: unknown operator "oops"`) {
		t.Errorf("a query with an error: %+v", r)
	}
	if r := s.run(t, "", "query"); r.code != cli.ExitUsage {
		t.Errorf("no query: %+v", r)
	}
}

// A refresh token works once. Commands that run at the same moment share the renewal, and none of them looks like a thief.
func TestCommandsAtOnceShareARenewal(t *testing.T) {
	s := newServer(t)
	s.signIn(t)
	s.mu.Lock()
	s.revoked = true // the kept access token is no longer good
	s.mu.Unlock()
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if r := s.run(t, "", "whoami"); r.code != cli.ExitOK {
				t.Errorf("whoami: %+v", r)
			}
		})
	}
	wg.Wait()
	if s.reused {
		t.Error("a refresh token was presented twice")
	}
	if s.rejected == 0 || s.issued != 2 {
		t.Errorf("%d refused requests and %d grants (%v), want refusals and one renewal after the sign-in", s.rejected, s.issued, s.grants)
	}
}

// The access token goes to the server that was signed in to, wherever that server points.
func TestTokenStaysWithTheServer(t *testing.T) { // P11
	var stolen []string
	thief := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stolen = append(stolen, r.Header.Get("Authorization")) }))
	defer thief.Close()
	s := newServer(t)
	s.signIn(t)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "users") {
			fmt.Fprintf(w, `{"value":[],"@odata.nextLink":"%s/beta/groups"}`, thief.URL)
			return
		}
		http.Redirect(w, r, thief.URL, http.StatusFound)
	})
	s.run(t, "", "user", "list")
	if r := s.run(t, "", "group", "list"); r.code != cli.ExitFailed {
		t.Errorf("a redirect: %+v, want a failure", r)
	}
	if len(stolen) != 0 {
		t.Errorf("another server received %v", stolen)
	}
}

func TestUnknownCertificateAuthority(t *testing.T) {
	s := newServer(t)
	s.Config.ErrorLog = nil
	r := s.run(t, admintest.Password+"\n", "login", "--server", s.URL, "--password-stdin", "admin@contoso.example")
	if r.code != cli.ExitFailed || !strings.Contains(r.errOut, "--ca-file") {
		t.Errorf("login without --ca-file: %+v, want a hint that names it", r)
	}
	if len(s.grants) != 0 {
		t.Error("the password was sent to a server that is not trusted")
	}
}

// Every command has an example, a short description, and works with --help.
func TestEveryCommandHasHelp(t *testing.T) {
	root := cli.New("1.2.3", cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Example == "" {
			t.Errorf("%q has no short description or no example", cmd.CommandPath())
		}
		if !strings.Contains(cmd.Example, "boundgate") {
			t.Errorf("the example of %q is not a command line", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

func TestShellCompletion(t *testing.T) {
	s := newServer(t)
	if out := s.must(t, "completion", "bash"); !strings.Contains(out, "bash completion") {
		t.Errorf("completion: %.80s", out)
	}
	if out := s.must(t, "__complete", "policy", "st"); !strings.Contains(out, "state") {
		t.Errorf("completing \"policy st\": %s", out)
	}
}

// No secret that a command has seen is in what it prints.
func TestNothingSecretIsPrinted(t *testing.T) { // P11
	s := newServer(t)
	s.signIn(t)
	var printed strings.Builder
	for _, args := range [][]string{{"whoami"}, {"whoami", "--json"}, {"user", "list", "--json"}, {"device", "list", "--json"}, {"tenant", "show", "--json"},
		{"audit", "list", "--json"}, {"user", "show", "nobody@contoso.example"}, {"query", "oops"}} {
		r := s.run(t, "", args...)
		printed.WriteString(r.out + r.errOut)
	}
	users, err := s.Store.Users(context.Background(), contoso)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{admintest.Password, s.refresh, "access-1", "access-2"}
	for _, u := range users {
		secrets = append(secrets, u.PasswordHash)
	}
	for _, secret := range secrets {
		if strings.Contains(printed.String(), secret) {
			t.Errorf("%q was printed", secret)
		}
	}
}

// The kept sign-in is not written through a link that somebody else has laid.
func TestSessionFileIsNotALink(t *testing.T) {
	s := newServer(t)
	s.signIn(t)
	path := filepath.Join(s.dir, "session.json")
	if err := os.Rename(path, path+".real"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path+".real", path); err != nil {
		t.Fatal(err)
	}
	if r := s.run(t, "", "whoami"); r.code != cli.ExitFailed {
		t.Errorf("a link for a session: %+v, want a refusal", r)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link: %v, %v", info, err)
	}
}

package brokercli_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"boundgate/internal/broker"
	"boundgate/internal/broker/brokertest"
	"boundgate/internal/brokercli"
)

// A terminal runs commands as a person would who has set the server's address and authority.
type terminal struct {
	t      *testing.T
	server *brokertest.Server
	home   string // where directories of brokers are
	ca     string
	env    map[string]string
}

func newTerminal(t *testing.T) terminal {
	t.Helper()
	server := brokertest.NewAt(t, time.Now()) // commands go by the machine's clock
	home := t.TempDir()
	ca := filepath.Join(home, "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.CertificateAuthority()})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return terminal{t, server, home, ca, map[string]string{
		"BOUNDGATE_SERVER": server.URL, "BOUNDGATE_CA_FILE": ca, "BOUNDGATE_PASSWORD": brokertest.Password,
		"BOUNDGATE_BROKER_DIR": filepath.Join(home, "laptop"),
	}}
}

// A result is what a command left behind.
type result struct {
	code        int
	out, errors string
}

// run runs a command line; words are separated by blanks.
func (x terminal) run(line string) result { return x.pipe("", line) }

func (x terminal) pipe(in, line string) result {
	x.t.Helper()
	var out, errors bytes.Buffer
	code := brokercli.Run(x.t.Context(), strings.Fields(line), brokercli.Streams{In: strings.NewReader(in), Out: &out, Err: &errors},
		func(name string) (string, bool) { value, ok := x.env[name]; return value, ok })
	for _, secret := range []string{brokertest.Password, "wrong horse"} {
		if strings.Contains(out.String()+errors.String(), secret) {
			x.t.Errorf("%s shows the password:\n%s%s", line, out.String(), errors.String())
		}
	}
	return result{code, out.String(), errors.String()}
}

// must runs a command that has to succeed.
func (x terminal) must(line string) result {
	x.t.Helper()
	r := x.run(line)
	if r.code != 0 {
		x.t.Fatalf("boundgate-broker %s: exit code %d\n%s", line, r.code, r.errors)
	}
	return r
}

func TestJoinTokenLeave(t *testing.T) { // S30 S60
	x := newTerminal(t)
	joined := x.must("join --user alice@contoso.example --name laptop --os Windows --os-version 10.0.22631.3593")
	for _, want := range []string{`Device +laptop \([0-9a-f-]{36}\)`, `State +joined`, `Keys +software`, `Signed in +alice@contoso.example, until 20`} {
		if !regexp.MustCompile(want).MatchString(joined.out) {
			t.Errorf("join prints\n%swithout %s", joined.out, want)
		}
	}
	if !strings.Contains(joined.errors, "warning: The device's keys are files: whoever copies them copies the device.") { // P20
		t.Errorf("join warns %q, want the warning about software keys", joined.errors)
	}
	if token := x.must("token --resource https://outlook.office365.com"); strings.Count(token.out, ".") != 2 || token.errors != "" {
		t.Errorf("token prints %q and %q, want an access token and nothing else", token.out, token.errors)
	}
	x.must("renew")
	x.must("sign-in --user bob@contoso.example")
	x.must("token --resource https://outlook.office365.com --user bob@contoso.example")
	if out := x.must("sign-out --user bob@contoso.example").out; strings.Contains(out, "bob") || !strings.Contains(out, "alice") {
		t.Errorf("sign-out of Bob leaves\n%s", out)
	}
	if out := x.must("leave").out; out != "This device is not registered.\n" {
		t.Errorf("leave prints %q", out)
	}
}

func TestHybridJoin(t *testing.T) {
	x := newTerminal(t)
	const id, sid = "d9dc3483-8809-4802-a8fc-ac70d8591810", "S-1-5-21-1004336348-1177238915-682003330-2107"
	join := "hybrid-join --domain contoso.example --device-id " + id + " --sid " + sid
	if r := x.run(join); r.code != 1 || !strings.Contains(r.errors, "hint: run `boundgate-broker hybrid-join prepare` first") {
		t.Errorf("hybrid-join before prepare: %+v", r)
	}
	x.server.Synchronise(t, id, sid, x.must("hybrid-join prepare --device-id "+id).out)
	if out := x.must(join).out; !strings.Contains(out, "hybrid joined") || !strings.Contains(out, "nobody") {
		t.Errorf("hybrid-join prints\n%s", out)
	}
	x.must("sign-in --user alice@contoso.example")
	x.must("token --resource https://outlook.office365.com")
}

func TestExitCodesAndMessages(t *testing.T) { // S61
	x := newTerminal(t)
	x.must("join --user alice@contoso.example")
	x.must("sign-in --user bob@contoso.example")
	fresh := "--dir " + filepath.Join(x.home, "fresh") + " "
	noCA := filepath.Join(x.home, "nothing.pem")
	damaged := filepath.Join(x.home, "damaged")
	if err := os.Mkdir(damaged, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(damaged, "state.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, in, line string
		code           int
		message, hint  string
	}{
		{"an unknown command", "", "joyn", 2, `unknown command "joyn"`, "Did you mean this? join"},
		{"an unknown flag", "", "status --verbose", 2, "unknown flag: --verbose", "see `boundgate-broker --help`"},
		{"a flag is missing", "", "sign-in", 2, `required flag(s) "user" not set`, "see `boundgate-broker --help`"},
		{"an argument too many", "", "status now", 2, `unexpected argument "now"`, "see `boundgate-broker --help`"},
		{"a secret as an argument", "", "sign-in --user a@b --password x", 2, "unknown flag: --password", "see `boundgate-broker --help`"},
		{"no certificate authority", "", "status --ca-file " + noCA, 2, "read --ca-file: open " + noCA, "see `boundgate-broker --help`"},
		{"--unbound without a user", "", "token --resource x --unbound", 2, "--unbound needs --user", "see `boundgate-broker --help`"},
		{"a device id that is none", "", fresh + "hybrid-join prepare --device-id computer", 2, `the device id is not a GUID: "computer"`, "write the device id like"},
		{"an empty password", "\n", "sign-in --user a@b --password-stdin", 2, "there is no password on standard input", "see `boundgate-broker --help`"},
		{"an endless password", strings.Repeat("x", 5000), "sign-in --user a@b --password-stdin", 2, "longer than 1024 bytes", "see `boundgate-broker --help`"},
		{"a server without TLS", "", fresh + "join --user a@b --server http://localhost", 1, `not an address of a server: it begins with "http"`, "write --server like"},
		{"not registered", "", fresh + "token --resource x", 1, "this device is not registered", "register the device with `boundgate-broker join`"},
		{"registered already", "", "join --user a@b", 1, "this device is registered already", "leave first with `boundgate-broker leave`"},
		{"not signed in", "", "token --resource x --user carol@contoso.example", 1, "the user is not signed in on this device", "sign the user in with `boundgate-broker sign-in`"},
		{"which user", "", "token --resource x", 1, "several users are signed in", "name the user with --user"},
		{"a wrong password", "wrong horse\n", "sign-in --user alice@contoso.example --password-stdin", 1, "AADSTS50126: Error validating credentials due to invalid username or password.", "Check the user name and the password"},
		{"an unknown resource", "", "token --resource https://nothing.example --user bob@contoso.example", 1, "AADSTS500011: The resource was not found in the tenant.", "Register the resource in the tenant"},
		{"a damaged state", "", "status --dir " + damaged, 1, "the state file is damaged: " + damaged, "restore the file"},
		{"nobody there", "", fresh + "join --user a@b --server https://127.0.0.1:1", 1, "no answer from the server", "check --server, the network"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := x.pipe(tt.in, tt.line)
			lines := strings.Split(r.errors, "\n")
			if r.code != tt.code || !strings.HasPrefix(lines[0], "error: ") || !strings.Contains(lines[0], tt.message) {
				t.Errorf("exit code %d, %q; want %d and an error that says %q", r.code, lines[0], tt.code, tt.message)
			}
			if len(lines) < 2 || !strings.HasPrefix(lines[1], "hint: "+tt.hint) {
				t.Errorf("%q is followed by %q, want the hint %q", lines[0], lines[1:], tt.hint)
			}
			if r.out != "" {
				t.Errorf("standard output has %q", r.out)
			}
		})
	}
}

// A refusal can be looked up in the server's log.
func TestRefusalNamesItsLogEntry(t *testing.T) {
	x := newTerminal(t)
	r := x.pipe("wrong horse", "token --unbound --resource https://outlook.office365.com --user alice@contoso.example --password-stdin")
	if !regexp.MustCompile(`(?m)^trace: [0-9a-f-]{36} [0-9a-f-]{36}$`).MatchString(r.errors) {
		t.Errorf("a refusal prints\n%swithout its ids", r.errors)
	}
}

// A certificate of an authority that nobody has named is not accepted, and the hint says what to do.
func TestUnknownAuthority(t *testing.T) {
	x := newTerminal(t)
	delete(x.env, "BOUNDGATE_CA_FILE")
	r := x.run("join --user alice@contoso.example")
	if r.code != 1 || !strings.Contains(r.errors, "hint: name the server's certificate authority with --ca-file") {
		t.Errorf("join at a server with an unknown authority: %+v", r)
	}
}

func TestJSON(t *testing.T) {
	x := newTerminal(t)
	decode := func(text string, into any) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatalf("%v: %q is not JSON", err, text)
		}
	}
	var status broker.Status
	decode(x.must("join --user alice@contoso.example --json").out, &status)
	if !status.Registered || status.KeyProtection != "software" || status.Warning == "" || len(status.Accounts) != 1 { // P20
		t.Errorf("join --json prints %+v", status)
	}
	var tokens broker.Tokens
	decode(x.must("token --resource https://outlook.office365.com --json").out, &tokens)
	if tokens.AccessToken == "" || tokens.Resource != brokertest.Exchange {
		t.Errorf("token --json prints %+v", tokens)
	}
	var failed struct {
		Error struct {
			Message, Hint, OAuth, TraceID string
			Code                          int
		}
	}
	refused := x.pipe("wrong horse", "sign-in --json --user alice@contoso.example --password-stdin")
	decode(refused.errors, &failed)
	if e := failed.Error; refused.code != 1 || e.Code != 50126 || e.OAuth != "invalid_grant" || e.Hint == "" || e.TraceID == "" || !strings.HasPrefix(e.Message, "AADSTS50126: ") {
		t.Errorf("sign-in --json with a wrong password: exit code %d, %+v", refused.code, e)
	}
	var prepared map[string]string
	decode(x.must("hybrid-join prepare --json --device-id d9dc3483-8809-4802-a8fc-ac70d8591810 --dir "+filepath.Join(x.home, "computer")).out, &prepared)
	if !strings.HasPrefix(prepared["userCertificate"], "-----BEGIN CERTIFICATE-----") {
		t.Errorf("hybrid-join prepare --json prints %v", prepared)
	}
	decode(x.must("leave --json").out, &status)
}

// A server that cannot answer now is told apart from one that refuses.
func TestBusyServer(t *testing.T) {
	x := newTerminal(t)
	x.must("join --user alice@contoso.example")
	for _, tt := range []struct{ name, after, hint string }{
		{"it says when to come back", "7", "hint: the server is busy: try again in 7 seconds"},
		{"it does not say", "", "hint: the server is busy or failing: try again"},
	} {
		x.server.Through(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.after != "" {
					w.Header().Set("Retry-After", tt.after)
				}
				w.WriteHeader(http.StatusServiceUnavailable)
			})
		})
		if r := x.run("token --resource x"); r.code != 1 || !strings.Contains(r.errors, tt.hint) {
			t.Errorf("%s: %+v, want %q", tt.name, r, tt.hint)
		}
	}
}

// The server may have forgotten the device first.
func TestLeaveLocally(t *testing.T) {
	x := newTerminal(t)
	x.must("join --user alice@contoso.example")
	x.server.Through(func(http.Handler) http.Handler { return http.NotFoundHandler() })
	if r := x.run("leave"); r.code != 1 {
		t.Errorf("leave at a server that is not there: %+v", r)
	}
	if out := x.must("leave --local").out; out != "This device is not registered.\n" {
		t.Errorf("leave --local prints %q", out)
	}
}

func TestHelp(t *testing.T) {
	x := newTerminal(t)
	for _, command := range []string{"", "join", "register", "hybrid-join", "hybrid-join prepare", "sign-in", "sign-out", "renew", "token", "status", "leave"} {
		if out := x.must(command + " --help").out; !strings.Contains(out, "Examples:\n  boundgate-broker "+command) {
			t.Errorf("%s --help has no example:\n%s", command, out)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out := x.must("completion " + shell).out; !strings.Contains(out, "boundgate-broker") {
			t.Errorf("completion %s prints %q", shell, out)
		}
	}
}

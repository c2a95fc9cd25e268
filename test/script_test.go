// Package test runs whole-program scripts: the real binaries, over HTTPS, on a temporary data directory.
//
// A script is a txtar file in testdata. Beside the usual commands of testscript it has: serve (set an organisation up and
// start the service; sets $SERVER, $CA, $ADMIN and $ADMIN_PASSWORD), restart (the same data again), crash (kill -9), user
// (create a user, with the password in $<NAME>_PASSWORD), eventually (repeat a command until it succeeds) and post (send a
// form and print status and answer) and secret (a new secret of an application, in $VARIABLE).
package test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// bin is where the binaries are built.
var bin string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "boundgate-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bin = dir
	for _, program := range []string{"boundgate", "boundgate-broker"} {
		out, err := exec.Command("go", "build", "-o", filepath.Join(dir, program), "boundgate/cmd/"+program).CombinedOutput()
		if err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", program, err, out)
			return 1
		}
	}
	return m.Run()
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			client, err := filepath.Abs("interop/client.mjs")
			if err != nil {
				return err
			}
			env.Setenv("CLIENT", client)
			browser, err := filepath.Abs("browser")
			if err != nil {
				return err
			}
			env.Setenv("BROWSER", browser)
			queries, err := filepath.Abs("../internal/queries/source")
			if err != nil {
				return err
			}
			env.Setenv("QUERIES", queries)
			env.Values[serverKey{}] = &process{}
			env.Defer(func() { env.Values[serverKey{}].(*process).stop(os.Interrupt) })
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"serve": serve, "restart": restart, "crash": crash, "user": user, "eventually": eventually, "post": post, "secret": secret,
		},
	})
}

type serverKey struct{}

// A process is the running service.
type process struct {
	cmd  *exec.Cmd
	done chan error
}

func (p *process) stop(signal os.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(signal) // it may have ended
	<-p.done
	p.cmd = nil
}

// configuration uses ports that are free now, so that a restarted service is where it was.
func configuration(ts *testscript.TestScript, registration string) string {
	return fmt.Sprintf("data_dir = %q\nlisten = %q\n[device_registration]\nlisten = %q\n[log]\nformat = \"json\"\n",
		ts.MkAbs("data"), freeAddress(ts), registration)
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

func freeAddress(ts *testscript.TestScript) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func serve(ts *testscript.TestScript, neg bool, _ []string) {
	if neg {
		ts.Fatalf("serve cannot be expected to fail")
	}
	registration := freeAddress(ts)
	ts.Setenv("REGISTRATION", "https://localhost:"+portOf(registration))
	ts.Check(os.WriteFile(ts.MkAbs("boundgate.toml"), []byte(configuration(ts, registration)), 0o600))
	cmd := exec.Command(filepath.Join(bin, "boundgate"), "setup", "--config", ts.MkAbs("boundgate.toml"), "--domain", "contoso.example", "--name", "Contoso", "--p1-licences", "10")
	out, err := cmd.Output()
	if err != nil {
		ts.Fatalf("setup: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		switch fields[0] {
		case "Administrator":
			ts.Setenv("ADMIN", fields[1])
		case "Password":
			ts.Setenv("ADMIN_PASSWORD", fields[1])
		}
	}
	start(ts)
}

func restart(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Value(serverKey{}).(*process).stop(os.Interrupt)
	start(ts)
}

func crash(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Value(serverKey{}).(*process).stop(syscall.SIGKILL)
}

// start starts the service and waits until it says where it is.
func start(ts *testscript.TestScript) {
	p, _ := ts.Value(serverKey{}).(*process)
	cmd := exec.Command(filepath.Join(bin, "boundgate"), "serve", "--config", ts.MkAbs("boundgate.toml"))
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	p.cmd, p.done = cmd, make(chan error, 1)
	ready := make(chan struct{})
	log, err := os.OpenFile(ts.MkAbs("server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	go func() {
		lines := bufio.NewScanner(stderr)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			_, _ = fmt.Fprintln(log, lines.Text())
			if fields := strings.Fields(lines.Text()); len(fields) > 1 {
				switch fields[0] {
				case "Serving":
					ts.Setenv("SERVER", fields[1])
				case "Trust":
					ts.Setenv("CA", fields[1])
					ts.Setenv("BOUNDGATE_CA_FILE", fields[1])
					close(ready)
				}
			}
		}
		p.done <- cmd.Wait()
		_ = log.Close()
	}()
	select {
	case <-ready:
	case <-time.After(30 * time.Second):
		ts.Fatalf("the service did not start within 30 seconds")
	}
	awaitReady(ts)
}

// awaitReady waits until the service answers.
func awaitReady(ts *testscript.TestScript) {
	client := clientFor(ts)
	for range 100 {
		resp, err := client.Get(ts.Getenv("SERVER") + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("the service is not ready")
}

func clientFor(ts *testscript.TestScript) *http.Client {
	pem, err := os.ReadFile(ts.Getenv("CA"))
	ts.Check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

// user creates a user and keeps the password for the script.
func user(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: user NAME")
	}
	password := strings.ToUpper(args[0]) + "-Passw0rd-of-a-test"
	ts.Setenv(strings.ToUpper(args[0])+"_PASSWORD", password)
	cmd := command(ts, "boundgate", "user", "create", args[0]+"@contoso.example", "--name", args[0], "--password-stdin")
	cmd.Stdin = strings.NewReader(password)
	if out, err := cmd.CombinedOutput(); err != nil {
		ts.Fatalf("create user: %v\n%s", err, out)
	}
}

// secret gives an application a secret and keeps its text for the script.
func secret(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: secret VARIABLE APPLICATION")
	}
	out, err := command(ts, "boundgate", "app", "secret-add", args[1], "--json").Output()
	ts.Check(err)
	var made struct {
		Text string `json:"secretText"`
	}
	ts.Check(json.Unmarshal(out, &made))
	ts.Setenv(args[0], made.Text)
}

// command runs a program in the script's environment.
func command(ts *testscript.TestScript, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Dir = ts.Getenv("WORK")
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"))
	return cmd
}

// eventually repeats a command until it succeeds: rows reach queries within two seconds.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: eventually TEXT COMMAND ARGUMENT...")
	}
	var out []byte
	for range 60 {
		var err error
		if out, err = command(ts, args[1], args[2:]...).CombinedOutput(); err == nil && bytes.Contains(out, []byte(args[0])) {
			ts.Logf("%s", out)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("%v never printed %q; at last:\n%s", args[1:], args[0], out)
}

// post sends a body to a path of the server and writes status and answer to the file "answer".
func post(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: post PATH BODY")
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, ts.Getenv("SERVER")+args[0], strings.NewReader(args[1]))
	ts.Check(err)
	resp, err := clientFor(ts).Do(req)
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("answer"), fmt.Appendf(nil, "%d %s\n", resp.StatusCode, text), 0o600))
}

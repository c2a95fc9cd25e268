package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "boundgate.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWithoutAFileEverythingHasADefault(t *testing.T) {
	got, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		DataDir:            "boundgate-data",
		Listen:             "127.0.0.1:8443",
		PublicURL:          "https://localhost:8443",
		DeviceRegistration: DeviceRegistration{Listen: "127.0.0.1:8444", URL: "https://localhost:8444"},
		MasterKey:          MasterKey{File: "boundgate-data.key"},
		Database:           Database{Path: filepath.Join("boundgate-data", "state.db")},
		Logs:               Logs{Path: filepath.Join("boundgate-data", "logs.duckdb"), RetentionDays: 30},
		Log:                Log{Level: "info", Format: "auto"},
		Limits: Limits{PasswordWorkers: 2, PasswordQueue: 32, HeaderBytes: 32768, RequestBytes: 65536,
			GraphRequestBytes: 1048576, ReadTimeout: Duration(10 * time.Second), IdleTimeout: Duration(2 * time.Minute),
			RequestsPerMinute: 6000, Connections: 8192, ConnectionsPerAddress: 2048},
		Metrics: Metrics{Allow: []string{"127.0.0.0/8", "::1"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestAFileOverridesDefaultsAndAVariableOverridesTheFile(t *testing.T) {
	path := writeFile(t, `
data_dir = "/var/lib/boundgate"
listen = ":443"
[device_registration]
host_names = ["EnterpriseRegistration.contoso.example"]
[log]
level = "debug"
[limits]
read_timeout = "5s"
`)
	got, err := Load(path, []string{
		"BOUNDGATE_LOG_LEVEL=warn",
		"BOUNDGATE_LIMITS_PASSWORD_WORKERS=7",
		"BOUNDGATE_LIMITS_IDLE_TIMEOUT=30s",
		"BOUNDGATE_PROXY_TRUSTED=10.1.2.0/24, 10.1.3.4",
		`BOUNDGATE_MASTER_KEY_COMMAND=["/bin/key", "--name", "a,b"]`,
		"BOUNDGATE_SAMPLES=elsewhere",
		"HOME=/root",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		DataDir:            "/var/lib/boundgate",
		Listen:             ":443",
		DeviceRegistration: DeviceRegistration{HostNames: []string{"enterpriseregistration.contoso.example"}},
		PublicURL:          "https://localhost",
		MasterKey:          MasterKey{Command: []string{"/bin/key", "--name", "a,b"}},
		Log:                Log{Level: "warn"},
		Limits:             Limits{PasswordWorkers: 7, ReadTimeout: Duration(5 * time.Second), IdleTimeout: Duration(30 * time.Second)},
		Proxy:              Proxy{Trusted: []string{"10.1.2.0/24", "10.1.3.4"}},
	}.WithDefaults()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := fmt.Sprint(got.Proxy.Prefixes()); got != "[10.1.2.0/24 10.1.3.4/32]" {
		t.Errorf("trusted prefixes %s", got)
	}
}

func TestAnEphemeralPortLeavesTheURLOpenUntilItIsKnown(t *testing.T) {
	c, err := Load("", []string{"BOUNDGATE_LISTEN=127.0.0.1:0", "BOUNDGATE_DEVICE_REGISTRATION_LISTEN=127.0.0.1:0"})
	if err != nil || c.PublicURL != "" {
		t.Fatalf("PublicURL %q, error %v; want none of both", c.PublicURL, err)
	}
	c.Listen = "127.0.0.1:40123"
	if c = c.WithDefaults(); c.PublicURL != "https://localhost:40123" {
		t.Errorf("PublicURL %q", c.PublicURL)
	}
}

func TestWhatIsNotUnderstoodIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct{ name, text, env, where, what, remedy string }{
		{name: "a misspelt key", text: "\nlitsen = ':1'", where: ":2:1", what: "unknown key litsen", remedy: "Did you mean listen?"},
		{name: "a misspelt key in a section", text: "[log]\nlevle = 'info'", where: ":2:1", what: "[log] levle", remedy: "Did you mean [log] level?"},
		{name: "a known key in the wrong place", text: "public_url = 'https://a'\nretention_days = 3", where: ":2:1", what: "retention_days", remedy: "Did you mean [logs] retention_days?"},
		{name: "a misspelt section", text: "[databse]\npath = 'x'", where: ":1:", what: "databse", remedy: "Did you mean [database]?"},
		{name: "a key that is nothing like ours", text: "zyxwvutsrq = 1", where: ":1:1", what: "zyxwvutsrq", remedy: "docs/configuration.md"},
		{name: "a passphrase in the file", text: "[master_key]\npassphrase = 'hunter2hunter2'", where: ":2:1", what: "does not belong", remedy: "BOUNDGATE_MASTER_KEY_PASSPHRASE"},
		{name: "a value of another type", text: "listen = 3", where: ":1:", what: "", remedy: "docs/configuration.md"},
		{name: "what is not TOML", text: "listen ~ 3", where: ":1:", what: "", remedy: "docs/configuration.md"},
		{name: "a misspelt variable", env: "BOUNDGATE_LITSEN=:1", where: "BOUNDGATE_LITSEN", what: "unknown environment variable", remedy: "BOUNDGATE_LISTEN?"},
		{name: "an unknown variable in one of our sections", env: "BOUNDGATE_TLS_CERT=x", where: "BOUNDGATE_TLS_CERT", what: "unknown", remedy: "BOUNDGATE_TLS_"},
		{name: "a variable that is no number", env: "BOUNDGATE_LIMITS_PASSWORD_WORKERS=many", where: "BOUNDGATE_LIMITS_PASSWORD_WORKERS", what: "not a whole number", remedy: "[limits] password_workers"},
		{name: "a variable that is no length of time", env: "BOUNDGATE_LIMITS_READ_TIMEOUT=soon", where: "READ_TIMEOUT", what: "length of time", remedy: "[limits] read_timeout"},
		{name: "a variable that is a broken list", env: `BOUNDGATE_PROXY_TRUSTED=["a"`, where: "PROXY_TRUSTED", what: "not a list", remedy: "[proxy] trusted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := ""
			if c.text != "" {
				path = writeFile(t, c.text)
			}
			_, err := Load(path, []string{c.env})
			p := oneProblem(t, err)
			if !strings.Contains(p.Where, c.where) || !strings.Contains(p.What, c.what) || !strings.Contains(p.Remedy, c.remedy) {
				t.Errorf("where %q, what %q, remedy %q", p.Where, p.What, p.Remedy)
			}
			if strings.Contains(p.Error(), "hunter2") {
				t.Errorf("the problem repeats the passphrase: %v", p)
			}
		})
	}
}

func oneProblem(t *testing.T, err error) *Problem {
	t.Helper()
	var all Problems
	if !errors.As(err, &all) || len(all) != 1 {
		t.Fatalf("%v: want exactly one problem", err)
	}
	return all[0]
}

func TestAMissingFileIsRefused(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "no.toml"), nil)
	var p *Problem
	if !errors.As(err, &p) || !errors.Is(err, os.ErrNotExist) || p.Remedy == "" {
		t.Errorf("got %v", err)
	}
}

func TestValidateRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*Config)
		where string
	}{
		{"an address without a port", func(c *Config) { c.Listen = "localhost" }, "listen"},
		{"a port that is no number", func(c *Config) { c.Listen = "localhost:https" }, "listen"},
		{"plain http", func(c *Config) { c.PublicURL = "http://login.example" }, "public_url"},
		{"a URL with a path", func(c *Config) { c.PublicURL = "https://login.example/sts" }, "public_url"},
		{"a URL with a query", func(c *Config) { c.PublicURL = "https://login.example?" }, "public_url"},
		{"a URL with a user", func(c *Config) { c.PublicURL = "https://u:p@login.example" }, "public_url"},
		{"a URL without a host", func(c *Config) { c.PublicURL = "https://" }, "public_url"},
		{"a URL of one word", func(c *Config) { c.DeviceRegistration.URL = "drs" }, "[device_registration] url"},
		{"one listener for both", func(c *Config) { c.DeviceRegistration.Listen = c.Listen }, "[device_registration] listen"},
		{"client certificates where browsers sign in", func(c *Config) { c.DeviceRegistration.HostNames = []string{"localhost"} }, "[device_registration] host_names"},
		{"a wildcard", func(c *Config) { c.DeviceRegistration.HostNames = []string{"*.contoso.example"} }, "[device_registration] host_names"},
		{"a certificate without its key", func(c *Config) { c.TLS.CertificateFile = "a.pem" }, "[tls] key_file"},
		{"a key without its certificate", func(c *Config) { c.TLS.KeyFile = "a.key" }, "[tls] certificate_file"},
		{"a certificate name with a port", func(c *Config) { c.TLS.HostNames = []string{"a:1"} }, "[tls] host_names"},
		{"two sources of the master key", func(c *Config) { c.MasterKey.Command = []string{"key"} }, "[master_key]"},
		{"a command without a name", func(c *Config) { c.MasterKey = MasterKey{Command: []string{""}} }, "[master_key] command"},
		{"a master key among the data", func(c *Config) { c.MasterKey.File = "boundgate-data/x/../master.key" }, "[master_key] file"}, // P16
		{"one file for both databases", func(c *Config) { c.Logs.Path = c.Database.Path }, "[logs] path"},
		{"retention in the past", func(c *Config) { c.Logs.RetentionDays = -1 }, "[logs] retention_days"},
		{"an unknown log level", func(c *Config) { c.Log.Level = "loud" }, "[log] level"},
		{"an unknown log format", func(c *Config) { c.Log.Format = "xml" }, "[log] format"},
		{"an unbounded body", func(c *Config) { c.Limits.RequestBytes = 1 << 40 }, "[limits] request_bytes"}, // P14
		{"a negative timeout", func(c *Config) { c.Limits.ReadTimeout = -1 }, "[limits] read_timeout, in milliseconds,"},
		{"a proxy that is no address", func(c *Config) { c.Proxy.Trusted = []string{"proxy.example"} }, "[proxy] trusted"},
		{"everyone without limits", func(c *Config) { c.Limits.Unlimited = []string{"0.0.0.0/0"} }, "[limits] unlimited"}, // P14
		{"a name without limits", func(c *Config) { c.Limits.Unlimited = []string{"office"} }, "[limits] unlimited"},
		{"everyone as proxy", func(c *Config) { c.Proxy.Trusted = []string{"::/0"} }, "[proxy] trusted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Config{}.WithDefaults()
			c.spoil(&cfg)
			p := oneProblem(t, cfg.Validate())
			if p.Where != c.where || p.What == "" || p.Remedy == "" {
				t.Errorf("where %q, what %q, remedy %q; want it at %q", p.Where, p.What, p.Remedy, c.where)
			}
		})
	}
}

func TestEveryProblemIsReportedAtOnceWithItsRemedy(t *testing.T) {
	_, err := Load("", []string{"BOUNDGATE_LOG_LEVEL=loud", "BOUNDGATE_PUBLIC_URL=http://x", "BOUNDGATE_TLS_KEY_FILE=k"})
	var out bytes.Buffer
	if err := Explain(&out, fmt.Errorf("start: %w", err)); err != nil {
		t.Fatal(err)
	}
	want := `error: public_url: has the scheme "http"; tokens travel over https only
hint: Write scheme, host and port only, such as "https://login.contoso.example".
error: [tls] certificate_file: is missing
hint: Set both certificate_file and key_file, or neither to use a development certificate.
error: [log] level: "loud" is not known
hint: Use one of debug, info, warn, error.
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// P11
func TestASecretPrintsAsRedacted(t *testing.T) {
	const text = "correct horse battery"
	c, err := Load("", []string{"BOUNDGATE_MASTER_KEY_PASSPHRASE=" + text})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.MasterKey.Passphrase.Reveal(); got != text {
		t.Fatalf("Reveal: %q", got)
	}
	type holder struct{ hidden Config }
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", c.MasterKey.Passphrase, "c", c)
	prints := []string{string(asJSON), log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		prints = append(prints, fmt.Sprintf(verb, c), fmt.Sprintf(verb, holder{c}), fmt.Sprintf(verb, c.MasterKey.Passphrase))
	}
	for _, printed := range prints {
		if strings.Contains(printed, text) || strings.Contains(printed, fmt.Sprintf("%x", text)) {
			t.Errorf("the passphrase shows in %s", printed)
		}
	}
}

// The documentation names every key, its variable and its default, so that it cannot fall behind.
func TestEveryKeyIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	defaults := reflect.ValueOf(Config{}.WithDefaults())
	for _, k := range keys {
		name, row := "`"+k.path[len(k.path)-1]+"`", ""
		for line := range strings.Lines(string(doc)) {
			if strings.HasPrefix(line, "| "+name) && strings.Contains(line, k.variable()+"`") {
				row = line
			}
		}
		if row == "" {
			t.Errorf("docs/configuration.md has no row with %s and `%s`", name, k.variable())
		}
		value := filepath.ToSlash(fmt.Sprint(defaults.FieldByIndex(k.index)))
		if value != "" && value != "[]" && !strings.Contains(row, "`"+value+"`") {
			t.Errorf("docs/configuration.md does not give the default %s of %s", value, k)
		}
	}
}

// P14: whatever stands in the file or a variable, Load answers with a valid configuration or with problems.
func FuzzLoad(f *testing.F) {
	f.Add("listen = ':1'\n[log]\nlevel = 'debug'", ":2", "[\"a\"]")
	f.Add("[limits]\nread_timeout = '1h'\n[[tls]]", "", "a,b")
	f.Add("a.b.c = { d = 1 }", "\x00", "[")
	f.Fuzz(func(t *testing.T, text, listen, list string) {
		var c Config
		problems := c.decode("f", []byte(text))
		problems = append(problems, c.override([]string{"BOUNDGATE_LISTEN=" + listen, "BOUNDGATE_PROXY_TRUSTED=" + list})...)
		if len(problems) > 0 {
			for _, p := range problems {
				if p.Where == "" || p.Remedy == "" {
					t.Fatalf("%v does not say where or what to do", p)
				}
			}
			return
		}
		c = c.WithDefaults()
		if again := c.WithDefaults(); !cmp.Equal(c, again) {
			t.Fatalf("defaults of defaults differ: %s", cmp.Diff(c, again))
		}
		if err := c.Validate(); err == nil && len(c.Proxy.Prefixes()) != len(c.Proxy.Trusted) {
			t.Fatalf("a valid configuration loses proxies: %q", c.Proxy.Trusted)
		}
	})
}

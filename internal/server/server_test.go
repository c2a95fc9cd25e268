package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"boundgate/internal/config"
	"boundgate/internal/setup"
)

// start opens a server on free ports and serves until the test ends.
func start(t *testing.T, changes ...func(c *config.Config)) (*Server, *http.Client) {
	t.Helper()
	dir := t.TempDir()
	cfg := config.Config{DataDir: filepath.Join(dir, "data"), Listen: "127.0.0.1:0", DeviceRegistration: config.DeviceRegistration{Listen: "127.0.0.1:0"}}
	cfg.MasterKey.File = filepath.Join(dir, "master.key")
	for _, change := range changes {
		change(&cfg)
	}
	s, err := New(context.Background(), cfg.WithDefaults(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	pem, err := os.ReadFile(s.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return s, &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestOperations(t *testing.T) {
	s, client := start(t)
	for path, says := range map[string]string{
		"/healthz": `"ok"`, "/readyz": "state store", "/metrics": "boundgate_http_requests_in_flight",
		"/common/discovery/keys": `"RSA"`, "/common/v2.0/.well-known/openid-configuration": "kdf_ver2",
	} {
		if status, text := get(t, client, s.URL()+path); status != http.StatusOK || !strings.Contains(text, says) {
			t.Errorf("%s: %d %.200s", path, status, text)
		}
	}
	for _, path := range []string{"/v1.0/users", "/beta/identity/conditionalAccess/policies", "/v1/workspaces/x/query?query=x"} {
		if status, text := get(t, client, s.URL()+path); status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d %.200s", path, status, text)
		}
	}
}

// Metrics are for those whom the configuration names; for others they do not exist. // P13
func TestMetricsAreNotForEverybody(t *testing.T) {
	s := &Server{}
	here := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	handler := s.onlyFor(config.Metrics{Allow: []string{"192.0.2.0/24"}}.Prefixes(), here)
	for address, want := range map[string]int{"192.0.2.7:1": http.StatusOK, "198.51.100.1:1": http.StatusNotFound, "[::ffff:192.0.2.7]:1": http.StatusOK} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.RemoteAddr = address
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s gets %d, want %d", address, w.Code, want)
		}
	}
}

// The first start happens once.
func TestFirstStartHappensOnce(t *testing.T) {
	s, _ := start(t)
	if empty, err := s.Empty(t.Context()); err != nil || !empty {
		t.Fatalf("before: %v, %v", empty, err)
	}
	admin, err := s.First(t.Context(), setup.Organisation{DisplayName: "Contoso", Domain: "Contoso.example", Licensed: 1})
	if err != nil || admin.UPN != "admin@contoso.example" || len(admin.Password) < 20 {
		t.Fatalf("First = %s, %v", admin.UPN, err)
	}
	if empty, err := s.Empty(t.Context()); err != nil || empty {
		t.Errorf("after: %v, %v", empty, err)
	}
	if _, err := s.First(t.Context(), setup.Organisation{DisplayName: "Other", Domain: "other.example"}); err == nil {
		t.Error("a second first start was allowed")
	}
}

// One address that asks too often is told to wait, in the protocol's own words; a script and a person hear it both. // P14
func TestTooManyRequests(t *testing.T) {
	s, client := start(t, func(c *config.Config) { c.Limits.RequestsPerMinute = 60 })
	limited := 0
	for range 15 {
		resp, err := client.Post(s.URL()+"/common/oauth2/token", "application/x-www-form-urlencoded", strings.NewReader("grant_type=srv_challenge"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusTooManyRequests {
			limited++
			if resp.Header.Get("Retry-After") == "" || !strings.Contains(string(text), `"temporarily_unavailable"`) || !strings.Contains(string(text), "AADSTS50196") {
				t.Errorf("%v %s", resp.Header, text)
			}
		}
	}
	if limited < 4 || limited > 6 {
		t.Errorf("%d of 15 requests were held back at 60 a minute", limited)
	}
	for range 12 {
		if status, text := get(t, client, s.URL()+"/me"); status == http.StatusTooManyRequests {
			if !strings.Contains(text, "<h1>Too many requests</h1>") {
				t.Errorf("a person hears %.200s", text)
			}
			limited = 0
		}
	}
	if limited != 0 {
		t.Error("pages are not held back")
	}
	if status, _ := get(t, client, s.URL()+"/healthz"); status != http.StatusOK {
		t.Errorf("operations are held back, too: %d", status)
	}
}

// A client that sends its request a byte at a time is cut off, and one that is only slow to think is not. // P14
func TestSlowClientsAreCutOff(t *testing.T) {
	s, client := start(t, func(c *config.Config) { c.Limits.ReadTimeout = config.Duration(300 * time.Millisecond) })
	address := strings.TrimPrefix(s.URL(), "https://localhost")
	conn, err := tls.Dial("tcp", "127.0.0.1"+address, &tls.Config{ServerName: "localhost", RootCAs: client.Transport.(*http.Transport).TLSClientConfig.RootCAs})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	began := time.Now()
	for _, b := range []byte("POST /common/oauth2/token HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + strings.Repeat("x", 1000)) {
		if _, err := conn.Write([]byte{b}); err != nil {
			break
		}
		if time.Since(began) > 5*time.Second {
			t.Fatal("still listening after five seconds")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Log("the server says something before it hangs up")
	}
	if status, _ := get(t, client, s.URL()+"/healthz"); status != http.StatusOK {
		t.Errorf("an honest client afterwards: %d", status)
	}
}

// Beyond so many connections further ones wait, and those that are open go on. // P14
func TestConnectionsAreBounded(t *testing.T) {
	s, client := start(t, func(c *config.Config) { c.Limits.Connections = 16 })
	address := "127.0.0.1" + strings.TrimPrefix(s.URL(), "https://localhost")
	var open []net.Conn
	for range 16 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	client.Timeout = 300 * time.Millisecond
	if resp, err := client.Get(s.URL() + "/healthz"); err == nil {
		_ = resp.Body.Close()
		t.Error("a seventeenth connection is served")
	}
	for _, c := range open {
		_ = c.Close()
	}
	client.Timeout = 10 * time.Second
	if status, _ := get(t, client, s.URL()+"/healthz"); status != http.StatusOK {
		t.Errorf("once they are gone: %d", status)
	}
}

package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"boundgate/internal/config"
	"boundgate/internal/wire/oauth"
)

func TestClassOf(t *testing.T) {
	for path, want := range map[string]class{
		"/contoso.example/oauth2/v2.0/token":      forTokens,
		"/contoso.example/oauth2/v2.0/token/":     forTokens,
		"/enrollmentserver/nonce/contoso.example": forTokens,
		"/common/getcredentialtype":               forTokens,
		"/":                                       forTokens,
		"":                                        forTokens,
		"/common/.well-known/openid-configuration":     forDiscovery,
		"/common/discovery/v2.0/keys":                  forDiscovery,
		"/contoso.example/discover":                    forDiscovery,
		"/assets/sign-in/style.css":                    forDiscovery,
		"/contoso.example/oauth2/v2.0/authorize":       forPages,
		"/contoso.example/login":                       forPages,
		"/me":                                          forPages,
		"/enrollmentserver/device":                     forRegistration,
		"/enrollmentserver/device/1111":                forRegistration,
		"/contoso.example/oauth2/devicecode":           forDeviceCodes,
		"/contoso.example/oauth2/v2.0/devicecode/":     forDeviceCodes,
		"/contoso.example/oauth2/v2.0/devicecode/more": forTokens,
	} {
		if got := classOf(path); got != want {
			t.Errorf("classOf(%q) = %d, want %d", path, got, want)
		}
	}
}

// limited is a limiter with a clock that stands still, and what asks it.
func limited(change func(c *config.Config)) (ask func(address, path string) *httptest.ResponseRecorder, tick func(d time.Duration)) {
	cfg := config.Config{}.WithDefaults()
	change(&cfg)
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	l := newLimiter(cfg, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), oauth.WriteError, func() time.Time { return at })
	ask = func(address, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, nil)
		r.RemoteAddr = net.JoinHostPort(address, "4711")
		w := httptest.NewRecorder()
		l.ServeHTTP(w, r)
		return w
	}
	return ask, func(d time.Duration) { at = at.Add(d) }
}

// Each class of endpoints has a budget of its own: device codes, which are a record each, run out long before tokens, and
// take none from them. // P14
func TestEachClassHasItsBudget(t *testing.T) {
	ask, tick := limited(func(*config.Config) {})
	for path, burst := range map[string]int{
		"/common/oauth2/v2.0/token": 1000, "/common/discovery/keys": 1000, "/common/oauth2/v2.0/authorize": 500,
		"/enrollmentserver/device": 250, "/common/oauth2/v2.0/devicecode": 50,
	} {
		for n := range burst {
			if got := ask("192.0.2.7", path); got.Code != http.StatusOK {
				t.Fatalf("%s: held back after %d of %d", path, n, burst)
			}
		}
		got := ask("192.0.2.7", path)
		if got.Code != http.StatusTooManyRequests || got.Header().Get("Retry-After") != "1" || !strings.Contains(got.Body.String(), "AADSTS50196") {
			t.Errorf("%s: after %d: %d %v %s", path, burst, got.Code, got.Header(), got.Body)
		}
		if got := ask("192.0.2.8", path); got.Code != http.StatusOK {
			t.Errorf("%s: the neighbour is held back", path)
		}
	}
	tick(time.Second)
	if got := ask("192.0.2.7", "/common/oauth2/v2.0/devicecode"); got.Code != http.StatusOK {
		t.Error("held back for longer than it was told")
	}
	if got := ask("192.0.2.7", "/enrollmentserver/device"); got.Code != http.StatusOK {
		t.Error("device registration is held back for longer than it was told")
	}
}

// Each protocol says it in its own words: device registration in those of MS-DVRJ, all else in those of RFC 6749.
func TestTooManyInTheProtocolsOwnWords(t *testing.T) {
	ask, _ := limited(func(c *config.Config) { c.Limits.RequestsPerMinute = 60 })
	for path, word := range map[string]string{"/enrollmentserver/device": `"ErrorType":"InvalidRequestError"`, "/common/oauth2/token": `"error":"temporarily_unavailable"`} {
		var text string
		for range 20 {
			text = ask("192.0.2.7", path).Body.String()
		}
		if !strings.Contains(strings.ReplaceAll(text, " ", ""), word) {
			t.Errorf("%s: %s, want %s", path, text, word)
		}
	}
}

// An office of 2000 people behind one address, who start work within ten minutes, is never held back.
func TestAnOfficeInTheMorning(t *testing.T) {
	ask, tick := limited(func(*config.Config) {})
	for n := range 2000 {
		for path, times := range map[string]int{
			"/common/oauth2/v2.0/token": 20, "/common/discovery/v2.0/keys": 3, "/common/oauth2/v2.0/authorize": 3, "/common/login": 3, "/enrollmentserver/device": 1,
		} {
			for range times {
				if got := ask("192.0.2.7", path); got.Code != http.StatusOK {
					t.Fatalf("person %d: %s is answered %d", n, path, got.Code)
				}
			}
		}
		tick(300 * time.Millisecond)
	}
}

// This machine and an administrator's own networks are held back like any other, unless they are named.
func TestUnlimited(t *testing.T) {
	few := func(c *config.Config) { c.Limits.RequestsPerMinute = 60 }
	named := func(c *config.Config) { few(c); c.Limits.Unlimited = []string{"127.0.0.0/8", "10.1.2.0/24"} }
	for _, tt := range []struct {
		name, address string
		change        func(c *config.Config)
		want          int
	}{
		{"this machine", "127.0.0.1", few, http.StatusTooManyRequests},
		{"this machine, named", "127.0.0.1", named, http.StatusOK},
		{"a network that is named", "10.1.2.3", named, http.StatusOK},
		{"its neighbour", "10.1.3.3", named, http.StatusTooManyRequests},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ask, _ := limited(tt.change)
			got := 0
			for range 20 {
				got = ask(tt.address, "/common/oauth2/token").Code
			}
			if got != tt.want {
				t.Errorf("after twenty requests: %d, want %d", got, tt.want)
			}
		})
	}
}

// One address that opens all the connections it can keeps no other waiting, and gets its own back when it lets go. // P14
func TestConnectionsOfOneAddressAreBounded(t *testing.T) {
	s, client := start(t, func(c *config.Config) { c.Limits.Connections, c.Limits.ConnectionsPerAddress = 32, 8 })
	port := strings.TrimPrefix(s.URL(), "https://localhost")
	var open []net.Conn
	for range 100 {
		c, err := net.Dial("tcp", "127.0.0.1"+port)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	_ = open[99].SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := open[99].Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("the hundredth connection: %v, want it closed", err)
	}
	neighbour := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: client.Transport.(*http.Transport).TLSClientConfig,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext(ctx, "tcp", "127.0.0.1"+port)
		},
	}}
	if status, _ := get(t, neighbour, s.URL()+"/healthz"); status != http.StatusOK {
		t.Errorf("another address: %d", status)
	}
	neighbour.CloseIdleConnections()
	for _, c := range open {
		_ = c.Close()
	}
	for until := time.Now().Add(5 * time.Second); ; {
		resp, err := client.Get(s.URL() + "/healthz")
		if err == nil {
			_ = resp.Body.Close()
			return
		}
		if time.Now().After(until) {
			t.Fatalf("once they are gone: %v", err)
		}
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error) //nolint:errorlint // as net.Conn returns it
	return ok && timeout.Timeout()
}

// Whatever a client is slow at, the server hangs up; one that keeps going is served. // P14
func TestTheServerHangsUpOnSlowClients(t *testing.T) {
	s, client := start(t, func(c *config.Config) {
		c.Limits.ReadTimeout, c.Limits.IdleTimeout = config.Duration(300*time.Millisecond), config.Duration(300*time.Millisecond)
	})
	address := "127.0.0.1" + strings.TrimPrefix(s.URL(), "https://localhost")
	roots := client.Transport.(*http.Transport).TLSClientConfig.RootCAs
	const header = "POST /common/oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	for name, sends := range map[string]string{
		"no request at all":               "",
		"half a header":                   header,
		"a body that does not come":       header + "Content-Length: 1000\r\n\r\n",
		"half a body":                     header + "Content-Length: 1000\r\n\r\ngrant_type=srv",
		"half a chunk":                    header + "Transfer-Encoding: chunked\r\n\r\n40\r\ngrant",
		"nothing more after an answer":    "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"a second request that is halved": "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: "localhost", RootCAs: roots})
			if err != nil {
				t.Fatal(err)
			}
			hangsUp(t, conn, sends)
		})
	}
	t.Run("no handshake", func(t *testing.T) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		hangsUp(t, conn, "")
	})
}

func hangsUp(t *testing.T, conn net.Conn, sends string) {
	t.Helper()
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, sends); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.Copy(io.Discard, bufio.NewReader(conn)); err != nil && isTimeout(err) {
		t.Errorf("still listening after five seconds")
	}
}

// A body that comes a byte at a time over HTTP/2 is cut off as well, and the connection's other requests are served. // P14
func TestASlowBodyOverHTTP2(t *testing.T) {
	s, client := start(t, func(c *config.Config) { c.Limits.ReadTimeout = config.Duration(300 * time.Millisecond) })
	client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	body, slow := io.Pipe()
	defer func() { _ = slow.Close() }()
	go func() {
		for {
			if _, err := slow.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	began := time.Now()
	resp, err := client.Post(s.URL()+"/common/oauth2/token", "application/x-www-form-urlencoded", body)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("cut off after %s", took)
	}
	if status, text := get(t, client, s.URL()+"/healthz"); status != http.StatusOK {
		t.Errorf("an honest request: %s", fmt.Sprint(status, text))
	}
}

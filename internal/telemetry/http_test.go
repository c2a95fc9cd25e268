package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"boundgate/internal/config"
)

// A rig is an observed router and everything it tells its operator.
type rig struct {
	mux     *http.ServeMux
	metrics *Metrics
	log     bytes.Buffer
	server  *httptest.Server
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{mux: http.NewServeMux(), metrics: NewMetrics()}
	o := &Observer{Log: NewLogger(&r.log, config.Log{Format: "json"}), Metrics: r.metrics}
	r.server = httptest.NewServer(o.Observe(r.mux))
	t.Cleanup(r.server.Close)
	return r
}

func (r *rig) do(t *testing.T, method, path, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// lines returns the log's records, after the server has finished with every request.
func (r *rig) lines(t *testing.T) []map[string]any {
	t.Helper()
	r.server.Close()
	var records []map[string]any
	for line := range strings.Lines(r.log.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		records = append(records, record)
	}
	return records
}

func (r *rig) scrape(t *testing.T) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// P11
func TestARequestLeavesOneLineWithoutItsSecrets(t *testing.T) {
	r := newRig(t)
	r.mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "12345")
	})
	r.do(t, "POST", "/hidden-path-value/oauth2/v2.0/token?code="+secret, "password="+secret,
		http.Header{"Authorization": {"Bearer " + secret}, "Cookie": {"a=" + secret}})
	lines := r.lines(t)
	if len(lines) != 1 {
		t.Fatalf("%d lines: %s", len(lines), &r.log)
	}
	got := map[string]any{}
	for _, name := range []string{"msg", "level", "method", "route", "status", "bytes", "client_address"} {
		got[name] = lines[0][name]
	}
	want := map[string]any{"msg": "request", "level": "INFO", "method": "POST", "route": "/{tenant}/oauth2/v2.0/token",
		"status": 400.0, "bytes": 5.0, "client_address": "127.0.0.1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, hidden := range []string{secret, "hidden-path-value"} {
		if strings.Contains(r.log.String(), hidden) || strings.Contains(r.scrape(t), hidden) {
			t.Errorf("%s shows in log or metrics", hidden)
		}
	}
}

func TestEveryRequestHasIDs(t *testing.T) {
	const sent = "6F9619FF-8B86-D011-B42D-00C04FC964FF"
	for name, c := range map[string]struct{ header, want string }{
		"a GUID of the client is kept":  {sent, strings.ToLower(sent)},
		"no GUID gives our own":         {"", ""},
		"what is no GUID is not echoed": {"<script>alert(1)</script>............", ""},
		"nor is a GUID in another form": {"{" + sent + "}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			var seen IDs
			r.mux.HandleFunc("GET /x", func(_ http.ResponseWriter, req *http.Request) { seen = IDsFrom(req.Context()) })
			resp, _ := r.do(t, "GET", "/x", "", http.Header{"Client-Request-Id": {c.header}})
			if c.want == "" {
				c.want = seen.Request
			}
			answered := IDs{Request: resp.Header.Get("x-ms-request-id"), Correlation: resp.Header.Get("client-request-id")}
			if seen.Correlation != c.want || answered != seen || uuid.Validate(seen.Request) != nil {
				t.Errorf("handler sees %+v, client %+v; want correlation %q", seen, answered, c.want)
			}
			if line := r.lines(t)[0]; line["request_id"] != seen.Request || line["correlation_id"] != seen.Correlation {
				t.Errorf("the log has other IDs: %v", line)
			}
		})
	}
}

// P11
func TestAPanicIsAnsweredWithACorrelationIDAndNothingElse(t *testing.T) {
	r := newRig(t)
	r.mux.HandleFunc("GET /text", func(http.ResponseWriter, *http.Request) { panic("no " + secret) })
	r.mux.HandleFunc("GET /fault", func(http.ResponseWriter, *http.Request) {
		var none []int
		none[len(secret)]++
	})
	for _, path := range []string{"/text", "/fault"} {
		resp, body := r.do(t, "GET", path, "", nil)
		var answer map[string]string
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if resp.StatusCode != 500 || answer["error"] != "server_error" || answer["correlation_id"] != resp.Header.Get("client-request-id") {
			t.Errorf("%s answers %d %s", path, resp.StatusCode, body)
		}
		if strings.Contains(body, "goroutine") || strings.Contains(body, "panic") || strings.Contains(body, secret) {
			t.Errorf("the answer tells too much: %s", body)
		}
	}
	if lines := r.lines(t); len(lines) != 4 || lines[0]["msg"] != "panic" || lines[1]["status"] != 500.0 || lines[1]["level"] != "ERROR" {
		t.Errorf("log: %s", &r.log)
	}
	if text := r.log.String(); strings.Contains(text, secret) || !strings.Contains(text, "index out of range") || !strings.Contains(text, "http_test") && !strings.Contains(text, "TestAPanic") {
		t.Errorf("the log has the secret, or not the place: %s", text)
	}
	if !strings.Contains(r.scrape(t), "boundgate_http_panics_total 2") {
		t.Error("panics are not counted")
	}
}

func TestAnAnswerThatHasBegunIsBrokenOffByAPanic(t *testing.T) {
	for name, cause := range map[string]any{"of ours": "defect", "that net/http knows": http.ErrAbortHandler} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.server.Config.ErrorLog = ServerErrorLog(NewLogger(io.Discard, config.Log{}))
			r.mux.HandleFunc("GET /half", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "half")
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Errorf("flush through the observer: %v", err)
				}
				panic(cause)
			})
			resp, err := http.Get(r.server.URL + "/half")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if text, err := io.ReadAll(resp.Body); err == nil {
				t.Errorf("the client takes %q for a whole answer", text)
			}
		})
	}
}

// P14
func TestLabelsOfMetricsAreBounded(t *testing.T) {
	r := newRig(t)
	r.mux.HandleFunc("/{tenant}/known", func(http.ResponseWriter, *http.Request) {})
	for _, path := range []string{"/a/known", "/b/known", "/unknown1", "/unknown2"} {
		for _, method := range []string{"GET", "BREW", "WHEN"} {
			r.do(t, method, path, "", nil)
		}
	}
	text := r.scrape(t)
	if n := strings.Count(text, "boundgate_http_request_duration_seconds_count{"); n != 4 {
		t.Errorf("%d series, want 4 (GET and other, known and unmatched):\n%s", n, text)
	}
	for _, want := range []string{`{method="GET",route="/{tenant}/known",status="200"} 2`, `{method="other",route="unmatched",status="404"} 4`, "boundgate_http_requests_in_flight 0"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestClientAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for _, c := range []struct {
		name, remote string
		forwarded    []string
		want         string
	}{
		{"a connection without a proxy", "192.0.2.1:5", nil, "192.0.2.1"},
		{"a client that states an address is not believed", "192.0.2.1:5", []string{"203.0.113.9"}, "192.0.2.1"},
		{"a trusted proxy is believed", "10.0.0.1:5", []string{"203.0.113.9"}, "203.0.113.9"},
		{"what stands left of the first stranger is a claim", "10.0.0.1:5", []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		{"two trusted proxies", "10.0.0.1:5", []string{"198.51.100.1", "203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		{"a trusted proxy that states nonsense", "10.0.0.1:5", []string{"203.0.113.9, nonsense"}, "10.0.0.1"},
		{"a trusted proxy that states nothing", "10.0.0.1:5", nil, "10.0.0.1"},
		{"an IPv4 address in IPv6 form", "[::ffff:10.0.0.1]:5", []string{"2001:db8::1, 203.0.113.9"}, "203.0.113.9"},
		{"an endless list", "10.0.0.1:5", []string{"203.0.113.9," + strings.Repeat("10.0.0.2,", 99) + "10.0.0.3"}, "10.0.0.2"},
		{"a connection without an address", "pipe", []string{"203.0.113.9"}, "invalid IP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: c.remote, Header: http.Header{"X-Forwarded-For": c.forwarded}}
			if got := ClientAddress(r, trusted).String(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// P14: whatever a client states, the address is the connection's or one that a trusted proxy stated.
func FuzzClientAddress(f *testing.F) {
	f.Add("192.0.2.1:5", "203.0.113.9, 10.0.0.1")
	f.Add("10.0.0.1:5", ",,")
	f.Add("[fe80::1%eth0]:1", "::1")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, remote, forwarded string) {
		got := ClientAddress(&http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {forwarded}}}, trusted)
		peer, err := netip.ParseAddrPort(remote)
		if err == nil && !isTrusted(peer.Addr().Unmap().WithZone(""), trusted) && got != peer.Addr().Unmap().WithZone("") {
			t.Fatalf("%s is taken for %s", remote, got)
		}
	})
}

func ask(h http.Handler) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}

// P19
func TestReadyzNamesWhatFailsAndTellsOnlyTheLogWhy(t *testing.T) {
	var log bytes.Buffer
	h := Readyz(NewLogger(&log, config.Log{}),
		Check{"store", func(context.Context) error { return errors.New("disk /dev/sdz1 is full") }},
		Check{"clock", func(context.Context) error { return nil }},
		Check{"keys", func(context.Context) error { panic("defect") }})
	status, body := ask(h)
	if want := `{"status":"failing","checks":{"clock":"ok","keys":"failing","store":"failing"}}`; status != 503 || body != want {
		t.Errorf("%d %s, want 503 %s", status, body, want)
	}
	if !strings.Contains(log.String(), "/dev/sdz1") {
		t.Errorf("the log does not say why: %s", &log)
	}
	if status, body := ask(Healthz(NewLogger(&log, config.Log{}))); status != 200 || body != `{"status":"ok"}` {
		t.Errorf("healthz: %d %s", status, body)
	}
}

// P14
func TestAskingOftenChecksSeldom(t *testing.T) {
	runs := 0
	h := newHealth(NewLogger(io.Discard, config.Log{}), []Check{{"store", func(context.Context) error { runs++; return nil }}})
	now := time.Now()
	h.now = func() time.Time { return now }
	for range 100 {
		ask(h)
	}
	if runs != 1 {
		t.Errorf("100 questions cost %d checks", runs)
	}
	now = now.Add(checkEvery)
	ask(h)
	if runs != 2 {
		t.Errorf("an old answer is given for ever: %d checks", runs)
	}
}

func TestAlarmsAreMetrics(t *testing.T) {
	var log bytes.Buffer
	logger, m := NewLogger(&log, config.Log{}), NewMetrics()
	r := &rig{metrics: m}
	m.Raise(logger, "store", errors.New("fsync failed"), "Restart the node.")
	if !strings.Contains(r.scrape(t), `boundgate_alarm{alarm="store"} 1`) || !strings.Contains(log.String(), "Restart the node.") {
		t.Errorf("the alarm is not told: %s", &log)
	}
	m.Clear(logger, "store")
	if !strings.Contains(r.scrape(t), `boundgate_alarm{alarm="store"} 0`) {
		t.Error("the alarm stays")
	}
}

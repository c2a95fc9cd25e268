package loganalytics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boundgate/internal/kql"
	"boundgate/internal/kql/schema"
	"boundgate/internal/logquery"
	"boundgate/internal/logstore"
)

const (
	mine   = "11111111-2222-4333-8444-555555555555"
	theirs = "99999999-2222-4333-8444-555555555555"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// access lets the bearer "reader" read the workspace mine; other bearers name why they may not.
type access struct{}

func (access) Authorize(_ context.Context, bearer, workspace string) error {
	switch {
	case bearer == "invalid":
		return ErrInvalidToken
	case bearer == "graph":
		return ErrAudience
	case bearer == "user":
		return ErrForbidden
	case bearer == "broken":
		return errors.New("the state store is closed")
	case bearer != "reader" || workspace != mine:
		return ErrNoWorkspace
	}
	return nil
}

// An engine answers as told and remembers what it was asked.
type engine struct {
	asked  []logquery.Request
	result logquery.Result
	err    error
	before func()
}

func (e *engine) Run(_ context.Context, r logquery.Request) (logquery.Result, error) {
	if e.before != nil {
		e.before()
	}
	e.asked = append(e.asked, r)
	return e.result, e.err
}

func serve(e *engine, concurrent int) http.Handler {
	mux := http.NewServeMux()
	Register(mux, Service{Access: access{}, Engine: e, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Concurrent: concurrent})
	return mux
}

// request is a query of a reader; changes make it another.
func request(body string, change ...func(r *http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/workspaces/"+mine+"/query", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer reader")
	r.Header.Set("Content-Type", "application/json")
	for _, c := range change {
		c(r)
	}
	return r
}

func header(name, value string) func(r *http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func ask(t *testing.T, h http.Handler, r *http.Request) (int, any, http.Header) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var answer any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("status %d, and the answer is no JSON: %v: %s", w.Code, err, w.Body)
	}
	return w.Code, answer, w.Header()
}

// decoded is a JSON text as ask gives it.
func decoded(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Every KQL type in the form that clients of Azure Monitor read. // S53
func TestAnswer(t *testing.T) {
	column := func(name string, kind schema.Type) kql.Column { return kql.Column{Name: name, Type: kind} }
	e := &engine{result: logquery.Result{
		Columns: []kql.Column{column("b", schema.Bool), column("t", schema.DateTime), column("d", schema.Dynamic), column("i", schema.Int),
			column("l", schema.Long), column("r", schema.Real), column("s", schema.String), column("n", schema.TimeSpan), column("g", schema.GUID)},
		Rows: [][]any{
			{true, time.Date(2026, 5, 4, 7, 12, 9, 118_000_000, time.UTC), `{"a":[1,2]}`, int32(7), int64(-8), 1.5, "<é\x00>", int64(93_784_000_001), mine},
			{nil, nil, nil, nil, nil, nil, "", nil, nil},
			{false, time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), `"x"`, int32(0), int64(1), math.NaN(), "", int64(-1_000_000), ""},
			{false, now, "null", int32(0), int64(1), math.Inf(-1), "", int64(0), ""},
		},
		Render: &kql.Render{Visualization: "timechart", Properties: map[string]string{"title": "x"}},
		Took:   1500 * time.Millisecond,
	}}
	tables := `"tables":[{"name":"PrimaryResult","columns":[{"name":"b","type":"bool"},{"name":"t","type":"datetime"},{"name":"d","type":"dynamic"},
		{"name":"i","type":"int"},{"name":"l","type":"long"},{"name":"r","type":"real"},{"name":"s","type":"string"},{"name":"n","type":"timespan"},{"name":"g","type":"guid"}],
		"rows":[[true,"2026-05-04T07:12:09.1180000Z","{\"a\":[1,2]}",7,-8,1.5,"<é\u0000>","1.02:03:04.0000010","` + mine + `"],
		[null,null,null,null,null,null,"",null,null],
		[false,"0001-01-01T00:00:00.0000000Z","\"x\"",0,1,"NaN","","-00:00:01",""],
		[false,"2026-11-23T12:00:00.0000000Z","null",0,1,"-Infinity","","00:00:00",""]]}]`
	for _, tt := range []struct {
		name, prefer, want string
		cut                string
	}{
		{"plain", "", `{` + tables + `}`, ""},
		{"with statistics and render", "wait=30, include-statistics=true,include-render=true", `{` + tables + `,
			"statistics":{"query":{"executionTime":1.5,"resourceUsage":{}}},"render":{"visualization":"timechart","title":"x"}}`, ""},
		{"cut", "", `{` + tables + `,"error":{"code":"PartialError","message":"There were some errors when processing your query.",
			"details":[{"code":"EngineError","message":"Rows are missing: the answer has more than 5 rows."}]}}`, "the answer has more than 5 rows"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e.result.Cut = tt.cut
			status, got, h := ask(t, serve(e, 0), request(`{"query":"SigninLogs"}`, header("Prefer", tt.prefer)))
			if diff := cmp.Diff(decoded(t, tt.want), got); diff != "" || status != http.StatusOK {
				t.Errorf("status %d; answer differs (-want +got):\n%s", status, diff)
			}
			if h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/json; charset=utf-8" {
				t.Errorf("headers are %v", h)
			}
		})
	}
}

// What the engine is asked for each form of a request.
func TestRequests(t *testing.T) {
	day := 24 * time.Hour
	get := func(query string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/v1/workspaces/"+mine+"/query?"+query, nil)
		r.Header.Set("Authorization", "bearer reader")
		return r
	}
	want := logquery.Request{Workspace: mine, Text: "SigninLogs | count", Timeout: defaultTimeout}
	with := func(change func(r *logquery.Request)) logquery.Request { w := want; change(&w); return w }
	const query = `"query":"SigninLogs | count"`
	for _, tt := range []struct {
		name string
		r    *http.Request
		want logquery.Request
	}{
		{"POST", request(`{` + query + `}`), want},
		{"POST with the same workspace again", request(`{` + query + `,"workspaces":["` + strings.ToUpper(mine) + `"]}`), want},
		{"GET", get(url.Values{"query": {want.Text}}.Encode()), want},
		{"GET with a timespan", get(url.Values{"query": {want.Text}, "timespan": {"PT1H"}}.Encode()), with(func(r *logquery.Request) { r.From = now.Add(-time.Hour) })},
		{"a timespan in the body", request(`{` + query + `,"timespan":"P1D"}`), with(func(r *logquery.Request) { r.From = now.Add(-day) })},
		{"timespans in the URL and in the body intersect", request(`{`+query+`,"timespan":"P2D"}`, func(r *http.Request) {
			r.URL.RawQuery = "timespan=2026-11-01/2026-11-22T06:00:00Z"
		}), with(func(r *logquery.Request) {
			r.From, r.To = now.Add(-2*day), time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
		})},
		{"a time to wait", request(`{`+query+`}`, header("Prefer", "wait=60")), with(func(r *logquery.Request) { r.Timeout = time.Minute })},
		{"a time to wait that is too long", request(`{`+query+`}`, header("Prefer", "wait=6000")), with(func(r *logquery.Request) { r.Timeout = maxTimeout })},
		{"a time to wait that is none", request(`{`+query+`}`, header("Prefer", "wait=-1; x")), want},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := &engine{}
			if status, answer, _ := ask(t, serve(e, 0), tt.r); status != http.StatusOK {
				t.Fatalf("status %d: %v", status, answer)
			}
			if diff := cmp.Diff([]logquery.Request{tt.want}, e.asked); diff != "" {
				t.Errorf("the engine was asked otherwise (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	const good = `{"query":"SigninLogs"}`
	foreign := func(r *http.Request) {
		r.SetPathValue("id", theirs)
		r.URL.Path = "/v1/workspaces/" + theirs + "/query"
	}
	for _, tt := range []struct {
		name   string
		r      *http.Request
		err    error // of the engine
		status int
		code   string
	}{
		{"no token", request(good, header("Authorization", "")), nil, 401, "AuthenticationFailed"},
		{"another scheme", request(good, header("Authorization", "Basic reader")), nil, 401, "AuthenticationFailed"},
		{"an invalid token", request(good, header("Authorization", "Bearer invalid")), nil, 401, "InvalidAuthenticationToken"},
		{"a token for another resource", request(good, header("Authorization", "Bearer graph")), nil, 403, "InvalidAuthenticationTokenAudience"},
		{"a caller without a role", request(good, header("Authorization", "Bearer user")), nil, 403, "InsufficientAccessError"},
		{"a workspace of another tenant", request(good, foreign), nil, 404, "PathNotFoundError"},
		{"a workspace of another tenant beside one's own", request(`{"query":"x","workspaces":["` + theirs + `"]}`), nil, 404, "PathNotFoundError"},
		{"the same in the URL", request("", func(r *http.Request) { r.Method, r.URL.RawQuery = "GET", "query=x&workspaces="+mine+","+theirs }), nil, 404, "PathNotFoundError"},
		{"access that cannot be found out", request(good, header("Authorization", "Bearer broken")), nil, 500, "InternalServerError"}, // P19
		{"a body that is no JSON", request(`query`), nil, 400, "BadArgumentError"},
		{"a body of another shape", request(`{"query":5}`), nil, 400, "BadArgumentError"},
		{"a body that is too large", request(`{"query":"` + strings.Repeat("x", maxBody) + `"}`), nil, 413, "BadArgumentError"},
		{"no query", request(`{"query":" \n"}`), nil, 400, "BadArgumentError"},
		{"a timespan that is none", request(`{"query":"x","timespan":"yesterday"}`), nil, 400, "BadArgumentError"},
		{"a query that took too long", request(good), fmt.Errorf("query: %w", logstore.ErrTimeout), 504, "GatewayTimeout"},
		{"a query that needs too much memory", request(good), fmt.Errorf("query: %w", logstore.ErrMemory), 400, "BadArgumentError"},
		{"an engine that fails", request(good), errors.New("secret detail"), 500, "InternalServerError"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, answer, h := ask(t, serve(&engine{err: tt.err}, 0), tt.r)
			e, _ := answer.(map[string]any)["error"].(map[string]any)
			if status != tt.status || e["code"] != tt.code || e["message"] == "" {
				t.Errorf("status %d, %v, want %d and %s", status, answer, tt.status, tt.code)
			}
			if (h.Get("WWW-Authenticate") != "") != (tt.status == 401) {
				t.Errorf("WWW-Authenticate is %q", h.Get("WWW-Authenticate"))
			}
			if strings.Contains(fmt.Sprint(answer), "secret") {
				t.Errorf("the answer tells of the inside: %v", answer)
			}
		})
	}
}

// A workspace that does not exist and one of another tenant are answered alike, byte for byte. // P13
func TestForeignAndUnknownWorkspacesLookAlike(t *testing.T) {
	answer := func(id string) string {
		w := httptest.NewRecorder()
		serve(&engine{}, 0).ServeHTTP(w, request(`{"query":"x"}`, func(r *http.Request) { r.URL.Path = "/v1/workspaces/" + id + "/query" }))
		return fmt.Sprint(w.Code, w.Header(), w.Body)
	}
	if diff := cmp.Diff(answer(theirs), answer("aaaaaaaa-2222-4333-8444-555555555555")); diff != "" {
		t.Errorf("they differ:\n%s", diff)
	}
	if diff := cmp.Diff(answer(theirs), answer("no-guid")); diff != "" {
		t.Errorf("a name that is no GUID differs:\n%s", diff)
	}
}

// Whoever may not query does not make the server read what they send. // P14
func TestNobodysBodyIsRead(t *testing.T) {
	r := request("", header("Authorization", "Bearer user"))
	r.Body = unreadable{t}
	if status, _, _ := ask(t, serve(&engine{}, 0), r); status != http.StatusForbidden {
		t.Errorf("status %d", status)
	}
}

type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, errors.New("read")
}
func (u unreadable) Close() error { return nil }

// A query that does not compile is answered with the places of all its errors.
func TestCompilerErrors(t *testing.T) {
	_, err := kql.Compile("print 1\n| wher true", kql.Options{Schema: schema.Schema{}, Now: now})
	if err == nil {
		t.Fatal("the query compiled")
	}
	status, answer, _ := ask(t, serve(&engine{err: err}, 0), request(`{"query":"x"}`))
	var first kql.Errors
	if !errors.As(err, &first) {
		t.Fatalf("the compiler's error is a %T", err)
	}
	inner := answer.(map[string]any)["error"].(map[string]any)["innererror"].(map[string]any)
	detail := inner["innererror"].(map[string]any)
	if status != http.StatusBadRequest || detail["line"] != 2.0 || detail["pos"] != float64(first[0].Column-1) || detail["code"] != first[0].Code || detail["token"] != first[0].Token {
		t.Errorf("status %d, %v, want the place of %+v", status, answer, first[0])
	}
	if list := inner["details"].([]any); len(list) != len(first) {
		t.Errorf("%d details for %d errors", len(list), len(first))
	}
}

// An empty request is answered with success and nothing, as Azure Monitor does.
func TestRequestWithoutABody(t *testing.T) {
	e := &engine{}
	status, answer, _ := ask(t, serve(e, 0), request("", header("Content-Type", "")))
	if diff := cmp.Diff(decoded(t, `{"tables":[]}`), answer); status != http.StatusOK || diff != "" || len(e.asked) != 0 {
		t.Errorf("status %d, %v", status, answer)
	}
}

// Queries beyond what may run at a time are turned away at once, and one workspace cannot take all the room. // P14
func TestTooManyQueries(t *testing.T) {
	e := &engine{}
	h := serve(e, 1)
	e.before = func() {
		e.before = nil
		status, answer, header := ask(t, h, request(`{"query":"x"}`))
		if status != http.StatusTooManyRequests || header.Get("Retry-After") == "" {
			t.Errorf("the second query: status %d, %v", status, answer)
		}
	}
	for range 3 { // and the room is free again afterwards
		if status, answer, _ := ask(t, h, request(`{"query":"x"}`)); status != http.StatusOK {
			t.Errorf("status %d, %v", status, answer)
		}
	}
	r := newRunning(8)
	started := 0
	for r.start(mine) {
		started++
	}
	if started != 6 || !r.start(theirs) || !r.start(theirs) || r.start(theirs) {
		t.Errorf("one workspace got %d of 8, and another not the rest", started)
	}
	r.end(mine)
	if !r.start(mine) {
		t.Error("room that was freed is not given again")
	}
}

func TestTimespan(t *testing.T) {
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, tt := range []struct {
		text     string
		from, to time.Time
		wrong    bool
	}{
		{text: "P1D", from: now.Add(-24 * time.Hour)},
		{text: "P7D", from: now.Add(-7 * 24 * time.Hour)},
		{text: "pt90m", from: now.Add(-90 * time.Minute)},
		{text: "P1W2DT3H4M5S", from: now.Add(-(9*24*time.Hour + 3*time.Hour + 4*time.Minute + 5*time.Second))},
		{text: "P999999D", from: now.Add(-100 * 365 * 24 * time.Hour)},
		{text: "2026-11-01/2026-11-02", from: at("2026-11-01T00:00:00Z"), to: at("2026-11-02T00:00:00Z")},
		{text: "2026-11-01T02:00:00+02:00/2026-11-02T00:00:00.5Z", from: at("2026-11-01T00:00:00Z"), to: at("2026-11-02T00:00:00Z").Add(500 * time.Millisecond)},
		{text: "2026-11-01/P1D", from: at("2026-11-01T00:00:00Z"), to: at("2026-11-02T00:00:00Z")},
		{text: "PT1H/2026-11-02T00:00:00Z", from: at("2026-11-01T23:00:00Z"), to: at("2026-11-02T00:00:00Z")},
		{text: "P", wrong: true}, {text: "PT", wrong: true}, {text: "1d", wrong: true}, {text: "P1M", wrong: true}, {text: "P9999999D", wrong: true},
		{text: "/", wrong: true}, {text: "P1D/P1D", wrong: true}, {text: "2026-11-01/x", wrong: true}, {text: "a/b/c", wrong: true},
	} {
		from, to, err := parseTimespan(tt.text, now)
		if (err != nil) != tt.wrong || err == nil && !(from.Equal(tt.from) && to.Equal(tt.to)) {
			t.Errorf("parseTimespan(%q) = %v, %v, %v, want %v, %v", tt.text, from, to, err, tt.from, tt.to)
		}
	}
}

// FuzzTimespan: a range that is accepted never begins in the future of its own end, or of now where it has none.
func FuzzTimespan(f *testing.F) {
	for _, s := range []string{"P1D", "2026-11-01/P1D", "PT1H/2026-11-02T00:00:00Z", "2026-11-01/2026-11-02", "P999999W"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		from, to, err := parseTimespan(text, now)
		if err != nil {
			return
		}
		end := to
		if end.IsZero() {
			end = now
		}
		if _, _, both := strings.Cut(text, "/"); from.After(end) && (!both || strings.Contains(strings.ToUpper(text), "P")) {
			t.Errorf("%q is from %v to %v", text, from, to)
		}
	})
}

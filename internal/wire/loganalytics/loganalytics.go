// Package loganalytics speaks the query API of Azure Monitor Logs: KQL in, tables out.
//
// The protocol is that of the Log Analytics REST API (POST and GET /v1/workspaces/{id}/query). Who may read which workspace
// is asked of the Authorizer; the language and its limits are the Engine's.
package loganalytics

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"boundgate/internal/kql"
	"boundgate/internal/logquery"
	"boundgate/internal/logstore"
)

// Why a caller gets no answer.
var (
	ErrInvalidToken = errors.New("loganalytics: the access token is not valid")
	// ErrSignedOut means that the sign-in behind a genuine token has ended.
	ErrSignedOut = errors.New("loganalytics: the sign-in has ended")
	ErrAudience  = errors.New("loganalytics: the access token is for another resource")
	ErrForbidden = errors.New("loganalytics: the caller may not read sign-in logs")
	// ErrNoWorkspace means that there is no such workspace for the caller: another tenant's looks the same (P13).
	ErrNoWorkspace = errors.New("loganalytics: no such workspace")
)

// An Authorizer decides whether the owner of an access token may query a workspace now. Its errors are those above; any
// other means that it could not be found out.
type Authorizer interface {
	Authorize(ctx context.Context, bearer, workspace string) error
}

// An Engine runs queries.
type Engine interface {
	Run(ctx context.Context, r logquery.Request) (logquery.Result, error)
}

// A Service is what the endpoints need.
type Service struct {
	Access Authorizer
	Engine Engine
	Now    func() time.Time
	Log    *slog.Logger
	// Concurrent is how many queries may run at a time; 0 means 8. No workspace gets more than three quarters of them.
	Concurrent int
}

// Limits of a request.
const (
	maxBody        = 1 << 20
	defaultTimeout = 3 * time.Minute
	maxTimeout     = 10 * time.Minute
)

// Register adds the endpoints to mux. Paths reach it in lower case.
func Register(mux *http.ServeMux, s Service) {
	if s.Concurrent == 0 {
		s.Concurrent = 8
	}
	h := handler{Service: s, running: newRunning(s.Concurrent)}
	mux.Handle("GET /v1/workspaces/{id}/query", endpoint{h.get, s.Log})
	mux.Handle("POST /v1/workspaces/{id}/query", endpoint{h.post, s.Log})
}

type handler struct {
	Service
	running *running
}

// An endpoint answers a request or returns why not.
type endpoint struct {
	handle func(w http.ResponseWriter, r *http.Request) error
	log    *slog.Logger
}

// ServeHTTP turns an endpoint's error into the API's envelope. Nothing else in this package does.
func (e endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if err := e.handle(w, r); err != nil {
		writeError(w, err, e.log)
	}
}

// A body is what a query request says.
type body struct {
	Query      string   `json:"query"`
	Timespan   string   `json:"timespan"`
	Workspaces []string `json:"workspaces"`
}

func (h handler) get(w http.ResponseWriter, r *http.Request) error {
	if err := h.authorize(r, r.PathValue("id")); err != nil {
		return err
	}
	q := r.URL.Query()
	b := body{Query: q.Get("query")}
	for _, list := range q["workspaces"] {
		b.Workspaces = append(b.Workspaces, strings.Split(list, ",")...)
	}
	return h.query(w, r, b)
}

// post reads the body only for a caller who may query: nobody else makes the server hold it.
func (h handler) post(w http.ResponseWriter, r *http.Request) error {
	if err := h.authorize(r, r.PathValue("id")); err != nil {
		return err
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return badArgument(fmt.Sprintf("The request body is larger than %d bytes.", maxBody)).status(http.StatusRequestEntityTooLarge)
	case err != nil:
		return badArgument("The request body could not be read.")
	case len(text) == 0:
		// Azure Monitor answers a request without a body with success and nothing.
		return writeJSON(w, http.StatusOK, map[string]any{"tables": []any{}})
	}
	var b body
	if err := json.Unmarshal(text, &b); err != nil {
		return badArgument("The request body is not the JSON of a query: " + err.Error())
	}
	return h.query(w, r, b)
}

// query runs a query. Time ranges in the URL and in the body intersect.
func (h handler) query(w http.ResponseWriter, r *http.Request, b body) error {
	workspace := strings.ToLower(r.PathValue("id"))
	if err := h.onlyOne(r, workspace, b.Workspaces); err != nil {
		return err
	}
	if strings.TrimSpace(b.Query) == "" {
		return badArgument("The request has no query.")
	}
	from, to, err := h.timeRange(r.URL.Query().Get("timespan"), b.Timespan)
	if err != nil {
		return err
	}
	prefer := parsePrefer(r.Header.Values("Prefer"))
	if !h.running.start(workspace) {
		w.Header().Set("Retry-After", "5")
		return apiError{http.StatusTooManyRequests, "TooManyRequests", "Too many queries are running. Wait and try again.", nil}
	}
	defer h.running.end(workspace)
	result, err := h.Engine.Run(r.Context(), logquery.Request{Workspace: workspace, Text: b.Query, From: from, To: to, Timeout: prefer.wait})
	if err != nil {
		return err
	}
	return writeResult(w, result, prefer)
}

// onlyOne refuses queries over other workspaces than the one in the path. Those of other tenants are not found, as there.
func (h handler) onlyOne(r *http.Request, workspace string, more []string) error {
	for _, id := range more {
		if strings.EqualFold(id, workspace) {
			continue
		}
		if err := h.authorize(r, id); err != nil {
			return err
		}
		return badArgument("Queries over several workspaces are not supported: leave out workspaces.")
	}
	return nil
}

func (h handler) authorize(r *http.Request, workspace string) error {
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || bearer == "" {
		return apiError{http.StatusUnauthorized, "AuthenticationFailed", "The request has no access token.", nil}
	}
	err := h.Access.Authorize(r.Context(), bearer, strings.ToLower(workspace))
	switch {
	case errors.Is(err, ErrSignedOut):
		return apiError{http.StatusUnauthorized, "TokenRevoked", "The sign-in behind the access token has ended. Sign in again.", nil}
	case errors.Is(err, ErrInvalidToken):
		return apiError{http.StatusUnauthorized, "InvalidAuthenticationToken", "The access token is not valid. Sign in again.", nil}
	case errors.Is(err, ErrAudience):
		return apiError{http.StatusForbidden, "InvalidAuthenticationTokenAudience", "The access token is for another resource. Ask for one for https://api.loganalytics.io.", nil}
	case errors.Is(err, ErrForbidden):
		return apiError{http.StatusForbidden, "InsufficientAccessError", "The caller has no role that may read sign-in logs, such as Security Reader or Conditional Access Administrator.", nil}
	case errors.Is(err, ErrNoWorkspace):
		return apiError{http.StatusNotFound, "PathNotFoundError", "The workspace was not found.", nil}
	}
	return err
}

// timeRange intersects the time ranges of a request.
func (h handler) timeRange(spans ...string) (from, to time.Time, err error) {
	now := h.Now()
	for _, span := range spans {
		if span == "" {
			continue
		}
		f, t, err := parseTimespan(span, now)
		if err != nil {
			return from, to, badArgument(err.Error())
		}
		if f.After(from) {
			from = f
		}
		if to.IsZero() || !t.IsZero() && t.Before(to) {
			to = t
		}
	}
	return from, to, nil
}

// preferences are what a Prefer header asks for.
type preferences struct {
	wait               time.Duration
	statistics, render bool
}

func parsePrefer(values []string) preferences {
	p := preferences{wait: defaultTimeout}
	for _, token := range strings.FieldsFunc(strings.Join(values, ","), func(r rune) bool { return r == ',' || r == ';' }) {
		name, value, _ := strings.Cut(strings.TrimSpace(token), "=")
		switch strings.ToLower(name) {
		case "wait":
			if n, err := strconv.Atoi(value); err == nil && n > 0 {
				p.wait = min(time.Duration(n)*time.Second, maxTimeout)
			}
		case "include-statistics":
			p.statistics = value == "true"
		case "include-render":
			p.render = value == "true"
		}
	}
	return p
}

// An apiError is an error of the API, with the compiler's errors inside where there are any.
type apiError struct {
	code    int
	name    string
	message string
	inner   kql.Errors
}

// Error implements error.
func (e apiError) Error() string { return e.name + ": " + e.message }

func (e apiError) status(code int) apiError { e.code = code; return e }

func badArgument(message string) apiError {
	return apiError{http.StatusBadRequest, "BadArgumentError", message, nil}
}

// asAPIError says what any error means to the caller.
func asAPIError(err error) apiError {
	var known apiError
	var compile kql.Errors
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &compile):
		return apiError{http.StatusBadRequest, "BadArgumentError", "The request had some invalid properties", compile}
	case errors.Is(err, logstore.ErrTimeout):
		return apiError{http.StatusGatewayTimeout, "GatewayTimeout", "The query took too long. Ask for a shorter time range, or allow more with Prefer: wait=600.", nil}
	case errors.Is(err, logstore.ErrMemory):
		return apiError{http.StatusBadRequest, "BadArgumentError", "The query needs too much memory. Ask for a shorter time range, fewer columns, or summarize.", nil}
	case errors.Is(err, context.Canceled):
		return apiError{http.StatusBadRequest, "Canceled", "The query was cancelled.", nil}
	}
	return apiError{http.StatusInternalServerError, "InternalServerError", "The query could not be run.", nil}
}

func writeError(w http.ResponseWriter, err error, log *slog.Logger) {
	e := asAPIError(err)
	if e.code >= http.StatusInternalServerError && log != nil {
		log.Error("query failed", "error", err)
	}
	if e.code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", challenge(e.name))
	}
	if err := writeJSON(w, e.code, map[string]any{"error": envelope(e)}); err != nil {
		panic("loganalytics: an error does not encode: " + err.Error())
	}
}

// challenge says what the client is to do about a token that is not accepted (RFC 6750 section 3): a claims challenge, as
// continuous access evaluation has it, where the sign-in behind the token has ended.
func challenge(name string) string {
	switch name {
	case "AuthenticationFailed":
		return "Bearer"
	case "TokenRevoked":
		claims := fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, time.Now().Unix())
		return `Bearer error="insufficient_claims", claims="` + base64.StdEncoding.EncodeToString([]byte(claims)) + `"`
	}
	return `Bearer error="invalid_token"`
}

// envelope nests the compiler's first error twice, as the API does, and lists them all in details.
func envelope(e apiError) map[string]any {
	out := map[string]any{"code": e.name, "message": e.message}
	if len(e.inner) == 0 {
		return out
	}
	details := make([]map[string]any, len(e.inner))
	for n, d := range e.inner {
		message := d.Message
		if d.Suggestion != "" && !strings.Contains(message, d.Suggestion) {
			message += " " + d.Suggestion
		}
		details[n] = map[string]any{
			"code": d.Code, "message": message, "line": d.Line, "pos": d.Column - 1, "offset": d.Offset, "length": d.Length, "token": d.Token,
		}
	}
	name := "SemanticError"
	if strings.HasPrefix(e.inner[0].Code, "SYN") {
		name = "SyntaxError"
	}
	out["innererror"] = map[string]any{
		"code": name, "message": "A recognition error occurred in the query.", "innererror": details[0], "details": details,
	}
	return out
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client is gone where this fails
	return nil
}

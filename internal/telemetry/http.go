package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Names of headers, as Microsoft's clients send and expect them.
const (
	headerCorrelationID = "client-request-id"
	headerRequestID     = "x-ms-request-id"
)

// IDs name one request in logs and answers.
type IDs struct {
	Request     string // ours: a GUID made for this request
	Correlation string // the client's client-request-id when it is a GUID, else the same as Request; never used to decide
}

type idsKey struct{}

// IDsFrom returns the IDs that Observe gave to the request of ctx; zero outside of a request.
func IDsFrom(ctx context.Context) IDs {
	ids, _ := ctx.Value(idsKey{}).(IDs)
	return ids
}

// newIDs makes IDs for a request. What a client sends counts only when it is a GUID in its plain form.
func newIDs(r *http.Request) IDs {
	ids := IDs{Request: uuid.NewString()}
	ids.Correlation = ids.Request
	if sent := r.Header.Get(headerCorrelationID); len(sent) == 36 {
		if id, err := uuid.Parse(sent); err == nil {
			ids.Correlation = id.String()
		}
	}
	return ids
}

// An Observer watches requests: it names them, counts and times them, writes one line for each, and turns a panic into
// an answer.
type Observer struct {
	Log     *slog.Logger
	Metrics *Metrics
	// Trusted are the proxies whose X-Forwarded-For is believed.
	Trusted []netip.Prefix
}

// Observe wraps the router. It stands directly around the http.ServeMux: what lies between, such as the folding of
// paths, must pass on the same *http.Request, or the route that served it stays unknown.
func (o *Observer) Observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ids := newIDs(r)
		r = r.WithContext(context.WithValue(r.Context(), idsKey{}, ids))
		w.Header().Set(headerRequestID, ids.Request)
		w.Header().Set(headerCorrelationID, ids.Correlation)

		started := time.Now()
		answer := &recorder{ResponseWriter: w}
		o.Metrics.inFlight.Inc()
		defer func() {
			o.Metrics.inFlight.Dec()
			abort := false
			if cause := recover(); cause != nil {
				abort = o.recovered(answer, r, ids, cause)
			}
			o.finish(r, ids, answer, time.Since(started))
			if abort {
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(answer, r)
	})
}

func isAbort(cause any) bool {
	err, ok := cause.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

// finish counts the request and writes its line.
func (o *Observer) finish(r *http.Request, ids IDs, answer *recorder, took time.Duration) {
	route := routeOf(r)
	o.Metrics.observe(methodOf(r), route, answer.statusOr200(), took)
	level := slog.LevelInfo
	if answer.status >= 500 {
		level = slog.LevelError
	}
	o.Log.LogAttrs(r.Context(), level, "request",
		slog.String("method", methodOf(r)),
		slog.String("route", route),
		slog.Int("status", answer.statusOr200()),
		slog.Duration("took", took),
		slog.Int64("bytes", answer.bytes),
		slog.String("client_address", ClientAddress(r, o.Trusted).String()),
		slog.String("request_id", ids.Request),
		slog.String("correlation_id", ids.Correlation),
	)
}

// recovered answers a panic with a 500 that tells nothing but the IDs, and logs where it happened. It reports whether the
// connection must be broken off: because the handler asked for that, or because a part of the answer has left already.
func (o *Observer) recovered(answer *recorder, r *http.Request, ids IDs, cause any) (abort bool) {
	if isAbort(cause) {
		return true
	}
	o.Metrics.panics.Inc()
	o.Log.LogAttrs(r.Context(), slog.LevelError, "panic",
		slog.String("cause", describe(cause)),
		slog.Any("at", callers()),
		slog.String("request_id", ids.Request),
		slog.String("correlation_id", ids.Correlation),
	)
	if answer.status != 0 {
		answer.status = http.StatusInternalServerError // for the log: the client has another one
		return true
	}
	h := answer.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	answer.WriteHeader(http.StatusInternalServerError)
	_ = json.NewEncoder(answer).Encode(map[string]string{ // a client that is gone needs no answer
		"error":             "server_error",
		"error_description": "The server failed to answer. The correlation ID leads its operator to the cause.",
		"correlation_id":    ids.Correlation,
		"trace_id":          ids.Request,
	})
	return false
}

// describe says what a panic was. The runtime's own texts hold no data of ours; others may, so only their type is told.
func describe(cause any) string {
	var fault runtime.Error
	if err, ok := cause.(error); ok && errors.As(err, &fault) {
		return fault.Error()
	}
	return fmt.Sprintf("a value of type %T", cause)
}

// callers lists functions and lines of the panicking goroutine. A stack trace of the runtime would show arguments too.
func callers() []string {
	pcs := make([]uintptr, 48)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	var lines []string
	for {
		frame, more := frames.Next()
		lines = append(lines, frame.Function+":"+strconv.Itoa(frame.Line))
		if !more {
			return lines
		}
	}
}

// routeOf returns the pattern that served r, without its method: never the path, which a client chooses.
func routeOf(r *http.Request) string {
	_, path, found := strings.Cut(r.Pattern, " ")
	if !found {
		path = r.Pattern
	}
	if path == "" {
		return "unmatched"
	}
	return path
}

var knownMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// methodOf returns the method when it is a usual one: a client may send any word.
func methodOf(r *http.Request) string {
	if slices.Contains(knownMethods, r.Method) {
		return r.Method
	}
	return "other"
}

// A recorder remembers the status and the size of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader notes the first final status.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts bytes.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the writer behind.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) statusOr200() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

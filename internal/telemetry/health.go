package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	// checkTimeout is how long the checks of one round may take together.
	checkTimeout = 2 * time.Second
	// checkEvery is how long a round's result is reused: anyone may ask, so asking must cost little (P14).
	checkEvery = time.Second
)

// A Check is one thing that the server needs.
type Check struct {
	Name string // shown to everyone who asks
	Run  func(ctx context.Context) error
}

// Healthz answers whether the process is alive: that it answers is the answer. An orchestrator restarts on it, so it
// checks nothing that a restart would not cure, unless checks say so.
func Healthz(log *slog.Logger, checks ...Check) http.Handler { return newHealth(log, checks) }

// Readyz answers whether the server can serve: 200, or 503 with the names of the checks that fail. Why they fail is for
// the log.
func Readyz(log *slog.Logger, checks ...Check) http.Handler { return newHealth(log, checks) }

type health struct {
	log    *slog.Logger
	checks []Check
	now    func() time.Time

	mu     sync.Mutex
	at     time.Time
	report report
}

func newHealth(log *slog.Logger, checks []Check) *health {
	return &health{log: log, checks: checks, now: time.Now}
}

// A report is the answer: "ok" or "failing", in all and for each check.
type report struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks,omitempty"`
}

// ServeHTTP answers with the latest report.
func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rep := h.latest(context.WithoutCancel(r.Context())) // others wait for the same round
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if rep.Status != "ok" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(rep) // a client that is gone needs no answer
}

// latest runs the checks unless it has just done so.
func (h *health) latest(ctx context.Context) report {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at.IsZero() || h.now().Sub(h.at) >= checkEvery {
		h.report = h.run(ctx)
		h.at = h.now()
	}
	return h.report
}

// run runs all checks at once. One that does not come back in time fails.
func (h *health) run(ctx context.Context) report {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	results := make([]chan error, len(h.checks))
	for i, check := range h.checks {
		results[i] = make(chan error, 1)
		go func() { results[i] <- safely(ctx, check.Run) }()
	}
	rep := report{Status: "ok", Checks: map[string]string{}}
	for i, check := range h.checks {
		rep.Checks[check.Name] = "ok"
		if err := result(ctx, results[i]); err != nil {
			rep.Status, rep.Checks[check.Name] = "failing", "failing"
			h.log.Warn("a health check fails", "check", check.Name, "error", err)
		}
	}
	return rep
}

// result waits for a check. One that has finished counts even when the time is up.
func result(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		select {
		case err := <-done:
			return err
		default:
			return errors.New("no answer in time")
		}
	}
}

// safely runs a check; one that panics fails and takes nothing else down.
func safely(ctx context.Context, run func(context.Context) error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the check panicked: %s", describe(cause))
		}
	}()
	return run(ctx)
}

package telemetry

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"boundgate/internal/config"
)

// P14
func TestACheckThatHangsFailsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		h := newHealth(NewLogger(io.Discard, config.Log{}), []Check{
			{"deaf", func(context.Context) error { <-release; return nil }},
			{"obedient", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
			{"quick", func(context.Context) error { return nil }},
		})
		began := time.Now()
		status, body := ask(h)
		if want := `{"status":"failing","checks":{"deaf":"failing","obedient":"failing","quick":"ok"}}`; status != 503 || body != want {
			t.Errorf("%d %s", status, body)
		}
		if took := time.Since(began); took != checkTimeout {
			t.Errorf("answered after %s, want %s", took, checkTimeout)
		}
	})
}

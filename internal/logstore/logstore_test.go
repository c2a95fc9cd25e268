package logstore_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"boundgate/internal/logstore"
	"boundgate/internal/logstore/logstoretest"
	"boundgate/internal/signinlog"
)

func open(t testing.TB, path string) *logstore.DB {
	t.Helper()
	db, err := logstore.Open(context.Background(), logstore.Options{Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestLogStore(t *testing.T) {
	logstoretest.Run(t, func(t testing.TB, path string) logstoretest.Store { return open(t, path) })
}

// A row is visible to queries within two seconds of its arrival in the intake, through a feeder that nobody wakes.
func TestRowsAreVisibleWithinTwoSeconds(t *testing.T) {
	db, intake := open(t, filepath.Join(t.TempDir(), "logs")), &logstoretest.Intake{Writer: "node"}
	feeder := &logstore.Feeder{Source: intake, Sink: db, Name: "state", Log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); feeder.Run(ctx) }()
	defer func() { stop(); <-stopped }()
	for n := range 3 {
		intake.Add(t, logstoretest.Row(n, signinlog.NonInteractiveTable, logstoretest.Ours))
		arrived := time.Now()
		for visible(t, db) <= n {
			if time.Since(arrived) > 2*time.Second {
				t.Fatalf("row %d is not visible after two seconds", n)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func visible(t *testing.T, db *logstore.DB) int {
	t.Helper()
	rows, err := db.Rows(t.Context(), logstoretest.Ours, logstore.Selection{NonInteractive: true, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return len(rows)
}

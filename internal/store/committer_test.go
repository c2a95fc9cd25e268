package store

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"
)

func openForTest(t *testing.T) *DB {
	t.Helper()
	db, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "state.db"), Now: time.Now, Writer: "w"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// TestConnections asks the connections themselves for what every promise of durability rests on.
//
// P15
func TestConnections(t *testing.T) {
	db := openForTest(t)
	const full = 2
	for _, c := range []struct {
		on     reader
		pragma string
		want   int
	}{
		{db.writes.on, "synchronous", full}, {db.writes.on, "foreign_keys", 1}, {db.read, "query_only", 1},
	} {
		var got int
		if err := c.on.QueryRowContext(t.Context(), "PRAGMA "+c.pragma).Scan(&got); err != nil || got != c.want {
			t.Errorf("%s is %d, want %d (%v)", c.pragma, got, c.want, err)
		}
	}
	var mode string
	if err := db.writes.on.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal mode is %q (%v)", mode, err)
	}
}

// TestQueueIsBounded holds the committer up and lets writes queue: one too many is refused at once, and a caller who has
// waited in vain still learns what became of the write.
//
// P14
func TestQueueIsBounded(t *testing.T) {
	db := openForTest(t)
	nothing := func(context.Context, *tx) error { return nil }
	running, goOn := make(chan struct{}), make(chan struct{})
	outcomes := make(chan error, maxWaiting+1)
	go func() {
		outcomes <- db.writes.write(t.Context(), func(context.Context, *tx) error {
			close(running)
			<-goOn
			return nil
		})
	}()
	<-running
	impatient, cancel := context.WithCancel(t.Context())
	for range maxWaiting {
		go func() { outcomes <- db.writes.write(impatient, nothing) }()
	}
	for len(db.writes.jobs) < maxWaiting {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := db.writes.write(t.Context(), nothing); !errors.Is(err, ErrBusy) {
		t.Errorf("a write when %d wait: %v, want %v", maxWaiting, err, ErrBusy)
	}
	close(goOn)
	for range maxWaiting + 1 {
		if err := <-outcomes; err != nil {
			t.Errorf("a write that was accepted: %v", err)
		}
	}
	if err := db.writes.write(t.Context(), nothing); err != nil {
		t.Errorf("a write when none waits any more: %v", err)
	}
}

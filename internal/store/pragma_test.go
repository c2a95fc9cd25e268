package store

import (
	"path/filepath"
	"testing"
	"time"
)

// TestConnections asks the connections themselves for what every promise of durability rests on.
//
// P15
func TestConnections(t *testing.T) {
	db, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "state.db"), Now: time.Now, Writer: "w"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
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

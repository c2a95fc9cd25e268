package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"

	"boundgate/internal/directory"
	"boundgate/internal/journal"
)

func openForTest(t *testing.T) *DB { return openAt(t, t.TempDir()) }

func openAt(t *testing.T, place string) *DB {
	t.Helper()
	db, err := Open(t.Context(), Options{Path: filepath.Join(place, "state.db"), Now: time.Now, Writer: "w"})
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

// TestBroken makes a write meet an error of the engine in its middle, alone and among others. Where the disk or the file is
// at fault, nothing of the transaction stays and nothing is written any more, until the database is opened again. A
// conflict is its own write's affair.
//
// P15, P19
func TestBroken(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		broken bool
	}{
		{"the disk is full", sqlite3.Error{Code: sqlite3.ErrFull}, true},
		{"a page cannot be read", sqlite3.Error{Code: sqlite3.ErrIoErr, ExtendedCode: sqlite3.ErrIoErrRead}, true},
		{"the file is damaged", wrap("spend nonce", sqlite3.Error{Code: sqlite3.ErrCorrupt}), true},
		{"the file system is read-only", sqlite3.Error{Code: sqlite3.ErrReadonly}, true},
		{"there is no memory", sqlite3.Error{Code: sqlite3.ErrNomem}, true},
		{"the connection is lost", driver.ErrBadConn, true},
		{"the connection is closed", sql.ErrConnDone, true},
		{"a key is taken", sqlite3.Error{Code: sqlite3.ErrConstraint, ExtendedCode: sqlite3.ErrConstraintPrimaryKey}, false},
		{"someone else writes", sqlite3.Error{Code: sqlite3.ErrBusy}, false},
		{"a nonce was spent", journal.ErrNonceSpent, false},
		{"there is no such row", sql.ErrNoRows, false},
		{"there is no such object", directory.ErrNotFound, false},
	} {
		for _, others := range []int{0, 2} {
			t.Run(fmt.Sprintf("%s, with %d other writes", c.name, others), func(t *testing.T) { breaks(t, c.err, c.broken, others) })
		}
	}
}

func breaks(t *testing.T, cause error, broken bool, others int) {
	place := t.TempDir()
	db := openAt(t, place)
	keep := func(name string) *job {
		return &job{done: make(chan error, 1), do: func(ctx context.Context, tx *tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO numbers (name, value) VALUES ($1, 1)`, name)
			return err
		}}
	}
	fails := keep("fails")
	write := fails.do
	fails.do = func(ctx context.Context, tx *tx) error { return errors.Join(write(ctx, tx), cause) }
	jobs := []*job{fails}
	for n := range others {
		jobs = append(jobs, keep(fmt.Sprint("other ", n)))
	}
	db.writes.batch(jobs) // as the committer's goroutine does, which waits for its first job
	if err := <-fails.done; !errors.Is(err, cause) || errors.Is(err, ErrPoisoned) != broken {
		t.Errorf("the write that failed: %v; poisoned, want %t", err, broken)
	}
	kept := others
	if broken {
		kept = 0
	}
	for _, j := range jobs[1:] {
		if err := <-j.done; errors.Is(err, ErrPoisoned) != broken || !broken && err != nil {
			t.Errorf("a write beside it: %v; poisoned, want %t", err, broken)
		}
	}
	for what, err := range map[string]error{"the next write": db.writes.write(t.Context(), keep("next").do), "Ping": db.Ping(t.Context())} {
		if errors.Is(err, ErrPoisoned) != broken || !broken && err != nil {
			t.Errorf("%s: %v; poisoned, want %t", what, err, broken)
		}
	}
	if !broken {
		kept++
	}
	again := openAt(t, place)
	var found int
	if err := again.read.QueryRowContext(t.Context(), `SELECT count(*) FROM numbers`).Scan(&found); err != nil || found != kept {
		t.Errorf("%d rows are there after reopening, want %d (%v)", found, kept, err)
	}
	if err := again.writes.write(t.Context(), keep("reopened").do); err != nil {
		t.Errorf("a write after reopening: %v", err)
	}
}

// TestReaders opens connections that read while the write-ahead log holds everything, and after it has been moved to the
// database and cut to nothing: each sees what was committed last, the older ones too, and none can write.
func TestReaders(t *testing.T) {
	db := openForTest(t)
	db.read.db.SetMaxOpenConns(0)
	var readers []*sql.Conn
	for n, checkpoint := range []bool{false, true, false, true} {
		if err := db.writes.write(t.Context(), func(ctx context.Context, tx *tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO numbers (name, value) VALUES ($1, 0)`, fmt.Sprint(n))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if checkpoint {
			var busy, frames, moved int
			row := db.writes.on.conn.QueryRowContext(t.Context(), `PRAGMA wal_checkpoint(TRUNCATE)`)
			if err := row.Scan(&busy, &frames, &moved); err != nil || busy != 0 {
				t.Fatalf("checkpoint: busy %d, %v", busy, err)
			}
		}
		readers = append(readers, newReader(t, db))
		for age, c := range readers {
			var seen int
			if err := c.QueryRowContext(t.Context(), `SELECT count(*) FROM numbers`).Scan(&seen); err != nil || seen != n+1 {
				t.Errorf("reader %d after write %d sees %d rows (%v)", age, n, seen, err)
			}
			if _, err := c.ExecContext(t.Context(), `DELETE FROM numbers`); err == nil {
				t.Errorf("reader %d can write", age)
			}
		}
	}
}

// newReader takes a connection that nobody had before out of the pool, until the test ends.
func newReader(t *testing.T, db *DB) *sql.Conn {
	t.Helper()
	c, err := db.read.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

package logstore_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"boundgate/internal/logstore"
	"boundgate/internal/logstore/logstoretest"
	"boundgate/internal/signinlog"
)

// feedUntilKilled names the environment variable by which the test runs itself as the process that is killed.
const feedUntilKilled = "BOUNDGATE_TEST_FEED_UNTIL_KILLED"

// steady is an intake as a state store that outlives the process has it: always the same rows, of which dropping
// removes nothing, so that every process hands over all of them again.
func steady(t testing.TB, rows int) *logstoretest.Intake {
	intake := &logstoretest.Intake{Writer: "node"}
	for n := range rows {
		intake.Add(t, logstoretest.Row(n, []string{signinlog.InteractiveTable, signinlog.NonInteractiveTable}[n%2], logstoretest.Ours))
	}
	return intake
}

const steadyRows = 400

// TestFeedUntilKilled is no test of its own: it is the process that TestKilledFeeder kills.
func TestFeedUntilKilled(t *testing.T) {
	path := os.Getenv(feedUntilKilled)
	if path == "" {
		t.Skip("TestKilledFeeder runs it")
	}
	db := open(t, path)
	list, err := steady(t, steadyRows).Intake(t.Context(), 0, steadyRows)
	if err != nil {
		t.Fatal(err)
	}
	for {
		for n := range list { // small, overlapping batches: many places to die in
			if err := db.Append(t.Context(), "state", list[max(0, n-2):n+1]); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(os.Stdout, "%d\n", n)
		}
	}
}

// A feeder that is killed at any moment loses no row and adds none twice: what it said to be durable is there, without
// gaps, and the next process completes the rest. // P15
func TestKilledFeeder(t *testing.T) {
	path, intake := filepath.Join(t.TempDir(), "logs"), steady(t, steadyRows)
	reached := -1
	for round := range 5 {
		reached = max(reached, killedAfter(t, path, time.Duration(250+round*130)*time.Millisecond))
		db := open(t, path)
		rows, err := db.Rows(context.Background(), logstoretest.Ours, logstore.Selection{Interactive: true, NonInteractive: true, Limit: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) <= reached {
			t.Errorf("round %d: %d rows are there; %d had been acknowledged", round, len(rows), reached+1)
		}
		v, err := db.Verify(context.Background())
		if err != nil || len(v.Problems) > 0 || v.Rows != len(rows) {
			t.Errorf("round %d: of %d rows %d are in the chain, %v, %v", round, len(rows), v.Rows, v.Problems, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if reached < 0 {
		t.Fatal("no process lived long enough to add a row: the test showed nothing")
	}
	db := open(t, path)
	list, err := intake.Intake(t.Context(), 0, steadyRows)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Append(t.Context(), "state", list); err != nil {
		t.Fatal(err)
	}
	if v, err := db.Verify(t.Context()); err != nil || len(v.Problems) > 0 || v.Rows != steadyRows || v.Heads[0] != intake.Head() {
		t.Errorf("in the end %d rows are in the chain, %v, %v, want %d", v.Rows, v.Problems, err, steadyRows)
	}
}

// killedAfter runs this test binary as a feeder, kills it and returns the last row that it said to be durable.
func killedAfter(t *testing.T, path string, life time.Duration) int {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFeedUntilKilled$")
	cmd.Env = append(os.Environ(), feedUntilKilled+"="+path)
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(life)
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	last, n := -1, 0
	for {
		var v int
		used, err := fmt.Sscanf(string(text[n:]), "%d\n", &v)
		if err != nil || used != 1 {
			return last
		}
		last = max(last, v)
		for n < len(text) && text[n] != '\n' {
			n++
		}
		n++
		if n >= len(text) {
			return last
		}
	}
}

// BenchmarkAppend prints the CPU time and the bytes on disk that a row takes, in batches as the feeder moves them.
// Goal 9 of the performance goals: at most 40 µs of CPU a row.
func BenchmarkAppend(b *testing.B) {
	path := filepath.Join(b.TempDir(), "logs")
	db, intake := open(b, path), &logstoretest.Intake{Writer: "node"}
	const batch = 4096
	var batches [][]signinlog.Record
	for n := 0; n < b.N; n += batch {
		var rows []*signinlog.Row
		for m := range min(batch, b.N-n) {
			rows = append(rows, logstoretest.Row(n+m, []string{signinlog.InteractiveTable, signinlog.NonInteractiveTable}[m%2], logstoretest.Ours))
		}
		batches = append(batches, intake.Add(b, rows...))
	}
	before := cpu(b)
	b.ResetTimer()
	for _, list := range batches {
		if err := db.Append(b.Context(), "state", list); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/row")
	if err := db.Close(); err != nil { // writes the log ahead into the file
		b.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/float64(b.N), "file-bytes/row")
}

// cpu is the time that this process has used of all processors.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

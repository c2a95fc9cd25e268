//go:build unix

package store_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boundgate/internal/journal"
	"boundgate/internal/prt"
	"boundgate/internal/session"
	"boundgate/internal/signinlog"
	"boundgate/internal/store"
	"boundgate/internal/store/storetest"
)

// The tests of this file run the test binary again as a process that can be killed, or starved of disk.
const (
	roleVariable  = "BOUNDGATE_STORE_TEST_ROLE"
	placeVariable = "BOUNDGATE_STORE_TEST_PLACE"
)

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleVariable) {
	case "":
		os.Exit(m.Run())
	case "commit until killed":
		err = commitUntilKilled(os.Getenv(placeVariable))
	case "commit until the disk is full":
		err = commitUntilFull(os.Getenv(placeVariable))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func process(t *testing.T, role, place string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), roleVariable+"="+role, placeVariable+"="+place)
	cmd.Stderr = os.Stderr
	return cmd
}

// signIn is what the sign-in with an id leaves behind: a row, a spent nonce and a token that replaces none.
func signIn(id string) journal.Record {
	return journal.Record{
		Effects: journal.Effects{
			SpendNonces:      []journal.SpentNonce{{ID: sha256.Sum256([]byte(id)), Expires: time.Now().Add(time.Hour)}},
			NewRefreshTokens: []session.RefreshToken{{Hash: tokenOf(id), Family: id, ExpiresAt: time.Now().Add(time.Hour)}},
		},
		Rows: []*signinlog.Row{{ID: id, Type: signinlog.InteractiveTable, ResultType: "0", UserAgent: strings.Repeat("x", 2000)}},
	}
}

func tokenOf(id string) prt.Hash { return sha256.Sum256([]byte("token " + id)) }

// commitUntilKilled commits from several goroutines and prints the id of each sign-in that was acknowledged.
func commitUntilKilled(place string) error {
	db, err := open(context.Background(), place)
	if err != nil {
		return err
	}
	var out sync.Mutex
	failed := make(chan error)
	for range 8 {
		go func() {
			for {
				id := fmt.Sprintf("%d-%d", os.Getpid(), rand.Uint64())
				if err := db.Commit(context.Background(), signIn(id)); err != nil {
					failed <- err
					return
				}
				out.Lock()
				fmt.Println(id)
				out.Unlock()
			}
		}()
	}
	return <-failed
}

// TestKill kills the process with SIGKILL amid its commits, again and again. Whatever it has acknowledged is there
// afterwards, and the chain of rows has no gap.
//
// P03, P10, P15
func TestKill(t *testing.T) {
	place := t.TempDir()
	var acknowledged []string
	for round := range 4 {
		acknowledged = append(acknowledged, killAfter(t, place, 100+50*round)...)
		if round == 2 {
			tear(t, place)
		}
	}
	db := openOrFail(t, place)
	records, err := db.Intake(t.Context(), 0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	heads, err := db.ChainHeads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := storetest.VerifyChain(records, heads); err != nil {
		t.Error(err)
	}
	kept := map[string]bool{}
	for _, r := range records {
		row, err := r.Row()
		if err != nil {
			t.Fatal(err)
		}
		kept[row.ID] = true
	}
	for _, id := range acknowledged {
		spend := journal.Record{Effects: journal.Effects{SpendNonces: signIn(id).Effects.SpendNonces}}
		if err := db.Commit(t.Context(), spend); !errors.Is(err, journal.ErrNonceSpent) {
			t.Errorf("the nonce of %s can be spent again: %v", id, err)
		}
		if _, err := db.RefreshToken(t.Context(), tokenOf(id)); err != nil || !kept[id] {
			t.Errorf("%s was acknowledged; row kept: %t; token: %v", id, kept[id], err)
		}
	}
	// All or nothing: what was not acknowledged is either there as a whole or not at all.
	for _, r := range records {
		row, _ := r.Row()
		if _, err := db.RefreshToken(t.Context(), tokenOf(row.ID)); err != nil {
			t.Errorf("the row of %s is there, its token is not: %v", row.ID, err)
		}
	}
	t.Logf("%d acknowledged, %d rows", len(acknowledged), len(records))
}

// killAfter kills a process that commits after it has acknowledged some sign-ins, and returns all that it acknowledged.
func killAfter(t *testing.T, place string, some int) []string {
	t.Helper()
	cmd := process(t, "commit until killed", place)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		ids = append(ids, lines.Text())
		if len(ids) == some {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || len(ids) < some {
		t.Fatalf("the process ended by itself after %d commits: %v", len(ids), err)
	}
	return ids
}

// tear leaves half a frame behind the write-ahead log, as a crash amid a write does.
func tear(t *testing.T, place string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(place, "state.db-wal"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(strings.Repeat("torn", 500)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// commitUntilFull commits while files may grow no further than a little, then lifts the limit and tries again.
func commitUntilFull(place string) error {
	signal.Ignore(syscall.SIGXFSZ)
	ctx := context.Background()
	db, err := open(ctx, place)
	if err != nil {
		return err
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	limited := before
	limited.Cur = 500_000
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited); err != nil {
		return err
	}
	n := 0
	for ; n < 10_000; n++ {
		id := fmt.Sprint("before ", n)
		if err = db.Commit(ctx, signIn(id)); err != nil {
			break
		}
		fmt.Println(id)
	}
	if !errors.Is(err, store.ErrPoisoned) {
		return fmt.Errorf("after %d commits the disk is full, and Commit returns %w", n, err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	for what, err := range map[string]error{
		"Commit": db.Commit(ctx, signIn("after")), "Ping": db.Ping(ctx), "Sweep": db.Sweep(ctx, 10), "BumpEpoch": db.BumpEpoch(ctx),
	} {
		if !errors.Is(err, store.ErrPoisoned) {
			return fmt.Errorf("after a commit has failed, %s returns %w", what, err)
		}
	}
	return nil
}

// TestFullDisk shows that a node whose commit has failed refuses until it is restarted, and then has all it acknowledged.
//
// P15, P19
func TestFullDisk(t *testing.T) {
	place := t.TempDir()
	out, err := process(t, "commit until the disk is full", place).Output()
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := strings.Split(strings.TrimSpace(string(out)), "\n")
	db := openOrFail(t, place)
	for _, id := range acknowledged {
		if _, err := db.RefreshToken(t.Context(), tokenOf(id)); err != nil {
			t.Errorf("%q was acknowledged: %v", id, err)
		}
	}
	if _, err := db.RefreshToken(t.Context(), tokenOf("after")); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("what was refused is there: %v", err)
	}
	if err := errors.Join(db.Commit(t.Context(), signIn("restarted")), db.Ping(t.Context())); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// TestCloseAmidCommits closes the store while commits arrive: each is told the truth, and none hangs.
func TestCloseAmidCommits(t *testing.T) {
	place := t.TempDir()
	db, err := open(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	var done [64]error
	var all sync.WaitGroup
	var committed atomic.Int32
	for n := range done {
		all.Go(func() {
			for {
				if done[n] = db.Commit(t.Context(), signIn(fmt.Sprint(n, "-", rand.Uint64()))); done[n] != nil {
					return
				}
				committed.Add(1)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if left, err := filepath.Glob(filepath.Join(place, "*-*")); err != nil || len(left) != 0 {
		t.Errorf("beside the database, closing leaves %v (%v)", left, err)
	}
	records, err := openOrFail(t, place).Intake(t.Context(), 0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != int(committed.Load()) {
		t.Errorf("%d commits succeeded, %d rows are there; the last answer was %v", committed.Load(), len(records), done[0])
	}
}

// TestFilesOfTheOwner shows that nobody else may read the files however lax the umask is, and that a path is taken as it is.
//
// P16
func TestFilesOfTheOwner(t *testing.T) {
	before := syscall.Umask(0)
	t.Cleanup(func() { syscall.Umask(before) })
	place := filepath.Join(t.TempDir(), "data with a space, a % and a ?")
	db := openOrFail(t, place)
	if err := db.Commit(t.Context(), signInRow(1)); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, name := range []string{"", "state.db", "state.db-wal", "state.db-shm"} {
		info, err := os.Stat(filepath.Join(place, name))
		if err != nil {
			t.Fatal(err)
		}
		got[name] = info.Mode().Perm().String()
	}
	want := map[string]string{"": "-rwx------", "state.db": "-rw-------", "state.db-wal": "-rw-------", "state.db-shm": "-rw-------"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("modes of the directory and its files (-want +got):\n%s", diff)
	}
}

package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"boundgate/internal/broker"
	"boundgate/internal/broker/brokertest"
	"boundgate/internal/tpm"
)

func TestFilesAreTheirOwners(t *testing.T) { // P11
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing on Windows")
	}
	l := newLaptop(t, brokertest.New(t))
	l.register(t, false)
	err := filepath.WalkDir(l.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	for _, open := range []struct {
		path string
		mode os.FileMode
	}{{"state.json", 0o640}, {".", 0o750}, {".", 0o707}} {
		path := filepath.Join(l.dir, open.path)
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, open.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := l.exchange(t.Context(), ""); !errors.Is(err, broker.ErrExposed) {
			t.Errorf("Token() with %s open to others: %v, want ErrExposed", open.path, err)
		}
		if _, err := l.Status(); !errors.Is(err, broker.ErrExposed) {
			t.Errorf("Status() with %s open to others: %v, want ErrExposed", open.path, err)
		}
		if err := os.Chmod(path, before.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.exchange(t.Context(), ""); err != nil {
		t.Errorf("Token() with the modes as they were: %v", err)
	}
}

// A link could name a file that others write.
func TestStateIsNoLink(t *testing.T) {
	l := newLaptop(t, brokertest.New(t))
	l.register(t, false)
	path := filepath.Join(l.dir, "state.json")
	elsewhere := filepath.Join(t.TempDir(), "state.json")
	if err := errors.Join(os.Rename(path, elsewhere), os.Symlink(elsewhere, path)); err != nil {
		t.Skipf("cannot make a link here: %v", err)
	}
	if _, err := l.Status(); !errors.Is(err, broker.ErrExposed) {
		t.Errorf("Status() = %v, want ErrExposed", err)
	}
}

// Keys that a crash left between their making and the registration must not block the next attempt, nor be used in it.
func TestKeysOfAnAttemptCutShort(t *testing.T) {
	l := newLaptop(t, brokertest.New(t))
	keys := tpm.NewSoftwareStore(filepath.Join(l.dir, "keys"))
	left, err := keys.Create("device")
	if err != nil {
		t.Fatal(err)
	}
	l.register(t, false)
	now, err := keys.Open("device")
	if err != nil {
		t.Fatal(err)
	}
	if publicEqual(left, now) {
		t.Error("the registration uses a key that was there before it")
	}
	if _, err := l.exchange(t.Context(), ""); err != nil {
		t.Errorf("Token() = %v", err)
	}
}

// A state that a crash left half written is not read, and gives way to the next.
func TestHalfWrittenState(t *testing.T) {
	l := newLaptop(t, brokertest.New(t))
	l.register(t, false)
	if err := os.WriteFile(filepath.Join(l.dir, "state.json.next"), []byte(`{"server":"https://`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.exchange(t.Context(), ""); err != nil {
		t.Errorf("Token() = %v", err)
	}
	if _, err := os.Stat(filepath.Join(l.dir, "state.json.next")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half-written state is still there: %v", err)
	}
}

// Two processes on one directory take turns: no sign-in is lost, and none is seen half.
func TestBrokersTakeTurns(t *testing.T) {
	server := brokertest.New(t)
	l := newLaptop(t, server)
	l.register(t, false)
	var wait sync.WaitGroup
	for _, user := range []string{brokertest.Alice, brokertest.Bob, brokertest.Alice, brokertest.Bob} {
		other := openLaptop(t, server, l.dir)
		wait.Go(func() {
			if err := other.SignIn(context.WithoutCancel(t.Context()), user, brokertest.Password); err != nil {
				t.Errorf("SignIn() of %s: %v", user, err)
			}
			if _, err := other.exchange(context.WithoutCancel(t.Context()), user); err != nil {
				t.Errorf("Token() of %s: %v", user, err)
			}
		})
	}
	wait.Wait()
	if users := l.status(t).Accounts; len(users) != 2 {
		t.Errorf("%d users are signed in, want two: %+v", len(users), users)
	}
}

// Whoever waits for the directory gives up when told to, and says what it waited for.
func TestBusyDirectory(t *testing.T) {
	server := brokertest.New(t)
	l := newLaptop(t, server)
	l.register(t, false)
	entered, leave := make(chan struct{}), make(chan struct{})
	server.Through(stall(entered, leave))
	done := make(chan error, 1)
	go func() { _, err := l.exchange(context.WithoutCancel(t.Context()), ""); done <- err }()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.exchange(ctx, ""); !errors.Is(err, broker.ErrBusy) {
		t.Errorf("Token() while another holds the directory: %v, want ErrBusy", err)
	}
	if _, err := l.Status(); err != nil {
		t.Errorf("Status() while another holds the directory: %v", err)
	}
	close(leave)
	if err := <-done; err != nil {
		t.Errorf("the first Token() = %v", err)
	}
}

func TestDamagedState(t *testing.T) {
	l := newLaptop(t, brokertest.New(t))
	l.register(t, false)
	path := filepath.Join(l.dir, "state.json")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	with := func(name string, value any) string {
		var members map[string]any
		if err := json.Unmarshal(good, &members); err != nil {
			t.Fatal(err)
		}
		members[name] = value
		text, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, tt := range []struct{ name, text string }{
		{"cut short", string(good[:len(good)/2])},
		{"empty", ""},
		{"of a later form", with("version", 2)},
		{"a server without TLS", with("server", "http://login.example")},
		{"a server with a password in its address", with("server", "https://alice:secret@login.example")},
		{"no place to register", with("registrationServer", "")},
		{"a device id that walks up a path", with("deviceId", "../../x")},
		{"a tenant that walks up a path", with("tenantId", "..")},
		{"a certificate that is none", with("certificate", "AAAA")},
		{"a user that is null", with("accounts", []any{nil})},
		{"a user without a token", with("accounts", []any{map[string]any{"username": "alice@contoso.example"}})},
		{"users without a device", `{"accounts":[{"username":"alice@contoso.example"}]}`},
		{"too large", strings.Repeat(" ", 4<<20) + string(good)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := l.Status()
			if err == nil {
				t.Fatal("Status() accepts it")
			}
			if tt.name != "too large" && !errors.Is(err, broker.ErrDamaged) || !strings.Contains(err.Error(), path) {
				t.Errorf("Status() = %v, want ErrDamaged and the file's path", err)
			}
		})
	}
}

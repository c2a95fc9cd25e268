package password

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func newPool(t *testing.T) *Pool {
	t.Helper()
	p, err := NewPool(2, 2)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestVerify(t *testing.T) {
	p := newPool(t)
	hash, err := p.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, hash, password string
		want                 bool
	}{
		{"the right password passes", hash, "correct horse", true},
		{"another password does not", hash, "correct horsf", false},
		{"the empty password does not", hash, "", false},
		{"where there is no hash nothing passes", "", "correct horse", false},
		{"an oversized password does not", hash, strings.Repeat("x", MaxBytes+1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := p.Verify(t.Context(), tt.hash, tt.password)
			if err != nil || got != tt.want {
				t.Errorf("Verify = %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestTwoHashesOfOnePasswordDiffer(t *testing.T) {
	p := newPool(t)
	a, _ := p.Hash(t.Context(), "same")
	b, _ := p.Hash(t.Context(), "same")
	if a == b {
		t.Error("two hashes of one password are equal: the salt is not random")
	}
	if strings.Contains(a, "same") {
		t.Error("the hash contains the password") // P11
	}
}

func TestDamagedHashesAreErrors(t *testing.T) {
	p := newPool(t)
	for _, hash := range []string{
		"x", "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5",
		"$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5",
		"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$",
	} {
		if ok, err := p.Verify(t.Context(), hash, "x"); ok || err == nil {
			t.Errorf("Verify(%q) = %v, %v, want an error", hash, ok, err)
		}
	}
}

// A full queue refuses at once instead of piling work up. // P14
func TestFullQueueRefuses(t *testing.T) {
	p, err := NewPool(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	p.queue <- struct{}{}
	p.queue <- struct{}{}
	if _, err := p.Verify(context.Background(), "", "x"); !errors.Is(err, ErrBusy) {
		t.Errorf("Verify with a full queue = %v, want ErrBusy", err)
	}
}

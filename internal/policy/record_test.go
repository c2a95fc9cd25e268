package policy

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// What the log keeps of a decision's facts decides the same again. // P18
func TestRecordedFactsDecideTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 4))
	for range 3000 {
		f := randomFacts(r)
		f.At, f.AuthTime = f.At.Truncate(time.Microsecond), f.AuthTime.Truncate(time.Microsecond)
		text, err := f.Record()
		if err != nil {
			t.Fatal(err)
		}
		got, err := RestoreFacts(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		got.Tenant, got.Groups, got.Roles = f.Tenant, f.Groups, f.Roles
		set, err := NewSet(randomPolicies(r), someLocations)
		if err != nil {
			t.Fatal(err)
		}
		if now, then := set.Evaluate(got), set.Evaluate(f); !reflect.DeepEqual(now, then) {
			t.Fatalf("%s\ndecides %+v, and decided %+v", text, now.Decision, then.Decision)
		}
	}
	for _, text := range []string{"", "{}", `{"v":2}`, `{"v":1,"device":{"colour":"red"}}`, `{"v":1,"device":{"displayName":5}}`, `[]`} {
		if f, err := RestoreFacts(text); err == nil {
			t.Errorf("%q is read as %+v", text, f)
		}
	}
}

func FuzzRestoreFacts(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		facts := randomFacts(r)
		text, err := facts.Record()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		facts, err := RestoreFacts(text)
		if err != nil {
			return
		}
		again, err := facts.Record()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := RestoreFacts(again); err != nil {
			t.Fatalf("%q is written as %q: %v", text, again, err)
		}
	})
}

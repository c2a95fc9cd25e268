package policy

import (
	"fmt"
	"testing"

	"boundgate/internal/directory"
)

// benchmarkSet returns n policies of the kinds that tenants have, and the facts of a user who is a member of 33 groups, of
// which policies name four.
func benchmarkSet(b testing.TB, n int) (*Set, Facts) {
	id := func(kind, i int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", kind, i) }
	policies := make([]Policy, n)
	for i := range policies {
		p := tokenProtection(named(id(1, i), fmt.Sprint("policy ", i)))
		switch i % 4 {
		case 0:
			p.Conditions.Users.IncludeGroups = []string{id(2, i), id(2, i+1)}
		case 1:
			p = everything(named(id(1, i), fmt.Sprint("policy ", i)), grants("OR", "compliantDevice", "domainJoinedDevice"), platform([]Platform{MacOS, Linux}))
		case 2:
			p.State = ReportOnly
			p.Conditions.Users.IncludeGroups = []string{pilotGroup}
		case 3:
			p = everything(named(id(1, i), fmt.Sprint("policy ", i)), grants("OR", "mfa"), apps(Applications{IncludeApplications: []string{id(3, i)}}))
		}
		policies[i] = p
	}
	f := windows()
	for i := range 29 {
		f.Groups[directory.ObjectID(id(4, i*977))] = true
	}
	for i := range 3 {
		f.Groups[directory.ObjectID(id(2, i*4))] = true
	}
	return mustSet(b, policies...), f
}

func TestDecideAllocatesNothing(t *testing.T) {
	for _, n := range []int{20, 200, 600} {
		s, f := benchmarkSet(t, n)
		if allocations := testing.AllocsPerRun(100, func() { s.Decide(f) }); allocations != 0 {
			t.Errorf("Decide over %d policies allocates %v times", n, allocations)
		}
		if allocations := testing.AllocsPerRun(100, func() { s.Evaluate(f) }); allocations > 1 {
			t.Errorf("Evaluate over %d policies allocates %v times, want once", n, allocations)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{20, 200} {
		s, f := benchmarkSet(b, n)
		b.Run(fmt.Sprint(n, " policies"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Decide(f)
			}
		})
	}
}

func BenchmarkEvaluate(b *testing.B) {
	for _, n := range []int{20, 200} {
		s, f := benchmarkSet(b, n)
		b.Run(fmt.Sprint(n, " policies"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Evaluate(f)
			}
		})
	}
}

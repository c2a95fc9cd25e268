package lockout

import "time"

// A streak is failures in a row at one place.
type streak struct {
	failures int
	last     time.Time
}

// forgiven is how long a place without a failure takes to begin anew.
const forgiven = 24 * time.Hour

func (s streak) failed(at time.Time) streak {
	if at.Sub(s.last) >= forgiven {
		s.failures = 0
	}
	if at.After(s.last) {
		s.last = at
	}
	s.failures++
	return s
}

// undone takes back the failure at a moment; before is when the last one was until then.
func (s streak) undone(at, before time.Time) streak {
	s.failures = max(0, s.failures-1)
	if s.last.Equal(at) {
		s.last = before
	}
	return s
}

// opens is from when on the place is open.
func (s streak) opens(l Limits) time.Time {
	if s.failures < l.PerPlace {
		return time.Time{}
	}
	wait := l.Wait
	for n := l.PerPlace; n < s.failures && wait < l.MostWait; n++ {
		wait *= 2
	}
	return s.last.Add(min(wait, l.MostWait))
}

// Generations remember a value for each of the keys that were written last, at most twice tracked.
type generations[V any] struct{ current, before map[key]V }

func (m *generations[V]) get(k key) V {
	if v, ok := m.current[k]; ok {
		return v
	}
	return m.before[k]
}

func (m *generations[V]) put(k key, v V) {
	if _, known := m.current[k]; m.current == nil || !known && len(m.current) >= tracked {
		m.before, m.current = m.current, map[key]V{}
	}
	m.current[k] = v
}

func (m *generations[V]) forget(k key) {
	delete(m.current, k)
	delete(m.before, k)
}

// Addresses remember from where an account has signed in. Each account has a bound of its own: whoever has an account and
// many addresses does not make the server forget those of others.
type addresses struct{ of generations[[]address] }

type address struct {
	network key
	last    time.Time
}

const (
	// FamiliarFor is how long an address stays familiar to an account.
	FamiliarFor = 30 * 24 * time.Hour
	// addressesOfOne is how many are remembered for one account: home, office, telephone and some more.
	addressesOfOne = 8
)

func (m *addresses) has(account, network key, at time.Time) bool {
	for _, a := range m.of.get(account) {
		if a.network == network {
			return at.Sub(a.last) < FamiliarFor
		}
	}
	return false
}

func (m *addresses) add(account, network key, at time.Time) {
	list := []address{{network, at}}
	for _, a := range m.of.get(account) {
		if a.network != network && len(list) < addressesOfOne {
			list = append(list, a)
		}
	}
	m.of.put(account, list)
}

// A counter counts within two windows of a length, the current one and the one before, so that a new window does not begin
// at nothing.
type counter struct {
	length          time.Duration
	began           time.Time
	current, before map[key]int
}

func newCounter(length time.Duration) counter {
	return counter{length: length, current: map[key]int{}, before: map[key]int{}}
}

func (c *counter) count(k key, at time.Time) int {
	c.turn(at)
	return c.current[k] + c.before[k]
}

func (c *counter) add(k key, at time.Time) int {
	c.turn(at)
	c.current[k]++
	return c.current[k] + c.before[k]
}

// take takes one back, if it has not been forgotten meanwhile.
func (c *counter) take(k key) {
	for _, m := range []map[key]int{c.current, c.before} {
		if m[k] == 0 {
			continue
		}
		if m[k]--; m[k] == 0 {
			delete(m, k)
		}
		return
	}
}

// turn begins a new window when the current one is over or full.
func (c *counter) turn(at time.Time) {
	age := at.Sub(c.began)
	if age < c.length && len(c.current) < tracked {
		return
	}
	if age >= 2*c.length {
		c.current = map[key]int{}
	}
	c.before, c.current, c.began = c.current, map[key]int{}, at
}

package lockout

import (
	"sync"
	"time"
)

// A Rate bounds how many requests one network may send. Its memory is bounded: where there are more networks than it can
// remember, those that have not sent anything for longest are forgotten.
type Rate struct {
	perSecond float64
	burst     float64
	mu        sync.Mutex
	current   map[string]bucket
	before    map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// NewRate returns a bound of perMinute requests a minute for one network; those of ten seconds may come at once.
func NewRate(perMinute int) *Rate {
	const burstSeconds = 10
	perSecond := float64(perMinute) / 60
	return &Rate{perSecond: perSecond, burst: max(1, perSecond*burstSeconds), current: map[string]bucket{}, before: map[string]bucket{}}
}

// Allow reports whether a request from an address may be answered and, where not, how long the client should wait.
func (l *Rate) Allow(address string, at time.Time) (ok bool, wait time.Duration) {
	network := Network(address)
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.current[network]
	if !known {
		if b, known = l.before[network]; !known {
			b = bucket{tokens: l.burst, at: at}
		}
		if len(l.current) >= tracked {
			l.before, l.current = l.current, map[string]bucket{}
		}
	}
	if passed := at.Sub(b.at); passed > 0 {
		b.tokens, b.at = min(l.burst, b.tokens+passed.Seconds()*l.perSecond), at
	}
	ok = b.tokens >= 1
	if ok {
		b.tokens--
	} else {
		wait = time.Duration((1 - b.tokens) / l.perSecond * float64(time.Second))
	}
	l.current[network] = b
	return ok, wait
}

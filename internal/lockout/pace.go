package lockout

import (
	"crypto/sha256"
	"sync"
	"time"
)

// A Pace tells who asks again too soon. Its memory is bounded.
type Pace struct {
	interval time.Duration
	mu       sync.Mutex
	last     map[key]time.Time
}

// leniency is how much sooner than the interval a request may arrive: networks are not even.
const leniency = time.Second

// NewPace returns a pace that has seen nothing.
func NewPace(interval time.Duration) *Pace {
	return &Pace{interval: interval, last: map[key]time.Time{}}
}

// TooFast reports whether who asked less than the interval ago, and notes that it has asked now.
func (p *Pace) TooFast(who string, at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.last) >= tracked {
		p.last = map[key]time.Time{} // whoever asks too soon is let through once
	}
	k := key(sha256.Sum256([]byte(who)))
	before, asked := p.last[k]
	p.last[k] = at
	return asked && at.Sub(before) < p.interval-leniency
}

package logstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"boundgate/internal/signinlog"
)

// A queue is a Source and a Sink that may fail, for the feeder's own manner.
type queue struct {
	mu       sync.Mutex
	waiting  []signinlog.Record
	moved    []uint64
	attempts []time.Time
	refuse   error // what Append says
	keep     error // what DropIntake says
}

func (q *queue) Intake(_ context.Context, after uint64, limit int) ([]signinlog.Record, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var list []signinlog.Record
	for _, r := range q.waiting {
		if r.Intake > after && len(list) < limit {
			list = append(list, r)
		}
	}
	return list, nil
}

func (q *queue) DropIntake(_ context.Context, upTo uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.keep != nil {
		return q.keep
	}
	for len(q.waiting) > 0 && q.waiting[0].Intake <= upTo {
		q.waiting = q.waiting[1:]
	}
	return nil
}

func (q *queue) Append(_ context.Context, _ string, records []signinlog.Record) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.attempts = append(q.attempts, time.Now())
	if q.refuse != nil {
		return q.refuse
	}
	for _, r := range records {
		q.moved = append(q.moved, r.Intake)
	}
	return nil
}

func (q *queue) add(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for range n {
		q.waiting = append(q.waiting, signinlog.Record{Intake: uint64(len(q.waiting) + len(q.moved) + 1)})
	}
}

// works lets what failed work again.
func (q *queue) works() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refuse, q.keep = nil, nil
}

// feeding runs a feeder over q in a bubble of fake time until the test ends.
func feeding(t *testing.T, q *queue, alarm func(error)) *Feeder {
	t.Helper()
	f := &Feeder{Source: q, Sink: q, Name: "state", Log: slog.New(slog.DiscardHandler), Alarm: alarm}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); f.Run(ctx) }()
	t.Cleanup(func() { stop(); <-stopped })
	synctest.Wait()
	return f
}

func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestFeederMovesWhatWaitsAtItsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{}
		q.add(3)
		feeding(t, q, nil)
		if len(q.moved) != 3 || len(q.waiting) != 0 {
			t.Errorf("%d rows moved, %d wait", len(q.moved), len(q.waiting))
		}
	})
}

// Rows that nobody announces are moved within a second.
func TestFeederMovesRowsWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{}
		feeding(t, q, nil)
		for n := range 5 {
			after(time.Duration(n) * 110 * time.Millisecond)
			q.add(2*feedBatch + 1)
			after(time.Second)
			if len(q.waiting) != 0 {
				t.Fatalf("%d rows wait after a second", len(q.waiting))
			}
		}
	})
}

func TestNotifyWakesTheFeederButKeepsBatchesApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{}
		f := feeding(t, q, nil)
		after(150 * time.Millisecond)
		q.add(1)
		f.Notify()
		synctest.Wait()
		if len(q.moved) != 1 {
			t.Fatal("the row was not moved at once")
		}
		for range 100 { // a row every millisecond
			q.add(1)
			f.Notify()
			after(time.Millisecond)
		}
		after(feedGap)
		if len(q.moved) != 101 || len(q.attempts) > 4 {
			t.Errorf("%d rows in %d batches, want 101 in few", len(q.moved), len(q.attempts))
		}
	})
}

// The log store may fail for as long as it likes: rows wait, attempts become rare, the operator is told once that it
// fails and once that it works again. // P19
func TestFeederBacksOffAndRaisesTheAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("disk full")
		q := &queue{refuse: full}
		var alarms []error
		f := feeding(t, q, func(err error) { alarms = append(alarms, err) })
		q.add(10)
		for range 600 {
			f.Notify() // sign-ins go on
			after(time.Second)
		}
		if n := len(q.attempts); n < 50 || n > 80 {
			t.Errorf("%d attempts in ten minutes, want about one in %v", n, feedBackOff)
		}
		if len(q.waiting) != 10 {
			t.Errorf("%d rows wait, want all", len(q.waiting))
		}
		q.works()
		after(feedBackOff)
		if len(q.moved) != 10 || len(q.waiting) != 0 {
			t.Errorf("%d rows moved, %d wait, when it works again", len(q.moved), len(q.waiting))
		}
		if len(alarms) != 2 || !errors.Is(alarms[0], full) || alarms[1] != nil {
			t.Errorf("alarms were %v, want one error and one all-clear", alarms)
		}
	})
}

// Rows that were moved and could not be dropped are dropped later, though no other row comes.
func TestFeederDropsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{keep: errors.New("locked")}
		feeding(t, q, nil)
		q.add(1)
		after(2 * time.Second)
		q.works()
		after(feedBackOff)
		if len(q.waiting) != 0 {
			t.Error("the row is still in the intake")
		}
	})
}

func TestFeederMovesWhatIsLeftAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{}
		f := &Feeder{Source: q, Sink: q, Log: slog.New(slog.DiscardHandler)}
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() { defer close(stopped); f.Run(ctx) }()
		synctest.Wait()
		q.add(1)
		stop()
		<-stopped
		if len(q.moved) != 1 {
			t.Error("the last row was left behind")
		}
	})
}

// A remover counts how often it is asked and fails at first.
type remover struct{ before []time.Time }

func (r *remover) Retain(_ context.Context, before time.Time) (int64, error) {
	r.before = append(r.before, before)
	if len(r.before) == 1 {
		return 0, errors.New("locked")
	}
	return 1, nil
}

// Rows are kept for as many days as configured, and a failure does not end that. // S34
func TestRetentionGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &remover{}
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		start := time.Now()
		go func() {
			defer close(stopped)
			(&Retention{Logs: r, Days: 30, Now: time.Now, Log: slog.New(slog.DiscardHandler)}).Run(ctx)
		}()
		after(24*time.Hour + time.Minute)
		stop()
		<-stopped
		if len(r.before) != 25 || !r.before[0].Equal(start.AddDate(0, 0, -30)) || !r.before[24].Equal(start.Add(24*time.Hour).AddDate(0, 0, -30)) {
			t.Errorf("asked %d times, from %v, want hourly for a day", len(r.before), r.before[0])
		}
	})
}

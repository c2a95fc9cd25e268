package logstore

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"boundgate/internal/signinlog"
)

// Source is the intake that rows wait in.
type Source interface {
	// Intake returns up to limit rows after the one with the number after, in order.
	Intake(ctx context.Context, after uint64, limit int) ([]signinlog.Record, error)
	// DropIntake removes the rows up to a number.
	DropIntake(ctx context.Context, upTo uint64) error
}

// Sink is where rows go.
type Sink interface {
	// Append makes the rows of a source durable, each once however often it comes.
	Append(ctx context.Context, source string, records []signinlog.Record) error
}

// A Feeder moves rows from the intake to the log store in batches, so that a query sees them within two seconds. Rows leave
// the intake only after they are durable in the log store; what a crash leaves in both is added once.
type Feeder struct {
	Source Source
	Sink   Sink
	Name   string // of the source, among those that feed the log store
	Log    *slog.Logger
	// Alarm is told when moving rows begins to fail, and nil when it works again; nil is allowed.
	Alarm func(err error)

	once  sync.Once
	awake chan struct{}
}

const (
	feedEvery   = 500 * time.Millisecond
	feedGap     = 100 * time.Millisecond // between batches at least, however often it is woken: single rows are dear
	feedBackOff = 10 * time.Second       // at the most, while the log store fails
	feedBatch   = 4096
	feedLast    = 10 * time.Second // for what is left at the end
)

// Notify tells that there are rows: they are moved at once, or after a moment where others just were. It never waits.
func (f *Feeder) Notify() {
	select {
	case f.wake() <- struct{}{}:
	default: // it is awake already
	}
}

func (f *Feeder) wake() chan struct{} {
	f.once.Do(func() { f.awake = make(chan struct{}, 1) })
	return f.awake
}

// Run moves rows until ctx ends, and then what is left, once.
func (f *Feeder) Run(ctx context.Context) {
	wait, failing := time.Duration(0), false
	for f.sleep(ctx, wait, failing) {
		err := f.drain(ctx)
		if ctx.Err() != nil {
			break
		}
		f.report(err, failing)
		failing = err != nil
		wait = nextWait(wait, failing)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), feedLast)
	defer cancel()
	if err := f.drain(last); err != nil {
		f.Log.Error("move the last sign-in rows to the log store; they wait in the state store", "error", err)
	}
}

func nextWait(wait time.Duration, failing bool) time.Duration {
	if !failing {
		return feedEvery
	}
	return min(max(2*wait, feedEvery), feedBackOff)
}

// sleep waits for the time, or until there are rows unless the log store is failing. It reports whether to go on.
func (f *Feeder) sleep(ctx context.Context, wait time.Duration, failing bool) bool {
	wake := f.wake()
	if failing {
		wake = nil
	}
	gap := min(wait, feedGap)
	if !pause(ctx, gap) {
		return false
	}
	timer := time.NewTimer(wait - gap)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-timer.C:
	}
	return true
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// report tells the operator when moving rows begins to fail and when it works again, and logs every failure: with the
// back-off they are few.
func (f *Feeder) report(err error, failing bool) {
	switch {
	case err != nil:
		f.Log.Error("move sign-in rows to the log store; sign-ins go on and rows wait in the state store", "error", err)
	case failing:
		f.Log.Info("sign-in rows are moved to the log store again")
	}
	if f.Alarm != nil && failing != (err != nil) {
		f.Alarm(err)
	}
}

// drain moves batches until the intake is empty. It always begins with the first row that is there: one that was moved
// and not dropped is known to the log store, and one that a restored state store numbers anew is not.
func (f *Feeder) drain(ctx context.Context) error {
	for {
		records, err := f.Source.Intake(ctx, 0, feedBatch)
		if err != nil || len(records) == 0 {
			return err
		}
		if err := f.Sink.Append(ctx, f.Name, records); err != nil {
			return err
		}
		upTo := records[len(records)-1].Intake
		if err := f.Source.DropIntake(ctx, upTo); err != nil {
			return fmt.Errorf("drop rows that were moved: %w", err)
		}
		if len(records) < feedBatch {
			return nil
		}
	}
}

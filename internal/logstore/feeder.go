package logstore

import (
	"context"
	"log/slog"
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
	Last(ctx context.Context, source string) (uint64, error)
	Append(ctx context.Context, source string, records []signinlog.Record) (uint64, error)
}

// A Feeder moves rows from the intake to the log store in batches, so that a query sees them within two seconds. Rows leave
// the intake only after they are durable in the log store.
type Feeder struct {
	Source Source
	Sink   Sink
	Name   string // of the source, among those that feed the log store
	Log    *slog.Logger
	// Alarm is told when moving rows begins to fail, and nil when it works again; nil is allowed.
	Alarm func(err error)
}

const (
	feedEvery   = 500 * time.Millisecond
	feedBackOff = 10 * time.Second // at the most, while the log store fails
	feedBatch   = 4096
)

// Run moves rows until ctx ends, and then what is left, once.
func (f *Feeder) Run(ctx context.Context) {
	wait, failing := feedEvery, false
	for {
		select {
		case <-ctx.Done():
			if err := f.drain(context.WithoutCancel(ctx)); err != nil {
				f.Log.Error("move the last sign-in rows to the log store; they wait in the state store", "error", err)
			}
			return
		case <-time.After(wait):
		}
		err := f.drain(ctx)
		wait = feedEvery
		if err != nil {
			wait = min(2*wait, feedBackOff)
			f.Log.Error("move sign-in rows to the log store; sign-ins go on and rows wait in the state store", "error", err)
		}
		if f.Alarm != nil && failing != (err != nil) {
			f.Alarm(err)
		}
		failing = err != nil
	}
}

// drain moves batches until the intake is empty.
func (f *Feeder) drain(ctx context.Context) error {
	last, err := f.Sink.Last(ctx, f.Name)
	if err != nil {
		return err
	}
	for {
		records, err := f.Source.Intake(ctx, last, feedBatch)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			return nil
		}
		if last, err = f.Sink.Append(ctx, f.Name, records); err != nil {
			return err
		}
		if err := f.Source.DropIntake(ctx, last); err != nil {
			return err
		}
	}
}

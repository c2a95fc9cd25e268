package server

import (
	"context"
	"time"
)

const (
	sweepEvery  = time.Minute
	sweepBatch  = 500
	retainEvery = time.Hour
)

// keepHouse removes what no longer matters until ctx ends: spent nonces and tokens that have expired, and sign-in rows that
// are older than they are kept. Failing is told and tried again; nothing waits for it.
func (s *Server) keepHouse(ctx context.Context) {
	sweep, retain := time.NewTicker(sweepEvery), time.NewTicker(retainEvery)
	defer sweep.Stop()
	defer retain.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			if err := s.db.Sweep(ctx, sweepBatch); err != nil && ctx.Err() == nil {
				s.log.Error("remove what has expired from the state store", "error", err)
			}
		case <-retain.C:
			removed, err := s.logs.Retain(ctx, time.Now().AddDate(0, 0, -s.config.Logs.RetentionDays))
			switch {
			case err != nil && ctx.Err() == nil:
				s.log.Error("remove old sign-in rows", "error", err)
			case removed > 0:
				s.log.Info("old sign-in rows removed", "rows", removed)
			}
		}
	}
}

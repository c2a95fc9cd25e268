package server

import (
	"context"
	"time"
)

const (
	sweepEvery = time.Minute
	sweepBatch = 500
)

// sweep removes spent nonces and tokens that have expired from the state store until ctx ends. Failing is told and tried
// again; nothing waits for it.
func (s *Server) sweep(ctx context.Context) {
	every := time.NewTicker(sweepEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			if err := s.db.Sweep(ctx, sweepBatch); err != nil && ctx.Err() == nil {
				s.log.Error("remove what has expired from the state store", "error", err)
			}
		}
	}
}

// rotateKeys reads the signing keys every minute and makes the next ones when they are due. Failing is told and tried again:
// the keys at hand go on signing.
func (s *Server) rotateKeys(ctx context.Context) {
	every := time.NewTicker(sweepEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			if err := s.keys.Rotate(ctx, now()); err != nil && ctx.Err() == nil {
				s.log.Error("rotate the signing keys", "error", err)
			}
		}
	}
}

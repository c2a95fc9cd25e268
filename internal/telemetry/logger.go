// Package telemetry is what the server tells its operator: its own log, metrics, and whether it is well. It is not the
// sign-in log, which is evidence and lives elsewhere.
//
// One rule runs through it (P11): no secret is told. Requests are logged by method, route and status, never with their
// query or body; metrics have labels from short lists only; a crash shows functions and lines, not arguments. Behind
// those stands a second line of defence: every log record passes Redact, which hides what is named or looks like a
// secret, should somebody log one by mistake.
package telemetry

import (
	"io"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"boundgate/internal/config"
)

// NewLogger returns the server's log on w, in the format and from the level that cfg asks for. Its records are redacted.
func NewLogger(w io.Writer, cfg config.Log) *slog.Logger {
	return slog.New(Redact(newHandler(w, cfg)))
}

func newHandler(w io.Writer, cfg config.Log) slog.Handler {
	level := levelOf(cfg.Level)
	if cfg.Format == "text" || (cfg.Format != "json" && isTerminal(w)) {
		return tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: !isTerminal(w)})
	}
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
}

// levelOf reads a level; what config.Validate refuses is Info.
func levelOf(name string) (level slog.Level) {
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return slog.LevelInfo
	}
	return level
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// ServerErrorLog returns a log for http.Server.ErrorLog. What it says is about single connections, such as a handshake
// that a client broke off, and anyone can cause it: it is worth a look when debugging and no alarm.
func ServerErrorLog(logger *slog.Logger) *log.Logger {
	return slog.NewLogLogger(logger.Handler(), slog.LevelDebug)
}

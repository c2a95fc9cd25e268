package brokercli

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"boundgate/internal/broker"
	"boundgate/internal/tpm"
)

// Exit codes.
const (
	exitFailed = 1 // refused by the server, or failed
	exitUsage  = 2 // the command line is wrong
)

// usageError is a mistake on the command line.
type usageError struct{ error }

// Unwrap makes the mistake visible to errors.Is.
func (e usageError) Unwrap() error { return e.error }

// advice says what to do about errors that are not the server's; the first that applies counts.
var advice = []struct {
	about error
	hint  string
}{
	{context.Canceled, "the command was interrupted; run it again"},
	{broker.ErrNotRegistered, "register the device with `boundgate-broker join`, `register` or `hybrid-join`"},
	{broker.ErrRegistered, "leave first with `boundgate-broker leave`, or use another --dir"},
	{broker.ErrNotSignedIn, "sign the user in with `boundgate-broker sign-in`"},
	{broker.ErrWhichUser, "name the user with --user; `boundgate-broker status` lists them"},
	{broker.ErrKeysMissing, "bring the keys directory back; where it is lost, run `boundgate-broker leave --local`, register again, and have the old device deleted"},
	{broker.ErrNotPrepared, "run `boundgate-broker hybrid-join prepare` first, and have an administrator create the device with its certificate"},
	{broker.ErrDeviceID, "write the device id like d9dc3483-8809-4802-a8fc-ac70d8591810"},
	{broker.ErrBusy, "wait for the other command, or use another --dir"},
	{broker.ErrDamaged, "restore the file, or move the directory away and register again"},
	{broker.ErrExposed, "take the others' access away, and consider the tokens in the directory as known to them"},
	{tpm.ErrExposed, "take the others' access away, and consider the keys as known to them: leave and register again"},
	{broker.ErrRedirected, "give the address that the server redirects to as --server, if it is the right one"},
	{broker.ErrBadAnswer, "check that --server is the address of a Boundgate server"},
	{broker.ErrUnreachable, "check --server, the network and the server's certificate"},
	{broker.ErrServerURL, "write --server like https://login.contoso.example:8443"},
}

// A failure is an error as it is shown.
type failure struct {
	Message       string `json:"message"`
	Hint          string `json:"hint,omitempty"`
	Code          int    `json:"code,omitempty"`          // AADSTS
	OAuth         string `json:"oauth,omitempty"`         // RFC 6749 section 5.2
	TraceID       string `json:"traceId,omitempty"`       // names the request in the server's log
	CorrelationID string `json:"correlationId,omitempty"` // groups it with others
}

// report tells what went wrong and what to do, and returns the exit code.
func (a *app) report(err error) int {
	f := failureOf(err)
	if a.json {
		enc := json.NewEncoder(a.Err)
		enc.SetIndent("", "  ")
		_ = enc.Encode(map[string]failure{"error": f}) // there is nowhere else to say that this failed
	} else {
		fmt.Fprintln(a.Err, "error:", f.Message)
		if f.Hint != "" {
			fmt.Fprintln(a.Err, "hint:", f.Hint)
		}
		if f.TraceID != "" {
			fmt.Fprintln(a.Err, "trace:", strings.TrimSpace(f.TraceID+" "+f.CorrelationID))
		}
	}
	var usage usageError
	if errors.As(err, &usage) || errors.Is(err, broker.ErrDeviceID) {
		return exitUsage
	}
	return exitFailed
}

func failureOf(err error) failure {
	f := failure{Message: plain(err.Error()), Hint: hintFor(err)}
	// A mistyped command comes with suggestions on lines of their own.
	if message, suggestions, found := strings.Cut(f.Message, "\n"); found {
		f.Message, f.Hint = message, strings.Join(strings.Fields(suggestions), " ")
	}
	var refusal *broker.Refusal
	if errors.As(err, &refusal) {
		f.Message = plain(strings.Replace(err.Error(), refusal.Error(), refusal.Message(), 1))
		f.Code, f.OAuth, f.TraceID, f.CorrelationID = refusal.Code(), refusal.OAuth, refusal.TraceID, refusal.CorrelationID
	}
	return f
}

// plain leaves out which package says what, which means nothing to people.
func plain(text string) string { return strings.NewReplacer("broker: ", "", "tpm: ", "").Replace(text) }

func hintFor(err error) string {
	var refusal *broker.Refusal
	if errors.As(err, &refusal) {
		return refusalHint(refusal)
	}
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return "name the server's certificate authority with --ca-file; a development server prints its path when it starts"
	}
	for _, known := range advice {
		if errors.Is(err, known.about) {
			return known.hint
		}
	}
	var usage usageError
	if errors.As(err, &usage) {
		return "see `boundgate-broker --help`"
	}
	return ""
}

// refusalHint gives the server's remedy, or what follows from the kind of refusal where the server keeps it to itself.
func refusalHint(r *broker.Refusal) string {
	switch {
	case r.Remedy() != "":
		return r.Remedy()
	case r.Temporary() && r.RetryAfter > 0:
		return fmt.Sprintf("the server is busy: try again in %d seconds", int(r.RetryAfter/time.Second))
	case r.Temporary():
		return "the server is busy or failing: try again, and ask its administrator if it goes on"
	case r.OAuth == "invalid_grant":
		return "sign in again with `boundgate-broker sign-in`; if that is refused too, ask an administrator to look into the sign-in log"
	}
	return ""
}

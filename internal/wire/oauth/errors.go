package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/signin"
)

// An errorReply is the JSON of a refusal, in the shape that MSAL reads.
type errorReply struct {
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
	ErrorCodes       []int  `json:"error_codes"`
	Timestamp        string `json:"timestamp"`
	TraceID          string `json:"trace_id"`
	CorrelationID    string `json:"correlation_id"`
	ErrorURI         string `json:"error_uri,omitempty"`
	SubError         string `json:"suberror,omitempty"`
	Claims           string `json:"claims,omitempty"`
}

const errorTime = "2006-01-02 15:04:05Z"

// WriteError answers with a refusal in this protocol's shape, where it has to be given before the protocol is reached.
func WriteError(w http.ResponseWriter, r *http.Request, refusal *aadsts.Error) {
	writeError(w, r, refusal)
}

// writeError answers with a refusal. An error that is no refusal is answered without detail.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	refusal := aadsts.Of(err)
	at, trace, correlation := time.Now().UTC(), "", correlationID(r)
	var logged *signin.Refused
	if errors.As(err, &logged) {
		at, trace, correlation = logged.At.UTC(), logged.TraceID, logged.CorrelationID
	}
	if trace == "" {
		trace = uuid.NewString()
	}
	if correlation == "" {
		correlation = uuid.NewString()
	}
	message := refusal.Message
	if refusal.Remedy != "" && !refusal.Generic {
		message += " " + refusal.Remedy
	}
	reply := errorReply{
		Error: refusal.OAuth, ErrorCodes: []int{refusal.Code}, Timestamp: at.Format(errorTime),
		TraceID: trace, CorrelationID: correlation, SubError: refusal.SubError, Claims: refusal.Claims,
		ErrorURI: fmt.Sprintf("https://%s/error?code=%d", r.Host, refusal.Code),
		ErrorDescription: fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
			refusal.Code, message, trace, correlation, at.Format(errorTime)),
	}
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(refusal.RetryAfter))
	}
	if refusal.HTTPStatus() == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="`+r.Host+`"`) // RFC 6749 section 5.2
	}
	w.Header().Set("x-ms-request-id", trace)
	// The client is gone where this fails; there is nobody left to tell.
	_ = writeJSON(w, refusal.HTTPStatus(), reply)
}

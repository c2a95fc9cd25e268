package drs

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/registration"
)

var (
	wrongTenant = &aadsts.Error{Code: 50020, OAuth: "access_denied", Status: http.StatusForbidden,
		Message: "The access token is not for the tenant in the address.", Remedy: "Use the address of the user's own tenant."}
	keysNotServed = &aadsts.Error{Code: 50131, OAuth: "invalid_request",
		Message: "Windows Hello for Business keys are not supported.", Remedy: "Sign in with the password on the registered device."}
)

// An errorReply is the JSON of a refusal: the members in lower case are for today's clients, the others for readers of
// MS-DVRJ 2.2.4.
type errorReply struct {
	Code            string `json:"code"`
	Subcode         string `json:"subcode"`
	Message         string `json:"message"`
	Operation       string `json:"operation"`
	RequestID       string `json:"requestid"`
	Time            string `json:"time"`
	ClientRequestID string `json:"clientrequestid"`

	OldErrorType string `json:"ErrorType"`
	OldMessage   string `json:"Message"`
	OldTraceID   string `json:"TraceId"`
	OldTime      string `json:"Time"`
}

// errorTypes are the kinds of failure in MS-DVRJ's spelling, by status.
var errorTypes = map[int]string{
	http.StatusUnauthorized: "AuthenticationError",
	http.StatusForbidden:    "AuthorizationError",
}

// WriteError answers with a refusal in this protocol's shape, where it has to be given before the protocol is reached.
func WriteError(w http.ResponseWriter, r *http.Request, refusal *aadsts.Error) {
	writeError(w, r, "", uuid.NewString(), refusal)
}

// writeError answers with a refusal. An error that is no refusal is answered without detail.
func writeError(w http.ResponseWriter, r *http.Request, operation, id string, err error) {
	refusal := aadsts.Of(err)
	status := refusal.HTTPStatus()
	kind := errorTypes[status]
	switch {
	case kind != "":
	case status >= 500:
		kind = "ServerError"
	default:
		kind = "InvalidRequestError"
	}
	at := time.Now().UTC().Format(time.RFC3339)
	message := refusal.Message
	if refusal.Remedy != "" {
		message += " " + refusal.Remedy
	}
	if status == http.StatusUnauthorized && refusal.Code == registration.TokenRefused.Code {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`) // RFC 6750 section 3
	}
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(refusal.RetryAfter))
	}
	// The client is gone where this fails; there is nobody left to tell.
	_ = writeJSON(w, status, errorReply{
		Code: refusal.OAuth, Subcode: fmt.Sprintf("AADSTS%d", refusal.Code), Message: message, Operation: operation,
		RequestID: id, Time: at, ClientRequestID: clientRequestID(r),
		OldErrorType: kind, OldMessage: message, OldTraceID: id, OldTime: at,
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client is gone where this fails
	return nil
}

// clientRequestID returns the id that the client gave its request, where it is a GUID: nothing else from a client becomes
// an id.
func clientRequestID(r *http.Request) string {
	text := r.Header.Get("client-request-id")
	id, err := uuid.Parse(text)
	if err != nil || len(text) != len(uuid.Nil.String()) {
		return ""
	}
	return id.String()
}

// source says where a request came from. Its correlation id is the client's, or else the id that the answer carries.
func (h Handlers) source(w http.ResponseWriter, r *http.Request) registration.Source {
	correlation := clientRequestID(r)
	if correlation == "" {
		correlation = w.Header().Get(requestIDHeader)
	}
	return registration.Source{Address: h.ClientAddress(r), CorrelationID: correlation}
}

package graph

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"boundgate/internal/admin"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/password"
)

// An apiError is an answer that refuses a request, as Graph words it.
type apiError struct {
	status     int
	code       string
	message    string
	remedy     string
	details    []detail
	allow      string // for 405
	retryAfter int    // seconds, for 429
	signedOut  bool   // for 401: a new sign-in helps, a token from the client's cache does not
}

// A detail is one of several things that are wrong, OData JSON format 4.01 section 21.
type detail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Target  string `json:"target,omitempty"` // JSON pointer
	Remedy  string `json:"@boundgate.remedy,omitempty"`
}

// Error implements error.
func (e *apiError) Error() string { return e.message }

func badRequest(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: "BadRequest", message: fmt.Sprintf(format, args...)}
}

// writeError sends the error envelope. What is not known to be safe for the caller goes to the server's log, and the
// caller hears the request's id.
func (q *request) writeError(err error) {
	e := answerOf(err)
	if e == nil {
		q.h.Log.ErrorContext(q.Context(), "graph request failed", slog.String("request_id", q.id), slog.String("method", q.Method),
			slog.String("path", q.URL.Path), slog.Any("error", err))
		e = &apiError{status: http.StatusInternalServerError, code: "InternalServerError",
			message: "The request could not be carried out.", remedy: "Look for request " + q.id + " in the server's log."}
	}
	header := q.w.Header()
	switch {
	case e.status == http.StatusUnauthorized:
		header.Set("WWW-Authenticate", q.challenge(e.signedOut))
	case e.allow != "":
		header.Set("Allow", e.allow)
	case e.retryAfter > 0:
		header.Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	body := members{"code": e.code, "message": e.message, "innerError": members{
		"date": time.Now().UTC().Format("2006-01-02T15:04:05"), "request-id": q.id, "client-request-id": q.clientID,
	}}
	if e.remedy != "" {
		body["@boundgate.remedy"] = e.remedy
	}
	if len(e.details) > 0 {
		body["details"] = e.details
	}
	_ = q.reply(e.status, members{"error": body}) // such a value always encodes
}

// challenge says what the client is to do about a token that is not accepted (RFC 6750 section 3). Where the sign-in behind
// it has ended it is a claims challenge, as continuous access evaluation has it: the client asks for a token issued from
// now on and does not offer the next one of its cache.
func (q *request) challenge(signedOut bool) string {
	if !signedOut {
		return `Bearer realm="", error="invalid_token"`
	}
	claims := fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, time.Now().Unix())
	return fmt.Sprintf(`Bearer realm="", authorization_uri="%s/common/oauth2/authorize", error="insufficient_claims", claims="%s"`,
		q.h.PublicURL, base64.StdEncoding.EncodeToString([]byte(claims)))
}

// answerOf returns the answer that an error stands for, nil where it is the server's own affair.
func answerOf(err error) *apiError {
	var known *apiError
	var forbidden *admin.ForbiddenError
	var invalid *admin.InvalidError
	var conflict *admin.ConflictError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &forbidden):
		return &apiError{status: http.StatusForbidden, code: "AccessDenied", message: forbidden.Error(), remedy: forbidden.Remedy()}
	case errors.As(err, &invalid):
		return invalidAnswer(invalid)
	case errors.As(err, &conflict):
		return &apiError{status: http.StatusConflict, code: "Conflict", message: conflict.Message, remedy: conflict.Next}
	case errors.As(err, &tooLarge):
		return &apiError{status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLarge",
			message: fmt.Sprintf("The body is larger than %d bytes.", tooLarge.Limit), remedy: "Send a smaller object."}
	case errors.Is(err, ErrInvalidToken):
		return &apiError{status: http.StatusUnauthorized, code: "InvalidAuthenticationToken",
			message: "The access token is missing or not valid for Microsoft Graph.", remedy: "Sign in and send the access token as a Bearer token."}
	case errors.Is(err, admin.ErrSignedOut):
		return &apiError{status: http.StatusUnauthorized, code: "InvalidAuthenticationToken",
			message: "The sign-in behind the access token has ended.", remedy: "Sign in again.", signedOut: true}
	case errors.Is(err, admin.ErrLicenceRequired):
		return &apiError{status: http.StatusForbidden, code: "AccessDenied",
			message: "The tenant has no licence that includes Conditional Access (AAD_PREMIUM or AAD_PREMIUM_P2).",
			remedy:  "Let a Global Administrator add the licence: boundgate licence set AAD_PREMIUM --units N."}
	case errors.Is(err, directory.ErrNotFound), errors.Is(err, device.ErrNotFound):
		return &apiError{status: http.StatusNotFound, code: "Request_ResourceNotFound",
			message: "There is no such object in this tenant.", remedy: "Check the id, and list the objects to find it."}
	case errors.Is(err, password.ErrBusy):
		return &apiError{status: http.StatusTooManyRequests, code: "TooManyRequests", retryAfter: 5,
			message: "Too many passwords are being processed.", remedy: "Wait a few seconds and try again."}
	case errors.Is(err, ErrBadContinuation):
		return &apiError{status: http.StatusBadRequest, code: "BadRequest",
			message: "The option $skiptoken is not one that this server has given.", remedy: "Follow @odata.nextLink as it came."}
	}
	return nil
}

// invalidAnswer words what is wrong with an object: the first problem as the message, led by the number that clients know
// it by, and all of them as details.
func invalidAnswer(e *admin.InvalidError) *apiError {
	a := &apiError{status: http.StatusBadRequest, code: "BadRequest", message: "The request is not valid."}
	for i, p := range e.Problems {
		message := p.Message
		if p.Code != 0 {
			message = strconv.Itoa(p.Code) + ": " + message
		}
		if i == 0 {
			a.message, a.remedy = message, p.Remedy
		}
		a.details = append(a.details, detail{Code: "BadRequest", Message: message, Target: p.Pointer, Remedy: p.Remedy})
	}
	return a
}

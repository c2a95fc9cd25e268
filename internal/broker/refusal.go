package broker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Refusal is the server's answer that it will not, in the server's words (RFC 6749 section 5.2, with the members that
// Microsoft's clients read).
type Refusal struct {
	Status        int           `json:"-"`
	RetryAfter    time.Duration `json:"-"`     // how long the server asks to wait; 0 where it does not
	OAuth         string        `json:"error"` // such as invalid_grant
	Description   string        `json:"error_description"`
	Codes         []int         `json:"error_codes"`
	SubError      string        `json:"suberror"`
	TraceID       string        `json:"trace_id"`       // names the request in the server's sign-in log
	CorrelationID string        `json:"correlation_id"` // groups it with others
}

// Error returns the server's whole description, or the status where there is none.
func (r *Refusal) Error() string {
	if r.Description != "" {
		return printable(r.Description)
	}
	return strings.TrimSpace(fmt.Sprintf("the server answered %d %s %s", r.Status, http.StatusText(r.Status), printable(r.OAuth)))
}

// Code returns the AADSTS code; 0 where the server gave none.
func (r *Refusal) Code() int {
	if len(r.Codes) == 0 {
		return 0
	}
	return r.Codes[0]
}

// Temporary reports whether the same request may succeed later: the server is busy or failing.
func (r *Refusal) Temporary() bool {
	return r.Status == http.StatusTooManyRequests || r.Status >= http.StatusInternalServerError
}

// Message returns the sentence that says what is wrong, with its code.
func (r *Refusal) Message() string {
	message, _ := r.parts()
	return message
}

// Remedy returns what the server advises to do; "" where it advises nothing.
func (r *Refusal) Remedy() string {
	_, remedy := r.parts()
	return remedy
}

// parts splits a description: one sentence that says what is wrong, sentences that say what to do, and ids.
func (r *Refusal) parts() (message, remedy string) {
	text, _, _ := strings.Cut(r.Error(), " Trace ID: ")
	message, remedy, found := strings.Cut(text, ". ")
	if found {
		message += "."
	}
	return message, remedy
}

// refusalOf reads a refusal in either of the two shapes that servers use.
func refusalOf(resp *http.Response, text []byte) *Refusal {
	r := &Refusal{}
	if err := json.Unmarshal(text, r); err != nil || r.OAuth == "" {
		r = registrationRefusal(text)
	}
	r.Status = resp.StatusCode
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		r.RetryAfter = time.Duration(seconds) * time.Second
	}
	return r
}

var aadstsCode = regexp.MustCompile(`^AADSTS([0-9]{1,9})$`)

// registrationRefusal reads the shape of device registration, which is its own.
func registrationRefusal(text []byte) *Refusal {
	var reply struct {
		Code      string `json:"code"`
		Subcode   string `json:"subcode"`
		Message   string `json:"message"`
		RequestID string `json:"requestid"`
	}
	if json.Unmarshal(text, &reply) != nil || reply.Message == "" {
		return &Refusal{}
	}
	r := &Refusal{OAuth: reply.Code, Description: reply.Message, TraceID: reply.RequestID}
	if found := aadstsCode.FindStringSubmatch(reply.Subcode); found != nil {
		code, _ := strconv.Atoi(found[1]) // nine digits at most: it is a number
		r.Codes, r.Description = []int{code}, reply.Subcode+": "+reply.Message
	}
	return r
}

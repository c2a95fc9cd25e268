package graph

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"boundgate/internal/admin"
	"boundgate/internal/directory"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = 1 << 20

// A request is one call, on its way through this package.
type request struct {
	*http.Request
	h        *handler
	w        http.ResponseWriter
	id       string // request-id
	clientID string // client-request-id
	version  string // v1.0 or beta
	vars     map[string]string
	options  map[string]string // query options by lower-case name with their $
	caller   admin.Caller
	counting bool // the request asks how many there are, and for none of them
}

// authenticate fills in the caller from the bearer token, RFC 6750 section 2.1.
func (q *request) authenticate() error {
	scheme, token, _ := strings.Cut(q.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return ErrInvalidToken
	}
	caller, err := q.h.Auth.Authenticate(q.Context(), token)
	if err != nil {
		return err
	}
	caller.IP, caller.CorrelationID = q.h.ClientIP(q.Request), q.clientID
	q.caller = caller
	return nil
}

// beta reports whether the call is to /beta.
func (q *request) beta() bool { return q.version == "beta" }

// link returns the address of something below the version's root.
func (q *request) link(path string) string { return q.h.PublicURL + "/" + q.version + path }

// context returns an @odata.context.
func (q *request) context(fragment string) string { return q.link("/$metadata#" + fragment) }

// reply sends a value as JSON.
func (q *request) reply(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	q.w.Header().Set("Content-Type", "application/json; odata.metadata=minimal; charset=utf-8")
	q.w.WriteHeader(status)
	_, _ = q.w.Write(append(body, '\n')) // a caller who has gone cannot be told
	return nil
}

// noContent sends the empty answer of a change.
func (q *request) noContent() error {
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// A members value is a JSON object under construction. encoding/json writes its members in the order of their names.
type members map[string]any

// entity sends one object with its context. Of the query options it takes $select.
func (q *request) entity(status int, fragment string, m members) error {
	for name := range q.options {
		if name != "$select" {
			return badRequest("The query option %q is not supported here: this is no list.", name)
		}
	}
	if err := q.selectMembers([]members{m}); err != nil {
		return err
	}
	m["@odata.context"] = q.context(fragment + "/$entity")
	return q.reply(status, m)
}

// created sends a new object with its address.
func (q *request) created(fragment, path string, m members) error {
	q.w.Header().Set("Location", q.link(path))
	return q.entity(http.StatusCreated, fragment, m)
}

// collection sends a list. next is the address of the next page, "" for none.
func (q *request) collection(fragment string, value []members, next string) error {
	if err := q.selectMembers(value); err != nil {
		return err
	}
	m := members{"@odata.context": q.context(fragment), "value": list(value)}
	if next != "" {
		m["@odata.nextLink"] = next
	}
	return q.reply(http.StatusOK, m)
}

func contains(list []string, s string) bool {
	for _, each := range list {
		if each == s {
			return true
		}
	}
	return false
}

// nullable returns nil for "", so that Graph's null is written.
func nullable[T ~string](s T) any {
	if s == "" {
		return nil
	}
	return s
}

// list returns an empty list for a nil one, so that [] is written.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// ownTenant reports whether the path names the caller's tenant.
func (q *request) ownTenant() bool {
	return directory.TenantID(strings.ToLower(q.vars["id"])) == q.caller.Tenant
}

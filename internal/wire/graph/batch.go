package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxBatch bounds the requests of one batch, as Graph does.
const maxBatch = 20

// A batchRequest is one request of a JSON batch (OData JSON format 4.01 section 19).
type batchRequest struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`
}

// batch serves POST /$batch. Each request goes the way of a request of its own: it is authenticated, authorised and bounded
// by itself. Those that depend on one that failed are not carried out.
func (h *handler) batch(q *request) error {
	data, err := q.body()
	if err != nil {
		return err
	}
	var body struct {
		Requests []batchRequest `json:"requests"`
	}
	if _, _, err := parseJSON(data); err != nil {
		return err
	}
	if err := json.Unmarshal(data, &body); err != nil {
		return wrongType(err)
	}
	if err := checkBatch(body.Requests); err != nil {
		return err
	}
	failed := map[string]bool{}
	responses := []members{}
	for _, r := range body.Requests {
		var answer members
		if i := slices.IndexFunc(r.DependsOn, func(id string) bool { return failed[id] }); i >= 0 {
			answer = members{"status": http.StatusFailedDependency, "headers": members{"Content-Type": "application/json"}, "body": members{"error": members{
				"code": "FailedDependency", "message": fmt.Sprintf("The request %q, which this one depends on, has failed.", r.DependsOn[i])}}}
		} else if answer, err = h.answerOne(q, r); err != nil {
			return err
		}
		if status, _ := answer["status"].(int); status >= http.StatusBadRequest {
			failed[r.ID] = true
		}
		answer["id"] = r.ID
		responses = append(responses, answer)
	}
	return q.reply(http.StatusOK, members{"responses": responses})
}

func checkBatch(requests []batchRequest) error {
	if len(requests) == 0 || len(requests) > maxBatch {
		return badRequest("A batch has 1 to %d requests, not %d.", maxBatch, len(requests))
	}
	var before []string
	for i, r := range requests {
		at := fmt.Sprintf("/requests/%d", i)
		if r.ID == "" || len(r.ID) > 100 || slices.Contains(before, r.ID) {
			return badRequest("%s/id: each request has an id of its own, of at most 100 characters.", at)
		}
		if !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete}, r.Method) {
			return badRequest("%s/method: %q is none of GET, POST, PATCH, PUT, DELETE.", at, clipped(r.Method))
		}
		target, err := url.Parse(r.URL)
		if err != nil || target.IsAbs() || target.Host != "" || len(r.URL) > maxQueryText || !strings.HasPrefix(target.Path, "/") {
			return badRequest("%s/url: write it from behind the version on, such as /users?$top=5.", at)
		}
		if strings.EqualFold(strings.Trim(target.Path, "/"), "$batch") {
			return badRequest("%s/url: a batch cannot be in a batch.", at)
		}
		for _, id := range r.DependsOn {
			if !slices.Contains(before, id) {
				return badRequest("%s/dependsOn: %q is not the id of an earlier request.", at, clipped(id))
			}
		}
		before = append(before, r.ID)
	}
	return nil
}

// answerOne carries out one request of a batch, as the caller of the batch.
func (h *handler) answerOne(q *request, r batchRequest) (members, error) {
	inner, err := http.NewRequestWithContext(q.Context(), r.Method, "/"+q.version+r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, badRequest("The request %q of the batch cannot be read.", r.ID)
	}
	for name, value := range r.Headers {
		inner.Header.Set(name, value)
	}
	inner.Header.Set("Authorization", q.Header.Get("Authorization"))
	inner.RemoteAddr, inner.Host = q.RemoteAddr, q.Host
	for _, forwarded := range []string{"X-Forwarded-For", "Forwarded"} { // what the proxy said of the sender, not what the batch says
		inner.Header.Del(forwarded)
		if v := q.Header.Values(forwarded); v != nil {
			inner.Header[http.CanonicalHeaderKey(forwarded)] = v
		}
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(w, inner)
	headers := members{}
	for name := range w.header {
		headers[name] = w.header.Get(name)
	}
	answer := members{"status": w.status, "headers": headers}
	switch {
	case w.body.Len() == 0:
	case json.Valid(w.body.Bytes()):
		answer["body"] = json.RawMessage(w.body.Bytes())
	default:
		answer["body"] = w.body.String()
	}
	return answer, nil
}

// A recorder keeps the answer to one request of a batch.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) { w.status = status }

// Write implements http.ResponseWriter.
func (w *recorder) Write(p []byte) (int, error) { return w.body.Write(p) }

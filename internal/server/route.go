package server

import (
	"net/http"
	"net/url"
	"strings"
)

// routes send a request to the protocol that its first path segment belongs to. Fixed roots come before tenants, so that
// no tenant's name can shadow one.
type routes struct {
	operations   http.Handler // healthz, readyz, metrics
	graph        http.Handler // v1.0, beta
	logAnalytics http.Handler // v1
	tenants      http.Handler // enrollmentserver, {tenant}/…
}

// ServeHTTP routes without regard to case: clients differ in how they write paths. Everywhere but in Graph, whose paths
// hold names that people chose, the whole path is folded to lower case.
func (t routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch strings.ToLower(first) {
	case "healthz", "readyz", "metrics":
		t.operations.ServeHTTP(w, folded(r))
	case "v1.0", "beta":
		t.graph.ServeHTTP(w, r)
	case "v1":
		t.logAnalytics.ServeHTTP(w, folded(r))
	default:
		t.tenants.ServeHTTP(w, folded(r))
	}
}

// folded returns r with its path in lower case.
func folded(r *http.Request) *http.Request {
	lower := strings.ToLower(r.URL.Path)
	if lower == r.URL.Path && r.URL.RawPath == "" {
		return r
	}
	f := new(http.Request)
	*f = *r
	f.URL = new(url.URL)
	*f.URL = *r.URL
	f.URL.Path, f.URL.RawPath = lower, ""
	return f
}

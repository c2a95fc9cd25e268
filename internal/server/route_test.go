package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// Fixed roots come before tenants, whatever their case; paths are folded except in Graph, where people chose the names.
func TestRoutes(t *testing.T) {
	to := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("To", name)
			w.Header().Set("Path", r.URL.Path)
		})
	}
	routes := routes{operations: to("operations"), graph: to("graph"), logAnalytics: to("logs"), tenants: to("tenants")}
	for _, tt := range []struct{ path, to, as string }{
		{"/healthz", "operations", "/healthz"},
		{"/V1.0/Users/Alice@Contoso.example", "graph", "/V1.0/Users/Alice@Contoso.example"},
		{"/beta/me", "graph", "/beta/me"},
		{"/v1/Workspaces/ABC/Query", "logs", "/v1/workspaces/abc/query"},
		{"/EnrollmentServer/Device/ABC", "tenants", "/enrollmentserver/device/abc"},
		{"/Common/oAuth2/v2.0/Token", "tenants", "/common/oauth2/v2.0/token"},
		{"/contoso.example/Discover", "tenants", "/contoso.example/discover"},
		{"/", "tenants", "/"},
		{"/v1.0", "graph", "/v1.0"},
		{"/v10/x", "tenants", "/v10/x"},
	} {
		w := httptest.NewRecorder()
		routes.ServeHTTP(w, httptest.NewRequest(http.MethodGet, tt.path, nil))
		if w.Header().Get("To") != tt.to || w.Header().Get("Path") != tt.as {
			t.Errorf("%s goes to %s as %s, want %s as %s", tt.path, w.Header().Get("To"), w.Header().Get("Path"), tt.to, tt.as)
		}
	}
}

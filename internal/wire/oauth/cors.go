package oauth

import "net/http"

// openTo adds an endpoint that scripts of any web page may call (single-page applications), and the answer to the
// browser's question whether they may (Fetch standard, CORS protocol).
func openTo(mux *http.ServeMux, method, path string, e endpoint) {
	mux.Handle(method+" "+path, crossOrigin(e))
	mux.HandleFunc("OPTIONS "+path, func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Access-Control-Allow-Methods", method)
		header.Set("Access-Control-Allow-Headers", "*, Authorization") // the star leaves this one out
		header.Set("Access-Control-Max-Age", "3600")
		w.WriteHeader(http.StatusNoContent)
	})
}

// crossOrigin lets a script read the answer to a request without cookies. What a cookie has a part in is for no other site.
func crossOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") == "" {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Access-Control-Expose-Headers", "client-request-id, x-ms-request-id, Retry-After")
		}
		next.ServeHTTP(w, r)
	})
}

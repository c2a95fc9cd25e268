package portal

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"time"

	"boundgate/internal/aadsts"
	"boundgate/internal/pages"
	sessions "boundgate/internal/session"
	"boundgate/internal/signin"
	"boundgate/internal/token"
)

const persistentLifetime = sessions.PersistentBrowserLifetime

// answer sends the code to the client.
func (h handler) answer(w http.ResponseWriter, r *http.Request, v visit, a signin.Authorization) error {
	p := v.parameters()
	fields := []pages.Field{{Name: "code", Value: a.Code}}
	if p.get("client_info") == "1" {
		fields = append(fields, pages.Field{Name: "client_info", Value: clientInfo(a.Account)})
	}
	// Who answers, so that an answer of another server is not taken for this one's (RFC 9207).
	fields = append(fields, pages.Field{Name: "iss", Value: h.Issuer.Issuer(token.V2, a.Tenant)})
	return h.send(w, r, v, fields)
}

// answerError sends a refusal to the client (RFC 6749 section 4.1.2.1).
func (h handler) answerError(w http.ResponseWriter, r *http.Request, v visit, err error) error {
	refusal := aadsts.Of(err)
	trace, correlation, at := "", v.CorrelationID, h.Now()
	var refused *signin.Refused
	if errors.As(err, &refused) {
		trace, correlation, at = refused.TraceID, refused.CorrelationID, refused.At
	}
	fields := []pages.Field{
		{Name: "error", Value: oauthError(refusal)},
		{Name: "error_description", Value: fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
			refusal.Code, refusal.Message, trace, correlation, at.UTC().Format("2006-01-02 15:04:05Z"))},
		{Name: "error_uri", Value: fmt.Sprintf("%s/error?code=%d", h.Issuer.URL, refusal.Code)},
	}
	if refusal.SubError != "" {
		fields = append(fields, pages.Field{Name: "error_subcode", Value: refusal.SubError})
	}
	return h.send(w, r, v, fields)
}

// oauthError is the error that the authorization endpoint has for a refusal: the token endpoint's word for a bad grant is
// not among them.
func oauthError(e *aadsts.Error) string {
	switch e.OAuth {
	case "invalid_grant":
		return "access_denied"
	case "invalid_resource", "invalid_client":
		return "invalid_request"
	case "":
		return "server_error"
	}
	return e.OAuth
}

// send answers the client in its response mode.
func (h handler) send(w http.ResponseWriter, r *http.Request, v visit, fields []pages.Field) error {
	p := v.parameters()
	if state := p.get("state"); state != "" {
		fields = append(fields, pages.Field{Name: "state", Value: state})
	}
	uri := p.get("redirect_uri")
	if p.get("response_mode") == "form_post" {
		return h.Pages.Render(w, r, http.StatusOK, h.frame(v), pages.FormPost{Target: uri, Fields: fields})
	}
	q := url.Values{}
	for _, f := range fields {
		q.Set(f.Name, f.Value)
	}
	u, err := url.Parse(uri)
	if err != nil {
		return h.refuse(w, r, v, aadsts.RedirectURIUnknown.Because(err))
	}
	if p.get("response_mode") == "fragment" {
		return redirect(w, r, uri+"#"+q.Encode())
	}
	separator := "?"
	if u.RawQuery != "" || u.ForceQuery {
		separator = "&"
	}
	return redirect(w, r, uri+separator+q.Encode())
}

// redirect sends the browser on. The body has the same address in an anchor: a client reads it there. A redirect that
// answers a form must not repeat the form (RFC 9700 section 4.12): 303 after a POST.
func redirect(w http.ResponseWriter, r *http.Request, location string) error {
	status := http.StatusFound
	if r.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	w.Header().Set("Location", location)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, err := fmt.Fprintf(w, "<html><head><title>Object moved</title></head><body><h2>Object moved to <a href=\"%s\">here</a>.</h2></body></html>\n",
		html.EscapeString(location))
	return err
}

// stamp is a time as details show it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

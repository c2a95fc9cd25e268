package oauth

import (
	"net/http"
	"strings"

	"boundgate/internal/aadsts"
)

// userInfo serves the UserInfo endpoint (OpenID Connect Core 1.0 section 5.3), with errors as RFC 6750 section 3 has them.
func (h handler) userInfo(w http.ResponseWriter, r *http.Request) error {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+h.Issuer.URL+`"`)
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	info, err := h.SignIns.UserInfo(r.Context(), strings.TrimSpace(bearer))
	if err != nil && aadsts.Of(err).Code == aadsts.BearerInvalid.Code {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+h.Issuer.URL+`", error="invalid_token", error_description="The access token is not valid here, or no longer."`)
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, info)
}

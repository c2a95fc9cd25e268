// Package claims reads the claims parameter of OAuth requests (OpenID Connect Core 1.0 section 5.5), as far as Microsoft's
// clients use it; the authorization and the token endpoint both do.
package claims

import (
	"encoding/json"
	"slices"
	"strings"

	"boundgate/internal/aadsts"
)

// max bounds a claims parameter, in bytes.
const max = 8 << 10

// Asked is what a request asks for by its claims parameter and amr_values.
type Asked struct {
	Capabilities []string // of the client, for xms_cc
	MultiFactor  bool
}

type parameter struct {
	AccessToken members `json:"access_token"`
	IDToken     members `json:"id_token"`
}

type members struct {
	Capabilities *wanted `json:"xms_cc"`
	Strength     *wanted `json:"amr"`
}

type wanted struct {
	Value  string   `json:"value"`
	Values []string `json:"values"`
}

func (w *wanted) has(values ...string) bool {
	return w != nil && slices.ContainsFunc(values, func(v string) bool { return w.Value == v || slices.Contains(w.Values, v) })
}

// Read reads both parameters; each may be "". Members that are not known are ignored, as the specification says.
func Read(claims, amrValues string) (Asked, error) {
	var asked Asked
	for _, value := range strings.Fields(strings.ReplaceAll(amrValues, ",", " ")) {
		asked.MultiFactor = asked.MultiFactor || value == "mfa" || value == "ngcmfa"
	}
	if claims == "" {
		return asked, nil
	}
	var p parameter
	if len(claims) > max || json.Unmarshal([]byte(claims), &p) != nil {
		return asked, aadsts.MalformedRequest.Saying("The claims parameter is not a JSON object of the form that OpenID Connect gives it.")
	}
	if p.AccessToken.Capabilities.has("CP1", "cp1") {
		asked.Capabilities = []string{"CP1"}
	}
	for _, m := range []members{p.AccessToken, p.IDToken} {
		asked.MultiFactor = asked.MultiFactor || m.Strength.has("mfa", "ngcmfa")
	}
	return asked, nil
}

// Package claims reads the claims parameter of OAuth requests (OpenID Connect Core 1.0 section 5.5), as far as Microsoft's
// clients use it; the authorization and the token endpoint both do.
package claims

import (
	"encoding/json"
	"regexp"
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
	// Contexts are the authentication contexts asked for (acrs), in order, each once.
	Contexts []string
}

type parameter struct {
	AccessToken members `json:"access_token"`
	IDToken     members `json:"id_token"`
}

type members struct {
	Capabilities *wanted `json:"xms_cc"`
	Strength     *wanted `json:"amr"`
	Contexts     *wanted `json:"acrs"`
}

type wanted struct {
	Value  string   `json:"value"`
	Values []string `json:"values"`
}

func (w *wanted) has(values ...string) bool {
	return w != nil && slices.ContainsFunc(values, func(v string) bool { return w.Value == v || slices.Contains(w.Values, v) })
}

// contexts returns the authentication contexts that are wanted. Unlike other values, one that does not exist is refused: the
// client would take the token for one that stands for it.
func (w *wanted) contexts() ([]string, error) {
	if w == nil {
		return nil, nil
	}
	var list []string
	for _, c := range append([]string{w.Value}, w.Values...) {
		if c == "" || slices.Contains(list, c) {
			continue
		}
		if !context.MatchString(c) {
			return nil, aadsts.MalformedRequest.Saying("The claims parameter asks for %q, which is no authentication context: they are c1 to c99.", clip(c))
		}
		list = append(list, c)
	}
	slices.Sort(list)
	return list, nil
}

var context = regexp.MustCompile(`^c[1-9][0-9]?$`)

func clip(s string) string {
	if len(s) > 20 {
		return strings.ToValidUTF8(s[:20], "") + "…"
	}
	return s
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
	var err error
	if asked.Contexts, err = p.AccessToken.Contexts.contexts(); err != nil {
		return asked, err
	}
	for _, m := range []members{p.AccessToken, p.IDToken} {
		asked.MultiFactor = asked.MultiFactor || m.Strength.has("mfa", "ngcmfa")
	}
	return asked, nil
}

package oauth

import (
	"encoding/json"
	"slices"
	"strings"

	"boundgate/internal/aadsts"
	"boundgate/internal/signin"
)

// maxClaims bounds a claims parameter, in bytes.
const maxClaims = 8 << 10

// A claimsRequest is the claims parameter (OpenID Connect Core 1.0 section 5.5), of which Microsoft's clients use a few
// members. Others are ignored, as the specification says.
type claimsRequest struct {
	AccessToken struct {
		Capabilities wanted `json:"xms_cc"`
		Strength     wanted `json:"amr"`
	} `json:"access_token"`
	IDToken struct {
		Strength wanted `json:"amr"`
	} `json:"id_token"`
}

type wanted struct {
	Value  string   `json:"value"`
	Values []string `json:"values"`
}

func (w wanted) has(value string) bool { return w.Value == value || slices.Contains(w.Values, value) }

// ClaimsOf reads the claims parameter and amr_values into req: the capabilities that the client states, and whether it
// asks for a second factor.
func ClaimsOf(claims, amrValues string, req *signin.Request) error {
	for _, value := range strings.Fields(strings.ReplaceAll(amrValues, ",", " ")) {
		req.Demand.MultiFactor = req.Demand.MultiFactor || asksFactor(value)
	}
	if claims == "" {
		return nil
	}
	var c claimsRequest
	if len(claims) > maxClaims || json.Unmarshal([]byte(claims), &c) != nil {
		return aadsts.MalformedRequest.Saying("The claims parameter is not a JSON object of the form that OpenID Connect gives it.")
	}
	if c.AccessToken.Capabilities.has("CP1") || c.AccessToken.Capabilities.has("cp1") {
		req.Capabilities = []string{"CP1"}
	}
	for _, w := range []wanted{c.AccessToken.Strength, c.IDToken.Strength} {
		for _, value := range append(w.Values, w.Value) {
			req.Demand.MultiFactor = req.Demand.MultiFactor || asksFactor(value)
		}
	}
	return nil
}

func asksFactor(amr string) bool { return amr == "mfa" || amr == "ngcmfa" }

package graph

import (
	"net/http"

	"boundgate/internal/token"
)

func keyMembers(keys []token.KeyInfo) []members {
	value := make([]members, len(keys))
	for i, k := range keys {
		value[i] = members{"kid": k.ID, "alg": k.Algorithm, "signing": k.Signing, "signsFrom": nil}
		if !k.SignsAt.IsZero() {
			value[i]["signsFrom"] = stamp(k.SignsAt)
		}
	}
	return value
}

func (h *handler) signingKeys(q *request) error {
	keys, err := h.Admin.SigningKeys(q.Context(), q.caller)
	if err != nil {
		return err
	}
	return q.filtered("boundgate/signingKeys", keyMembers(keys))
}

// replaceSigningKeys serves POST /boundgate/signingKeys/replace.
func (h *handler) replaceSigningKeys(q *request) error {
	var body struct {
		Revoke bool `json:"revoke"`
	}
	if err := q.read(&body); err != nil {
		return err
	}
	keys, err := h.Admin.ReplaceSigningKeys(q.Context(), q.caller, body.Revoke)
	if err != nil {
		return err
	}
	return q.reply(http.StatusOK, members{"@odata.context": q.context("boundgate/signingKeys"), "value": keyMembers(keys)})
}

package graph

import "boundgate/internal/factor"

// factorTypes are Graph's names of the authentication methods.
var factorTypes = map[factor.Kind]string{
	factor.TOTP: "#microsoft.graph.softwareOathAuthenticationMethod", factor.PassKey: "#microsoft.graph.fido2AuthenticationMethod",
}

func (h *handler) factors(q *request) error {
	factors, err := h.Admin.Factors(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return err
	}
	value := make([]members, len(factors))
	for i, f := range factors {
		value[i] = members{"@odata.type": factorTypes[f.Kind], "id": f.ID, "displayName": f.DisplayName, "createdDateTime": stamp(f.CreatedAt)}
		if f.Kind == factor.TOTP {
			value[i]["secretKey"] = nil
		}
	}
	return q.collection("users/authentication/methods", value, "")
}

func (h *handler) removeFactor(q *request) error {
	if err := h.Admin.RemoveFactor(q.Context(), q.caller, q.vars["id"], q.vars["factor"]); err != nil {
		return err
	}
	return q.noContent()
}

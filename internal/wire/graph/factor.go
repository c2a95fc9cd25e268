package graph

import (
	"net/http"

	"boundgate/internal/factor"
)

// A methodKind is how Graph names a kind of second factor.
type methodKind struct {
	kind       factor.Kind
	resource   string // in @odata.type
	collection string // in paths and @odata.context
}

var (
	softwareOath = methodKind{factor.TOTP, "softwareOathAuthenticationMethod", "softwareOathMethods"}
	fido2        = methodKind{factor.PassKey, "fido2AuthenticationMethod", "fido2Methods"}
)

// members is a second factor as Graph shows it: of a TOTP never the key, and of a passkey no attestation, for none is asked.
func (k methodKind) members(f factor.Factor) members {
	m := members{"id": f.ID, "displayName": f.DisplayName, "createdDateTime": stamp(f.CreatedAt), "lastUsedDateTime": stamp(f.LastUsedAt)}
	switch f.Kind {
	case factor.TOTP:
		m["secretKey"] = nil
	case factor.PassKey:
		m["attestationLevel"], m["attestationCertificates"] = "notAttested", []string{}
	}
	return m
}

func (h *handler) methods(q *request) error {
	factors, err := h.Admin.Factors(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return err
	}
	value := make([]members, len(factors))
	for i, f := range factors {
		k := softwareOath
		if f.Kind == factor.PassKey {
			k = fido2
		}
		value[i] = k.members(f)
		value[i]["@odata.type"] = "#microsoft.graph." + k.resource
	}
	return q.filtered("users/authentication/methods", value)
}

func (h *handler) methodsOf(k methodKind) func(*request) error {
	return func(q *request) error {
		factors, err := h.Admin.Factors(q.Context(), q.caller, q.vars["id"])
		if err != nil {
			return err
		}
		var value []members
		for _, f := range factors {
			if f.Kind == k.kind {
				value = append(value, k.members(f))
			}
		}
		return q.filtered("users/authentication/"+k.collection, value)
	}
}

func (h *handler) methodOf(k methodKind) func(*request) error {
	return func(q *request) error {
		f, err := h.Admin.Factor(q.Context(), q.caller, q.vars["id"], k.kind, q.vars["method"])
		if err != nil {
			return err
		}
		return q.entity(http.StatusOK, "users/authentication/"+k.collection, k.members(f))
	}
}

func (h *handler) removeMethod(k methodKind) func(*request) error {
	return func(q *request) error {
		if err := h.Admin.RemoveFactor(q.Context(), q.caller, q.vars["id"], k.kind, q.vars["method"]); err != nil {
			return err
		}
		return q.noContent()
	}
}

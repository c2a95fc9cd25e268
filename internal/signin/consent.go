package signin

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
)

// checkConsent checks that the person, or an administrator for everybody, has agreed to what the client asks for. The
// applications that come with the program need no agreement.
func (s *Service) checkConsent(ctx context.Context, a *attempt) error {
	if a.app == nil || !a.app.NeedsConsent() || a.issuesPRT() || a.kind == clientCredentialsGrant || a.visiting() {
		return nil
	}
	given, err := s.Directory.Consents(ctx, a.tenant.ID, a.user.ID, a.client)
	if err != nil {
		return err
	}
	var agreed []string
	for _, c := range given {
		if c.Resource == a.resource.AppID {
			agreed = append(agreed, c.Scopes...)
		}
	}
	wanted := a.wantedScopes()
	a.missingConsent = slices.DeleteFunc(slices.Clone(wanted), func(scope string) bool { return slices.Contains(agreed, scope) })
	if a.req.Demand.Consent && !a.req.Consented {
		a.missingConsent = wanted
	}
	if len(a.missingConsent) == 0 {
		return nil
	}
	if !a.req.Consented {
		return aadsts.ConsentNeeded
	}
	if s.adminOnly(a) {
		return aadsts.AdminConsentNeeded
	}
	grant := directory.Consent{
		ID: uuid.NewString(), Tenant: a.tenant.ID, User: a.user.ID, Client: a.client, Resource: a.resource.AppID, Scopes: wanted, At: a.at,
	}
	a.effects.NewConsents = append(a.effects.NewConsents, grant)
	a.effects.Audit = append(a.effects.Audit, a.auditRow(a.tenant.ID, a.user, "Consent to application", "ApplicationManagement", json.RawMessage(toJSON(grant))))
	return nil
}

// wantedScopes are the scopes that consent must cover: those of the resource and those of OpenID Connect.
func (a *attempt) wantedScopes() []string {
	wanted := slices.Clone(a.requested.scopes)
	for _, scope := range strings.Fields(a.words().scope) {
		if openIDScopes[scope] && !slices.Contains(wanted, scope) {
			wanted = append(wanted, scope)
		}
	}
	slices.Sort(wanted)
	return slices.Compact(wanted)
}

// adminOnly reports whether only an administrator may agree.
func (s *Service) adminOnly(a *attempt) bool {
	if a.tenant.Settings.DenyUserConsent {
		return true
	}
	return slices.ContainsFunc(a.resource.Scopes, func(scope directory.Scope) bool {
		return scope.AdminConsent && slices.Contains(a.missingConsent, scope.Value)
	})
}

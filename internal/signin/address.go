package signin

import (
	"context"
	"errors"
	"strings"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
	"boundgate/internal/token"
)

// A target is what a request asks for, in the words of its protocol version.
type target struct {
	identifier string   // of the resource, as the client named it; "" for none
	scopes     []string // of the resource, without its identifier
	openID     bool     // an ID token is wanted
	offline    bool     // a refresh token is wanted
	text       string   // the scope that the answer repeats
}

// address finds out what is asked for: the tenant of the address, the user's account in it, the client and the resource.
func (s *Service) address(ctx context.Context, a *attempt) error {
	if err := s.addressTenant(ctx, a); err != nil {
		return err
	}
	a.client = normalAppID(a.words().client)
	if err := s.addressClient(ctx, a); err != nil {
		return err
	}
	if err := a.checkCodeRequest(); err != nil {
		return err
	}
	if a.issuesPRT() {
		// A PRT is for the authorization server itself; the log shows it as Entra's does.
		return s.addressResource(ctx, a, string(directory.AzureADGraph))
	}
	t, err := parseTarget(a.version(), a.words())
	if err != nil {
		return err
	}
	a.requested = t
	identifier := t.identifier
	switch {
	case identifier == "" && a.version() == token.V2:
		identifier = string(directory.MicrosoftGraph)
	case identifier == "":
		identifier = string(directory.AzureADGraph)
	}
	return s.addressResource(ctx, a, identifier)
}

func (s *Service) addressTenant(ctx context.Context, a *attempt) error {
	if anyTenant(a.req.PathTenant) {
		a.tenant, a.user = a.home, a.homeUser
		return nil
	}
	tenant, err := s.Directory.TenantByName(ctx, a.req.PathTenant)
	if err != nil {
		return notFound(err, aadsts.UnknownTenant)
	}
	a.tenant = tenant
	if tenant.ID == a.home.ID || a.kind == clientCredentialsGrant {
		a.user = a.homeUser
		return nil
	}
	return s.addressGuest(ctx, a)
}

// addressGuest finds the guest account of a user whose home is another tenant. Whoever only knows a name or a password
// learns nothing of it: that such an account exists is told to holders of a session alone (P13).
func (s *Service) addressGuest(ctx context.Context, a *attempt) error {
	//exhaustive:enforce
	switch a.kind {
	case passwordGrant, prtByPassword:
		return aadsts.InvalidCredentials.Becausef("%s is not the home of %s", a.tenant.ID, a.username)
	case prtByRefreshToken, prtRenewal:
		return aadsts.UserNotInTenant.Becausef("%s is not the home of %s", a.tenant.ID, a.username)
	case prtUse, refreshGrant, codeGrant, deviceCodeGrant, onBehalfOfGrant, browserSession, browserPRT, typedPassword, clientCredentialsGrant:
	}
	user, err := s.Directory.GuestOf(ctx, a.tenant.ID, a.home.ID, a.homeUser.ID)
	if errors.Is(err, directory.ErrNotFound) && a.kind == typedPassword {
		return nil // told once the password has been right: checkUsers
	}
	if err != nil {
		return notFound(err, aadsts.UserNotInTenant)
	}
	a.user = user
	return nil
}

func (s *Service) addressClient(ctx context.Context, a *attempt) error {
	if a.client == "" {
		return aadsts.MissingParameter.Saying("The request has no client_id.")
	}
	app, err := s.Directory.Application(ctx, a.tenant.ID, a.client)
	if errors.Is(err, directory.ErrNotFound) {
		if a.issuesPRT() && a.client == directory.WindowsSignIn {
			return nil
		}
		return aadsts.UnknownClient.Because(err)
	}
	if err != nil {
		return err
	}
	a.app = &app
	return nil
}

func (s *Service) addressResource(ctx context.Context, a *attempt, identifier string) error {
	resource, err := s.Directory.ResourceNamed(ctx, a.tenant.ID, identifier)
	if err != nil {
		return notFound(err, aadsts.UnknownResource)
	}
	a.resource = resource
	return nil
}

// words are what a request asks for, from wherever its protocol puts them: a signed request's own claims, or the form.
type words struct{ client, resource, scope string }

func (a *attempt) words() words {
	switch {
	case a.session != nil && a.kind != browserPRT:
		c := a.session.Claims
		return words{c.ClientID, c.Resource, c.Scope}
	case a.signed != nil:
		c := a.signed.Claims
		return words{c.ClientID, c.Resource, c.Scope}
	}
	w := words{a.req.Client, a.req.Resource, a.req.Scope}
	switch c := a.redeemed; {
	case c != nil && w.resource == "" && w.scope == "":
		w.resource, w.scope = c.Resource, c.Scope
	case a.deviceCode != nil:
		w.resource, w.scope = a.deviceCode.Resource, a.deviceCode.Scope
	case a.approves != nil:
		w = words{string(a.approves.Record.Client), a.approves.Record.Resource, a.approves.Record.Scope}
	case a.kind == refreshGrant && a.refresh != nil && w.resource == "" && w.scope == "":
		w.resource, w.scope = a.refresh.Resource, a.refresh.Scope
	}
	return w
}

func normalAppID(text string) directory.AppID { return directory.AppID(strings.ToLower(text)) }

// version is that of the protocol in which the request says what it asks for.
func (a *attempt) version() token.Version {
	switch {
	case a.approves != nil:
		return token.Version(a.approves.Record.Version)
	case a.deviceCode != nil:
		return token.Version(a.deviceCode.Version)
	}
	return a.req.Version
}

// The OpenID Connect scopes; every other scope is of a resource.
var openIDScopes = map[string]bool{"openid": true, "profile": true, "email": true, "offline_access": true, "aza": true, "ugs": true}

// The bounds of what one request may ask for: they are kept with codes and tokens.
const (
	maxScopes     = 64
	maxScopeBytes = 4096
	maxResource   = 2048 // bytes
)

// parseTarget reads resource (v1) or scope (v2). One request asks for one resource.
func parseTarget(v token.Version, w words) (target, error) {
	t := target{offline: v == token.V1}
	scopes := strings.Fields(w.scope)
	if len(scopes) > maxScopes || len(w.scope) > maxScopeBytes {
		return t, aadsts.InvalidScope.Saying("The request names more than %d scopes, or its scope is longer than %d bytes.", maxScopes, maxScopeBytes)
	}
	if len(w.resource) > maxResource {
		return t, aadsts.UnknownResource
	}
	for _, scope := range scopes {
		t.openID = t.openID || scope == "openid"
		t.offline = t.offline || scope == "offline_access"
		if v == token.V1 || openIDScopes[scope] {
			continue
		}
		identifier, name := splitScope(scope)
		if t.identifier != "" && t.identifier != identifier {
			return t, aadsts.InvalidScope
		}
		t.identifier, t.scopes = identifier, append(t.scopes, name)
	}
	if v == token.V1 {
		t.identifier = w.resource
	}
	t.scopes, t.text = defaultScopes(t.scopes), w.scope
	return t, nil
}

// splitScope splits a v2 scope at its last slash into the resource's identifier and the scope's name. A bare name is a
// scope of Microsoft Graph.
func splitScope(scope string) (identifier, name string) {
	if n := strings.LastIndexByte(scope, '/'); n > 0 {
		return strings.TrimSuffix(scope[:n], "/"), scope[n+1:]
	}
	return string(directory.MicrosoftGraph), scope
}

func defaultScopes(scopes []string) []string {
	if len(scopes) == 0 || len(scopes) == 1 && scopes[0] == ".default" {
		return []string{"user_impersonation"}
	}
	return scopes
}

package broker

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// Tokens are the answer to a request for a token.
type Tokens struct {
	TokenType    string `json:"token_type"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Scope        string `json:"scope"`
	Resource     string `json:"resource"`
	ExpiresOn    string `json:"expires_on"` // seconds since 1970, in digits
}

// A TokenRequest says for what and in whose name a token is wanted.
type TokenRequest struct {
	Username   string // may be left out where one user is signed in
	Resource   string // identifier of the resource
	Client     string // client id of the application
	Tenant     string // of the resource, where it is not the user's own
	AppVersion string // stated by the application; "" for none
}

// requestLifetime is how long a signed request says that it is good for. The nonce bounds it in any case.
const requestLifetime = time.Minute

// Token asks for an application's access token in a request signed with a key derived from the session key. A Primary
// Refresh Token that is some hours old is renewed first.
func (b *Broker) Token(ctx context.Context, r TokenRequest) (Tokens, error) {
	var reply Tokens
	err := b.dir.change(ctx, func(s *state) error {
		a, err := s.account(r.Username)
		if err != nil {
			return err
		}
		if err := b.renewWhenDue(ctx, s, a); err != nil {
			return err
		}
		reply, err = b.token(ctx, s, a, r)
		return err
	})
	return reply, err
}

func (b *Broker) token(ctx context.Context, s *state, a *account, r TokenRequest) (Tokens, error) {
	var reply Tokens
	tenant := r.Tenant
	if tenant == "" {
		tenant = a.TenantID
	}
	if !pathSegment(tenant) {
		return reply, fmt.Errorf("%q is neither a tenant's id nor a domain", tenant)
	}
	at := b.now()
	text, err := b.signed(ctx, s, a, tenant, map[string]any{
		"grant_type": "refresh_token", "refresh_token": a.PRT, "client_id": r.Client, "scope": "openid",
		"resource": r.Resource, "redirect_uri": "ms-appx-web://Microsoft.AAD.BrokerPlugin/" + r.Client,
		"iss": "aad:brokerplugin", "aud": "login.microsoftonline.com", "win_ver": s.OS.Version,
		"iat": unixText(at), "exp": unixText(at.Add(requestLifetime)),
	}, r.AppVersion)
	if err != nil {
		return reply, err
	}
	if err := decodeReply(text, &reply); err != nil {
		return reply, err
	}
	if reply.RefreshToken == "" {
		return reply, nil
	}
	if a.RefreshTokens == nil {
		a.RefreshTokens = map[string]string{}
	}
	a.RefreshTokens[r.Client+" "+tenant] = reply.RefreshToken
	return reply, b.dir.save(s)
}

// unixText writes a time as the protocol wants it in a signed request: digits in a string.
func unixText(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// Unbound asks for a token without any proof, as an application that knows no broker does: with a password. It keeps
// nothing.
func (b *Broker) Unbound(ctx context.Context, server, username, password, client, resource string) (Tokens, error) {
	return b.passwordGrant(ctx, server, username, password, client, resource)
}

// RedeemUnbound redeems a refresh token plainly, as such an application goes on. It keeps nothing.
func (b *Broker) RedeemUnbound(ctx context.Context, server, tenant, refreshToken, client, resource string) (Tokens, error) {
	return b.grant(ctx, server, tenant, map[string]string{
		"grant_type": "refresh_token", "refresh_token": refreshToken, "client_id": client, "resource": resource,
	})
}

func (b *Broker) passwordGrant(ctx context.Context, server, username, password, client, resource string) (Tokens, error) {
	return b.grant(ctx, server, "organizations", map[string]string{
		"grant_type": "password", "username": username, "password": password, "client_id": client, "resource": resource,
	})
}

// grant sends a plain request for a token (RFC 6749 section 4.3 and 6).
func (b *Broker) grant(ctx context.Context, server, tenant string, fields map[string]string) (Tokens, error) {
	var reply Tokens
	server, err := serverURL(server)
	if err != nil {
		return reply, err
	}
	err = b.client.form(ctx, server+"/"+tenant+"/oauth2/token", fields, nil, &reply)
	return reply, err
}

package broker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"boundgate/internal/prt"
	"boundgate/internal/tpm"
)

const grantJWTBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// Tokens are the answer to a request for a token.
type Tokens struct {
	TokenType    string `json:"token_type"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Scope        string `json:"scope"`
	Resource     string `json:"resource"`
	ExpiresOn    string `json:"expires_on"`
}

type prtReply struct {
	RefreshToken  string `json:"refresh_token"`
	SessionKeyJWE string `json:"session_key_jwe"`
	ExpiresOn     string `json:"expires_on"`
	IDToken       string `json:"id_token"`
}

// SignIn signs a user in on this device with a password: the server gives a Primary Refresh Token and a session key that
// only this device's transport key opens.
func (b *Broker) SignIn(ctx context.Context, username, password string) error {
	if !b.state.registered() {
		return ErrNotRegistered
	}
	username = strings.ToLower(username)
	reply, err := b.requestPRT(ctx, map[string]any{
		"client_id": signInClient, "grant_type": "password", "username": username, "password": password,
	})
	if err != nil {
		return err
	}
	return b.keep(username, reply)
}

// requestPRT sends a request that is signed with the device key.
func (b *Broker) requestPRT(ctx context.Context, claims map[string]any) (prtReply, error) {
	var reply prtReply
	nonce, err := b.nonce(ctx, b.state.Server)
	if err != nil {
		return reply, err
	}
	claims["request_nonce"], claims["scope"], claims["win_ver"] = nonce, "openid aza ugs", b.state.OS.Version
	claims["group_sids"] = []string{}
	jws, err := b.SignAsDevice(claims)
	if err != nil {
		return reply, err
	}
	err = b.client.form(ctx, b.state.Server+"/"+b.state.TenantID+"/oauth2/token", map[string]string{
		"windows_api_version": "2.2", "grant_type": grantJWTBearer, "request": jws, "client_info": "1",
	}, nil, &reply)
	if err == nil && (reply.RefreshToken == "" || reply.SessionKeyJWE == "") {
		err = errors.New("the server sent no Primary Refresh Token")
	}
	return reply, err
}

// keep stores a user's new session, as the server sent it.
func (b *Broker) keep(username string, reply prtReply) error {
	a := b.state.account(username)
	if a == nil || a.Username != username {
		a = &account{Username: username}
		b.state.Accounts = append(b.state.Accounts, a)
	}
	a.TenantID, a.PRT, a.SessionKeyJWE = b.state.TenantID, reply.RefreshToken, reply.SessionKeyJWE
	a.IssuedAt, a.ExpiresAt, a.RefreshTokens = b.now().UTC(), unixText(reply.ExpiresOn), nil
	return b.save()
}

// A TokenRequest says for what and in whose name a token is wanted.
type TokenRequest struct {
	Username   string // may be left out where one user is signed in
	Resource   string // identifier of the resource
	Client     string // client id of the application
	Tenant     string // of the resource, where it is not the user's own
	AppVersion string // stated by the application; "" for none
}

// Token asks for an application's access token in a request signed with a key derived from the session key.
func (b *Broker) Token(ctx context.Context, r TokenRequest) (Tokens, error) {
	var reply Tokens
	a := b.state.account(r.Username)
	if a == nil {
		return reply, ErrNotSignedIn
	}
	tenant := r.Tenant
	if tenant == "" {
		tenant = a.TenantID
	}
	text, err := b.signed(ctx, a, tenant, map[string]any{
		"grant_type": "refresh_token", "refresh_token": a.PRT, "client_id": r.Client, "scope": "openid",
		"resource": r.Resource, "redirect_uri": "ms-appx-web://Microsoft.AAD.BrokerPlugin/" + r.Client,
		"iss": "aad:brokerplugin", "aud": "login.microsoftonline.com", "win_ver": b.state.OS.Version,
	}, r.AppVersion)
	if err != nil {
		return reply, err
	}
	if err := json.Unmarshal(text, &reply); err != nil {
		return reply, fmt.Errorf("decode the server's answer: %w", err)
	}
	if reply.RefreshToken != "" {
		if a.RefreshTokens == nil {
			a.RefreshTokens = map[string]string{}
		}
		a.RefreshTokens[r.Client+" "+tenant] = reply.RefreshToken
	}
	return reply, b.save()
}

// Renew asks for a new Primary Refresh Token of the same session.
func (b *Broker) Renew(ctx context.Context, username string) error {
	a := b.state.account(username)
	if a == nil {
		return ErrNotSignedIn
	}
	text, err := b.signed(ctx, a, a.TenantID, map[string]any{
		"grant_type": "refresh_token", "refresh_token": a.PRT, "previous_refresh_token": a.PRT, "client_id": signInClient,
		"scope": "openid aza ugs", "iss": "aad:brokerplugin", "win_ver": b.state.OS.Version,
	}, "")
	if err != nil {
		return err
	}
	var reply prtReply
	if err := json.Unmarshal(text, &reply); err != nil {
		return fmt.Errorf("decode the server's answer: %w", err)
	}
	a.PRT, a.ExpiresAt = reply.RefreshToken, unixText(reply.ExpiresOn)
	return b.save()
}

// signed sends claims in a request signed with a key derived from the account's session key, and opens the answer.
func (b *Broker) signed(ctx context.Context, a *account, tenant string, claims map[string]any, appVersion string) ([]byte, error) {
	nonce, err := b.nonce(ctx, b.state.Server)
	if err != nil {
		return nil, err
	}
	claims["request_nonce"] = nonce
	claims["iat"] = strconv.FormatInt(b.now().Unix(), 10)
	claims["exp"] = strconv.FormatInt(b.now().Add(time.Minute).Unix(), 10)
	key, err := b.sessionKey(a)
	if err != nil {
		return nil, err
	}
	jws, err := prt.SignSession(key, prt.KDF2, claims)
	if err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	body, err := b.client.formBody(ctx, b.state.Server+"/"+tenant+"/oauth2/token", map[string]string{
		"windows_api_version": "2.2", "grant_type": grantJWTBearer, "request": jws, "client_info": "1",
	}, map[string]string{"x-app-ver": appVersion})
	if err != nil {
		return nil, err
	}
	text, err := prt.DecryptResponse(key, string(body))
	if err != nil {
		return nil, fmt.Errorf("open the server's answer: %w", err)
	}
	return text, nil
}

// Unbound asks for a token without any proof, as an application that knows no broker does: with a password, and from then
// on with the refresh token that it got. It keeps nothing.
func (b *Broker) Unbound(ctx context.Context, server, username, password, client, resource string) (Tokens, error) {
	return b.grant(ctx, trimServer(server), map[string]string{
		"grant_type": "password", "username": username, "password": password, "client_id": client, "resource": resource,
	})
}

// RedeemUnbound redeems a refresh token plainly.
func (b *Broker) RedeemUnbound(ctx context.Context, server, tenant, refreshToken, client, resource string) (Tokens, error) {
	var reply Tokens
	err := b.client.form(ctx, trimServer(server)+"/"+tenant+"/oauth2/token", map[string]string{
		"grant_type": "refresh_token", "refresh_token": refreshToken, "client_id": client, "resource": resource,
	}, nil, &reply)
	return reply, err
}

func (b *Broker) passwordTokens(ctx context.Context, server, username, password, resource string) (Tokens, error) {
	return b.grant(ctx, server, map[string]string{
		"grant_type": "password", "username": username, "password": password, "client_id": brokerClient, "resource": resource,
	})
}

func (b *Broker) grant(ctx context.Context, server string, fields map[string]string) (Tokens, error) {
	var reply Tokens
	err := b.client.form(ctx, server+"/organizations/oauth2/token", fields, nil, &reply)
	return reply, err
}

// Leave ends the registration: the device shows its certificate over TLS, the server forgets it, and the keys go.
func (b *Broker) Leave(ctx context.Context, connect func(certificate []byte, key tpm.Key) (*http.Client, error)) error {
	if !b.state.registered() {
		return ErrNotRegistered
	}
	key, err := b.keys.Open(deviceKey)
	if err != nil {
		return fmt.Errorf("open the device key: %w", err)
	}
	client, err := connect(b.state.Certificate, key)
	if err != nil {
		return err
	}
	address := strings.TrimRight(b.state.Registration, "/") + "/" + b.state.DeviceID
	if _, err := (wireClient{http: client}).send(ctx, http.MethodDelete, address, "", nil, nil); err != nil {
		return fmt.Errorf("end the registration: %w", err)
	}
	b.state = state{}
	return errors.Join(b.dropKeys(), b.save())
}

// tenantOf reads the tenant from an access token, which is the server's word to the resource and not checked here.
func tenantOf(accessToken string) (string, error) {
	parts := strings.Split(accessToken, ".")
	if len(parts) != 3 {
		return "", errors.New("the access token is no JSON Web Token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", fmt.Errorf("decode the access token: %w", err)
	}
	var claims struct {
		TenantID string `json:"tid"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.TenantID == "" {
		return "", errors.New("the access token names no tenant")
	}
	return claims.TenantID, nil
}

func domainOf(username string) string {
	_, domain, _ := strings.Cut(username, "@")
	return domain
}

func unixText(text string) time.Time {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// SignAsDevice signs claims with the device key, as a request for a Primary Refresh Token is signed.
func (b *Broker) SignAsDevice(claims map[string]any) (string, error) {
	key, err := b.keys.Open(deviceKey)
	if err != nil {
		return "", fmt.Errorf("open the device key: %w", err)
	}
	return prt.SignDevice(key, b.state.Certificate, prt.KDF2, claims)
}

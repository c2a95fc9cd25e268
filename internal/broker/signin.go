package broker

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"boundgate/internal/prt"
)

// prtReply is the answer to a request for a Primary Refresh Token (MS-OAPXBC 3.2.5.1.2.2), and to its renewal, which has no
// session key.
type prtReply struct {
	RefreshToken  string `json:"refresh_token"`
	SessionKeyJWE string `json:"session_key_jwe"`
	ExpiresOn     string `json:"expires_on"`
}

// SignIn signs a user in on this device with a password: the server gives a Primary Refresh Token and a session key that
// only this device's transport key opens. Several users can be signed in; one who is already begins anew.
func (b *Broker) SignIn(ctx context.Context, username, password string) error {
	username = strings.ToLower(username)
	return b.dir.change(ctx, func(s *state) error {
		reply, err := b.requestPRT(ctx, s, map[string]any{
			"client_id": signInClient, "grant_type": "password", "username": username, "password": password,
		})
		if err != nil {
			return err
		}
		expires, err := unixTime(reply.ExpiresOn)
		if err != nil {
			return err
		}
		if a, err := s.account(username); err == nil && username != "" {
			s.forget(a)
		}
		s.Accounts = append(s.Accounts, &account{
			Username: username, TenantID: s.TenantID, PRT: reply.RefreshToken, SessionKeyJWE: reply.SessionKeyJWE,
			IssuedAt: b.now().UTC(), ExpiresAt: expires,
		})
		return b.dir.save(s)
	})
}

// SignOut forgets a user: the tokens go from this device. The session on the server ends when an administrator revokes it,
// or by itself.
func (b *Broker) SignOut(ctx context.Context, username string) error {
	return b.dir.change(ctx, func(s *state) error {
		a, err := s.account(username)
		if err != nil {
			return err
		}
		s.forget(a)
		return b.dir.save(s)
	})
}

// requestPRT sends a request that is signed with the device key.
func (b *Broker) requestPRT(ctx context.Context, s *state, claims map[string]any) (prtReply, error) {
	var reply prtReply
	if !s.registered() {
		return reply, ErrNotRegistered
	}
	if _, err := b.key(deviceKey); err != nil {
		return reply, err
	}
	nonce, err := b.nonce(ctx, s.Server)
	if err != nil {
		return reply, err
	}
	claims["request_nonce"], claims["scope"], claims["win_ver"] = nonce, "openid aza ugs", s.OS.Version
	claims["group_sids"] = []string{}
	jws, err := b.signAsDevice(s, claims)
	if err != nil {
		return reply, err
	}
	err = b.client.form(ctx, s.Server+"/"+s.TenantID+"/oauth2/token", signedForm(jws), nil, &reply)
	if err == nil && (reply.RefreshToken == "" || reply.SessionKeyJWE == "") {
		err = fmt.Errorf("%w: it has no Primary Refresh Token", ErrBadAnswer)
	}
	return reply, err
}

// Renew asks for a new Primary Refresh Token of the same session. Token does so by itself when it is due.
func (b *Broker) Renew(ctx context.Context, username string) error {
	return b.dir.change(ctx, func(s *state) error {
		a, err := s.account(username)
		if err != nil {
			return err
		}
		return b.renew(ctx, s, a)
	})
}

func (b *Broker) renew(ctx context.Context, s *state, a *account) error {
	text, err := b.signed(ctx, s, a, a.TenantID, map[string]any{
		"grant_type": "refresh_token", "refresh_token": a.PRT, "previous_refresh_token": a.PRT, "client_id": signInClient,
		"scope": "openid aza ugs", "group_sids": []string{}, "iss": "aad:brokerplugin", "win_ver": s.OS.Version,
	}, "")
	if err != nil {
		return fmt.Errorf("renew the session: %w", err)
	}
	var reply prtReply
	if err := decodeReply(text, &reply); err != nil {
		return err
	}
	expires, err := unixTime(reply.ExpiresOn)
	if err != nil {
		return err
	}
	if reply.RefreshToken == "" {
		return fmt.Errorf("%w: it has no Primary Refresh Token", ErrBadAnswer)
	}
	a.PRT, a.IssuedAt, a.ExpiresAt = reply.RefreshToken, b.now().UTC(), expires
	return b.dir.save(s)
}

// renewWhenDue renews a session of some hours before it is used. A server that is busy or away is no reason not to use the
// session as it is.
func (b *Broker) renewWhenDue(ctx context.Context, s *state, a *account) error {
	if b.now().Sub(a.IssuedAt) < renewAfter {
		return nil
	}
	err := b.renew(ctx, s, a)
	if transient(err) && b.now().Before(a.ExpiresAt) && ctx.Err() == nil {
		return nil
	}
	return err
}

// signed sends claims in a request signed with a key derived from the account's session key, and opens the answer.
func (b *Broker) signed(ctx context.Context, s *state, a *account, tenant string, claims map[string]any, appVersion string) ([]byte, error) {
	key, err := b.sessionKey(a)
	if err != nil {
		return nil, err
	}
	if claims["request_nonce"], err = b.nonce(ctx, s.Server); err != nil {
		return nil, err
	}
	jws, err := prt.SignSession(key, prt.KDF2, claims)
	if err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	body, err := b.client.formBody(ctx, s.Server+"/"+tenant+"/oauth2/token", signedForm(jws), map[string]string{"x-app-ver": appVersion})
	if err != nil {
		return nil, err
	}
	text, err := prt.DecryptResponse(key, string(body))
	if err != nil {
		return nil, fmt.Errorf("%w: it is not encrypted with the session key", ErrBadAnswer)
	}
	return text, nil
}

// signedForm is the form around a signed request, in version 2 of the protocol.
func signedForm(jws string) map[string]string {
	return map[string]string{"windows_api_version": "2.2", "grant_type": grantJWTBearer, "request": jws, "client_info": "1"}
}

// unixTime reads a time as the protocol writes it: digits in a string.
func unixTime(text string) (time.Time, error) {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds <= 0 || seconds > 1<<40 {
		return time.Time{}, fmt.Errorf("%w: it does not say when the session ends", ErrBadAnswer)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

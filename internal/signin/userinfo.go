package signin

import (
	"context"
	"errors"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
	"boundgate/internal/token"
)

// UserInfo is what a client may know of the person who signed in (OpenID Connect Core 1.0 section 5.3.2).
type UserInfo struct {
	Subject           string `json:"sub"`
	Name              string `json:"name,omitempty"`
	PreferredUsername string `json:"preferred_username,omitempty"`
	Email             string `json:"email,omitempty"`
}

// UserInfo answers a bearer of an access token for Microsoft Graph. Whether the account still stands is looked up: what was
// ended ends here, too (P06).
func (s *Service) UserInfo(ctx context.Context, bearer string) (UserInfo, error) {
	var none UserInfo
	c, err := s.Verifier.VerifyAccessToken(ctx, bearer, directory.MicrosoftGraph)
	if errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrAudience) || err == nil && c.AppOnly {
		return none, aadsts.BearerInvalid.Because(err)
	}
	if err != nil {
		return none, aadsts.ServerError.Because(err)
	}
	u, err := s.Directory.UserByID(ctx, c.Tenant, c.User)
	if errors.Is(err, directory.ErrNotFound) {
		return none, aadsts.BearerInvalid.Because(err)
	}
	if err != nil {
		return none, aadsts.ServerError.Because(err)
	}
	if !u.Enabled || endedSince(u, c.AuthTime) {
		return none, aadsts.BearerInvalid.Becausef("the sign-in has ended")
	}
	return UserInfo{Subject: string(u.ID), Name: u.DisplayName, PreferredUsername: u.UPN, Email: u.UPN}, nil
}

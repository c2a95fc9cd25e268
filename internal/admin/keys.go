package admin

import (
	"context"
	"fmt"
	"time"

	"boundgate/internal/token"
)

// SigningKeys are the keys that the whole deployment signs with.
type SigningKeys interface {
	List() []token.KeyInfo
	// Replace signs with new keys from now on; with revoke, what the earlier ones have signed counts no more.
	Replace(ctx context.Context, at time.Time, revoke bool) error
}

// SigningKeys returns the published signing keys. They are the deployment's, so that they are the operator's to see to.
func (s *Service) SigningKeys(_ context.Context, c Caller) ([]token.KeyInfo, error) {
	if err := s.authorizeOperator(c); err != nil {
		return nil, err
	}
	return s.Keys.List(), nil
}

// ReplaceSigningKeys signs with new keys from now on. With revoke it ends every access token there is, in every tenant.
func (s *Service) ReplaceSigningKeys(ctx context.Context, c Caller, revoke bool) ([]token.KeyInfo, error) {
	if err := s.authorizeOperator(c); err != nil {
		return nil, err
	}
	before := s.Keys.List()
	if err := s.Keys.Replace(ctx, s.now(), revoke); err != nil {
		return nil, fmt.Errorf("replace the signing keys: %w", err)
	}
	activity := "Replace signing keys"
	if revoke {
		activity = "Replace and revoke signing keys"
	}
	entry, err := s.entry(c, change{activity: activity, category: "KeyManagement", targetType: "SigningKeys", targetName: "signing keys", before: before, after: s.Keys.List()})
	if err != nil {
		return nil, err
	}
	if err := s.Store.AppendAudit(ctx, entry); err != nil {
		return nil, fmt.Errorf("the keys have been replaced, but there is no audit row of it: %w", err)
	}
	return s.Keys.List(), nil
}

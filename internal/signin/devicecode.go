package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

// A DeviceAuthorization is what a device shows to a person (RFC 8628 section 3.2).
type DeviceAuthorization struct {
	DeviceCode string
	UserCode   string // in the form for people
}

// userCodeLetters are consonants and digits that are not taken for one another, so that no words arise (RFC 8628 section 6.1).
const userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ23456789"

const userCodeLength = 9

// userCodeTries bounds how often a user code is drawn anew that is in use.
const userCodeTries = 4

// BeginDevice answers a device authorization request. It proves nothing yet and leaves no row: nobody is named in it.
func (s *Service) BeginDevice(ctx context.Context, req Request) (DeviceAuthorization, error) {
	var none DeviceAuthorization
	client, err := s.deviceClient(ctx, req)
	if err != nil {
		return none, err
	}
	for range userCodeTries {
		text, hash, err := prt.NewToken(prt.KindDeviceCode)
		if err != nil {
			return none, err
		}
		userCode := newUserCode()
		at := s.Now()
		err = s.Sessions.PutDeviceCode(ctx, session.DeviceCode{
			Hash: hash, UserCode: hashUserCode(userCode), PathTenant: strings.ToLower(req.PathTenant), Version: int(req.Version), Client: client,
			Resource: req.Resource, Scope: req.Scope, Capabilities: req.Capabilities, Contexts: req.Demand.Contexts, From: boundedFrom(req.From),
			IssuedAt: at, ExpiresAt: at.Add(session.DeviceCodeLifetime),
		})
		if err == nil {
			return DeviceAuthorization{DeviceCode: text, UserCode: userCode}, nil
		}
		if !errors.Is(err, directory.ErrExists) {
			return none, aadsts.ServerError.Because(err)
		}
	}
	return none, aadsts.ServerError.Becausef("no free user code in %d tries", userCodeTries)
}

// deviceClient checks what can be checked before the person is known.
func (s *Service) deviceClient(ctx context.Context, req Request) (directory.AppID, error) {
	client := normalAppID(req.Client)
	if client == "" {
		return "", aadsts.MissingParameter.Saying("The request has no client_id.")
	}
	if _, err := parseTarget(req.Version, words{scope: req.Scope, resource: req.Resource}); err != nil {
		return "", err
	}
	if anyTenant(req.PathTenant) {
		return client, nil
	}
	tenant, err := s.Directory.TenantByName(ctx, req.PathTenant)
	if err != nil {
		return "", notFound(err, aadsts.UnknownTenant)
	}
	_, err = s.Directory.Application(ctx, tenant.ID, client)
	return client, notFound(err, aadsts.UnknownClient)
}

func newUserCode() string {
	var code strings.Builder
	for code.Len() < userCodeLength {
		var b [1]byte
		if _, err := rand.Read(b[:]); err != nil {
			panic("signin: no randomness: " + err.Error()) // crypto/rand.Read never fails
		}
		// 252 is the largest multiple of 28 in a byte: every letter is equally likely.
		if n := int(b[0]); n < 252 {
			code.WriteByte(userCodeLetters[n%len(userCodeLetters)])
		}
	}
	return code.String()
}

// hashUserCode returns the hash of a user code in its normal form: people type blanks, hyphens and small letters.
func hashUserCode(code string) prt.Hash {
	normal := strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, strings.ToUpper(code))
	return sha256.Sum256([]byte("user code " + normal))
}

// maxUserCode bounds what is looked at of a user code.
const maxUserCode = 32

// A PendingDevice is what a person is asked to approve.
type PendingDevice struct {
	UserCode string
	Record   session.DeviceCode
	// Application is nil where it is one of the person's own tenant and nobody has signed in yet.
	Application *directory.Application
}

// DeviceByUserCode finds the request that a user code stands for; aadsts.UserCodeWrong where there is none that waits.
func (s *Service) DeviceByUserCode(ctx context.Context, userCode string) (PendingDevice, error) {
	p := PendingDevice{UserCode: userCode}
	if len(userCode) > maxUserCode {
		return p, aadsts.UserCodeWrong
	}
	record, err := s.Sessions.DeviceCodeByUserCode(ctx, hashUserCode(userCode))
	switch {
	case errors.Is(err, session.ErrNotFound):
		return p, aadsts.UserCodeWrong
	case err != nil:
		return p, aadsts.ServerError.Because(err)
	case record.Approval != nil, record.Declined, !s.Now().Before(record.ExpiresAt):
		return p, aadsts.UserCodeWrong
	}
	p.Record = record
	if app, ok := directory.WellKnownApplication(record.Client); ok {
		p.Application = &app
		return p, nil
	}
	if tenant, err := s.Directory.TenantByName(ctx, record.PathTenant); err == nil {
		if app, err := s.Directory.Application(ctx, tenant.ID, record.Client); err == nil {
			p.Application = &app
		}
	}
	return p, nil
}

// DeclineDevice answers a device code with no.
func (s *Service) DeclineDevice(ctx context.Context, p PendingDevice) error {
	err := s.Journal.Commit(context.WithoutCancel(ctx), journal.Record{Effects: journal.Effects{AnswerDeviceCode: &journal.DeviceCodeAnswer{Code: p.Record.Hash}}})
	if errors.Is(err, journal.ErrCodeSpent) {
		return aadsts.UserCodeWrong.Because(err)
	}
	if err != nil {
		return aadsts.ServerError.Because(err)
	}
	return nil
}

// identifyDeviceCode finds what a device code stands for. While nobody has answered it there is nothing to decide.
func (s *Service) identifyDeviceCode(ctx context.Context, a *attempt, text prt.Secret) error {
	kind, hash, err := prt.ParseToken(text.Reveal())
	if err != nil || kind != prt.KindDeviceCode {
		return aadsts.DeviceCodeWrong
	}
	record, err := s.Sessions.DeviceCode(ctx, hash)
	if errors.Is(err, session.ErrNotFound) {
		return aadsts.DeviceCodeWrong.Because(err)
	}
	if err != nil {
		return err
	}
	a.deviceCode = &record
	switch {
	case record.Declined:
		return s.atPathTenant(ctx, a, aadsts.AuthorizationDeclined)
	case !record.SpentAt.IsZero():
		return s.atPathTenant(ctx, a, aadsts.CodeRedeemed)
	case !a.at.Before(record.ExpiresAt):
		return s.atPathTenant(ctx, a, aadsts.DeviceCodeExpired)
	case record.Approval == nil && s.Attempts.polls.TooFast(string(hash[:]), a.at):
		return aadsts.PollTooFast
	case record.Approval == nil:
		return aadsts.AuthorizationPending
	}
	return s.identifyByID(ctx, a, record.Approval.Home, record.Approval.HomeUser)
}

// checkDeviceCode checks that the tokens go to the client that asked, and lets the session be marked for life.
func (s *Service) checkDeviceCode(a *attempt) error {
	c := a.deviceCode
	switch {
	case c.Client != a.client:
		return aadsts.ClientMismatch
	case c.Approval.Tenant != a.tenant.ID:
		return aadsts.InvalidToken.Becausef("approved for tenant %s", c.Approval.Tenant)
	}
	a.origin = c.Approval.Origin
	a.family = c.Approval.Family
	a.effects.SpendDeviceCodes = []prt.Hash{c.Hash}
	return nil
}

// approveDevice answers a device code with yes, for the person and by the way in which the person signed in here. What was
// proven of the device on which the approval is given says nothing of the one that gets the tokens.
func (s *Service) approveDevice(a *attempt) {
	origin := a.origin
	origin.TransferMethod = session.DeviceCodeFlow
	origin.Strength = slices.DeleteFunc(slices.Clone(origin.Strength), func(m string) bool { return m == session.DeviceKey })
	a.effects.AnswerDeviceCode = &journal.DeviceCodeAnswer{
		Code: a.approves.Record.Hash,
		Approval: &session.Approval{
			Family: uuid.NewString(), Tenant: a.tenant.ID, User: a.user.ID, Home: a.home.ID, HomeUser: a.homeUser.ID, Origin: origin, At: a.at,
		},
	}
}

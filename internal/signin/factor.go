package signin

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/audit"
	"boundgate/internal/directory"
	"boundgate/internal/factor"
	"boundgate/internal/journal"
	"boundgate/internal/policy"
	"boundgate/internal/session"
)

// checkFactor checks a second factor, or registers one: the first by the password alone, further ones by a session that
// has shown one already, for a thief of the password must not add a factor beside the owner's.
func (s *Service) checkFactor(ctx context.Context, a *attempt, answer FactorAnswer) error {
	if !s.Attempts.admitFactor(a) {
		return aadsts.SecondFactorLocked
	}
	known, err := s.Factors.FactorsOf(ctx, a.home.ID, a.homeUser.ID)
	if err != nil {
		return err
	}
	switch answer := answer.(type) {
	case Code:
		err = a.useCode(known, answer)
	case Passkey:
		err = s.usePasskey(a, known, answer)
	case NewCode, NewPasskey:
		err = s.registerFactor(a, known, answer)
	}
	if err != nil {
		return err
	}
	a.strengthen(session.MultiFactor)
	return nil
}

// strengthen adds what the person has shown to the session.
func (a *attempt) strengthen(by string) {
	if !a.origin.Strength.Has(by) {
		a.origin.Strength = append(slices.Clone(a.origin.Strength), by)
	}
}

// useCode tries the code on every authenticator application of the person.
func (a *attempt) useCode(known []factor.Factor, c Code) error {
	refusal := error(aadsts.SecondFactorWrong)
	for _, f := range known {
		if f.Kind != factor.TOTP {
			continue
		}
		step, err := f.CheckCode(c.Text.Reveal(), a.at)
		if err == nil {
			a.useFactor(f, step, 0)
			return nil
		}
		refusal = aadsts.SecondFactorWrong.Because(err)
	}
	return refusal
}

func (s *Service) usePasskey(a *attempt, known []factor.Factor, p Passkey) error {
	var used factor.Factor
	err := a.answerOnce(p.State, func(state []byte) (err error) {
		used, err = s.Passkeys.FinishAssertion(a.personOf(), known, state, p.Response)
		return err
	})
	if err != nil {
		return aadsts.SecondFactorWrong.Because(err)
	}
	if used.UserVerified {
		a.strengthen(session.Passkey)
	}
	a.useFactor(used, 0, used.SignCount)
	return nil
}

// challengeLifetime is how long a WebAuthn challenge may be answered: somebody has to find the key and touch it.
const challengeLifetime = 10 * time.Minute

// A challenge is the state of a WebAuthn ceremony, and until when it counts.
type challenge struct {
	State   []byte
	Expires time.Time
}

var errChallengeSpent = errors.New("the challenge is too old, or has been answered")

// answerOnce checks the answer to a challenge and notes that this request spends it: most passkeys have no counter that
// would show that an answer comes a second time (P03).
func (a *attempt) answerOnce(text []byte, check func(state []byte) error) error {
	var c challenge
	if err := json.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("decode the state of a challenge: %w", err)
	}
	if a.replayed || a.at.After(c.Expires) {
		return errChallengeSpent
	}
	if err := check(c.State); err != nil {
		return err
	}
	a.effects.SpendNonces = append(a.effects.SpendNonces, journal.SpentNonce{ID: sha256.Sum256(text), Expires: c.Expires})
	return nil
}

func (a *attempt) useFactor(f factor.Factor, step int64, signCount uint32) {
	a.effects.UseFactors = append(a.effects.UseFactors, journal.FactorUse{
		Tenant: f.Tenant, User: f.User, ID: f.ID, Step: step, SignCount: signCount, At: a.at,
	})
}

func (s *Service) registerFactor(a *attempt, known []factor.Factor, answer FactorAnswer) error {
	if len(known) > 0 && !a.origin.Strength.Has(session.MultiFactor) {
		return aadsts.MultiFactorRequired.Saying("A second factor is registered already; sign in with it to add another.")
	}
	if !a.origin.Fresh {
		return aadsts.FreshSignInNeeded
	}
	var made factor.Factor
	var err error
	switch answer := answer.(type) {
	case NewCode:
		made = answer.Factor
		made.LastStep, err = made.CheckCode(answer.Text.Reveal(), a.at)
	case NewPasskey:
		err = a.answerOnce(answer.State, func(state []byte) (err error) {
			made, err = s.Passkeys.FinishRegistration(a.personOf(), state, answer.Response, a.at)
			return err
		})
	}
	switch {
	case err != nil:
		return aadsts.SecondFactorWrong.Because(err)
	case made.Tenant != a.home.ID || made.User != a.homeUser.ID:
		return aadsts.SecondFactorWrong.Becausef("made for another person")
	}
	if made.Kind == factor.PassKey && made.UserVerified {
		a.strengthen(session.Passkey)
	}
	row, err := a.registered(made)
	if err != nil {
		return err
	}
	a.effects.FirstFactor = len(known) == 0
	a.effects.NewFactors, a.effects.Audit = append(a.effects.NewFactors, made), append(a.effects.Audit, row)
	return nil
}

// registered is the audit row of a new factor: one that a thief adds leaves a trace where administrators look.
func (a *attempt) registered(f factor.Factor) (audit.Entry, error) {
	after, err := json.Marshal(f.Summary())
	if err != nil {
		return audit.Entry{}, fmt.Errorf("encode audit row: %w", err)
	}
	return a.auditRow(f.Tenant, a.homeUser, "User registered security info", "UserManagement", after), nil
}

// auditRow is the row of what a person has changed by signing in.
func (a *attempt) auditRow(tenant directory.TenantID, who directory.User, activity, category string, after json.RawMessage) audit.Entry {
	return audit.Entry{
		ID: uuid.NewString(), Tenant: tenant, At: a.at, Activity: activity, Category: category,
		Actor: audit.Actor{
			Tenant: tenant, User: who.ID, UPN: who.UPN, App: a.client, IPAddress: logged(a.req.From.Address), CorrelationID: logged(a.req.CorrelationID),
		},
		TargetType: "User", TargetID: string(who.ID), TargetName: who.UPN, After: after,
	}
}

func (a *attempt) personOf() factor.Person {
	return factor.Person{Tenant: a.home.ID, User: a.homeUser.ID, Name: a.homeUser.UPN, DisplayName: a.homeUser.DisplayName}
}

// A FactorChoice is what the pages need to ask an account for a second factor.
type FactorChoice struct {
	Account Account
	Known   []factor.Factor
	Person  factor.Person
}

// SecondFactors returns the second factors of an account that the visit's browser is signed in with.
func (s *Service) SecondFactors(ctx context.Context, c Browser) (FactorChoice, error) {
	a := newAttempt(Request{Credential: c}, s.Now())
	if err := s.identifyBrowser(ctx, a, c); err != nil {
		return FactorChoice{}, err
	}
	known, err := s.Factors.FactorsOf(ctx, a.home.ID, a.homeUser.ID)
	return FactorChoice{Account: a.account(), Known: known, Person: a.personOf()}, err
}

// BeginPasskey makes a WebAuthn challenge: to use one of the passkeys of an account, or to register a new one. The state
// goes back into Passkey or NewPasskey and must be kept from the person's hands.
//
// A passkey that is asked for as a strength of its own has to verify its user.
func (s *Service) BeginPasskey(choice FactorChoice, register, verified bool) (options json.RawMessage, state []byte, err error) {
	begin := s.Passkeys.BeginAssertion
	switch {
	case register && verified:
		begin = s.Passkeys.BeginVerifiedRegistration
	case register:
		begin = s.Passkeys.BeginRegistration
	case verified:
		begin = s.Passkeys.BeginVerifiedAssertion
	}
	options, state, err = begin(choice.Person, choice.Known)
	if err != nil {
		return nil, nil, err
	}
	state, err = json.Marshal(challenge{State: state, Expires: s.Now().Add(challengeLifetime)})
	return options, state, err
}

// asksFactor says which prompt helps where a second factor is missing: the person's own, or registering one.
func (s *Service) asksFactor(ctx context.Context, a *attempt, refusal *aadsts.Error) error {
	if !errors.Is(refusal, aadsts.MultiFactorRequired) || !a.inBrowser() {
		return refusal
	}
	known, err := s.Factors.FactorsOf(ctx, a.home.ID, a.homeUser.ID)
	if err != nil {
		return err
	}
	if len(known) == 0 {
		a.passkeyAsked = a.verdict.Cause.Requirement == policy.RequirePasskey
		return aadsts.SecondFactorUnregistered
	}
	if a.verdict.Cause.Requirement != policy.RequirePasskey {
		return refusal
	}
	// A passkey is used, or set up by a session that has shown a second factor; until it has, its other factor is asked for.
	hasPasskey := slices.ContainsFunc(known, func(f factor.Factor) bool { return f.Kind == factor.PassKey })
	a.passkeyAsked = hasPasskey || a.origin.Strength.Has(session.MultiFactor)
	if a.passkeyAsked && !hasPasskey {
		return aadsts.SecondFactorUnregistered
	}
	return refusal
}

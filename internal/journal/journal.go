// Package journal is what a sign-in leaves behind: its effects and its rows, committed together.
//
// A decision returns a grant and its effects as values; nothing has happened yet. The store applies the effects of one
// sign-in and appends its rows in one transaction, and only then does the answer leave (decision: no row, no token).
package journal

import (
	"errors"
	"time"

	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/factor"
	"boundgate/internal/prt"
	"boundgate/internal/session"
	"boundgate/internal/signinlog"
)

// Conflicts: another request was there first. A commit that meets one has done nothing.
var (
	ErrNonceSpent   = errors.New("journal: the nonce has been used")
	ErrTokenSpent   = errors.New("journal: the refresh token has been used")
	ErrTokenRevoked = errors.New("journal: the token or its session has been revoked")
	ErrUpgraded     = errors.New("journal: the refresh token has become a Primary Refresh Token already")
	ErrCodeSpent    = errors.New("journal: the code has been used")
	ErrFactorSpent  = errors.New("journal: the second factor's code has been used")
	// ErrChanged means that the user, the device or its registration was disabled, deleted or replaced, or the password
	// changed, between the decision and the commit.
	ErrChanged = errors.New("journal: the user or device has changed meanwhile")
)

// Effects are the changes that a decision calls for. The zero value changes nothing.
type Effects struct {
	// SpendNonces are spent by unique inserts; ErrNonceSpent when one was spent before.
	SpendNonces []SpentNonce
	// SpendTokens are refresh tokens that this request rotates; ErrTokenSpent when one is spent, ErrTokenRevoked when
	// revoked.
	SpendTokens []prt.Hash
	// RevokeFamilies ends refresh token families, by reuse detection.
	RevokeFamilies []string
	// UpgradeTokens are refresh tokens that become a PRT, once; ErrUpgraded when one has.
	UpgradeTokens []prt.Hash
	// NewPRTs and NewRefreshTokens are issued.
	NewPRTs          []session.PRT
	NewRefreshTokens []session.RefreshToken
	// NewCodes are issued; SpendCodes are redeemed, ErrCodeSpent when one has been.
	NewCodes   []session.Code
	SpendCodes []prt.Hash
	// AnswerDeviceCode is a person's answer to a device code, and SpendDeviceCodes are those that tokens are issued for;
	// ErrCodeSpent where another was first.
	AnswerDeviceCode *DeviceCodeAnswer
	SpendDeviceCodes []prt.Hash
	// NewFactors are registered, and UseFactors have been shown; ErrFactorSpent where one has been shown before.
	NewFactors []factor.Factor
	UseFactors []FactorUse
	// FirstFactor is true where the new factor rests on the password alone: ErrChanged where the person has one by then.
	FirstFactor bool
	// Audit are the rows of the directory audit log about what a person has changed by signing in.
	Audit []audit.Entry
	// NewConsents add to what a person has agreed to.
	NewConsents []directory.Consent
	// Browser is an account that has signed in in a browser.
	Browser *BrowserSignIn
	// Subject and Device must still be as they were when the commit happens.
	Subject *Subject
	Device  *DeviceUse
}

// A BrowserSignIn records that a person has signed in in a browser. The cookie's text changes with every sign-in, so that a
// cookie that was planted before is worth nothing afterwards; the other accounts in the browser move along.
type BrowserSignIn struct {
	Before prt.Hash // of the cookie's text until now; zero for a browser without one
	Record session.Browser
}

// A FactorUse is a second factor as it has been shown: the time step of a code, or the counter of a passkey.
type FactorUse struct {
	Tenant    directory.TenantID
	User      directory.ObjectID
	ID        string
	Step      int64
	SignCount uint32
	At        time.Time
}

// A DeviceCodeAnswer is a person's answer to a device code.
type DeviceCodeAnswer struct {
	Code     prt.Hash
	Approval *session.Approval // nil declines
}

// A SpentNonce is a nonce that a proof has used.
type SpentNonce struct {
	ID      [32]byte
	Expires time.Time // after which the record may be dropped
}

// Subject is the user on whom the decision rests. The commit refuses with ErrChanged where the user has been disabled or
// deleted, or where sessions begun at AuthTime have been ended, since.
type Subject struct {
	Tenant   directory.TenantID
	User     directory.ObjectID
	AuthTime time.Time
	// PasswordChangedAt is when the password last changed, as the decision read it; the commit refuses where it has changed
	// since, whatever the clock says. Zero where the decision did not look at it.
	PasswordChangedAt time.Time
}

// DeviceUse is the registration on which the decision rests; the commit refuses with ErrChanged where it is no longer the
// device's or the device is disabled, and notes the activity otherwise.
type DeviceUse struct {
	Tenant       directory.TenantID
	Device       string
	Registration string
	At           time.Time
}

// A Record is everything that one sign-in leaves behind.
type Record struct {
	Effects Effects
	// Rows are appended to the log; a guest's sign-in has one in each tenant.
	Rows []*signinlog.Row
}

// A Registration is the outcome of a device registration, committed with its audit row and the spent token.
type Registration struct {
	Device device.Device
	// Replaces is true where the device id was known (a hybrid join of a synchronised object, or a re-registration).
	Replaces bool
	// Quota is the largest number of devices that the owner may have afterwards; device.ErrQuota when exceeded.
	Quota int
}

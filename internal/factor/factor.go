// Package factor is the second factors by which a person proves who they are beyond the password: codes of an authenticator
// application (TOTP, RFC 6238) and passkeys (Web Authentication, Level 3).
//
// It checks answers and makes new factors; it stores nothing. That a code works once and that a passkey's counter only
// grows is for the store to see to, in the transaction in which the answer counts.
package factor

import (
	"errors"
	"time"

	"boundgate/internal/directory"
	"boundgate/internal/prt"
)

// A Kind says what a factor is, in Microsoft Graph's word for the authentication method.
type Kind string

// The kinds.
const (
	TOTP    Kind = "softwareOath"
	PassKey Kind = "fido2"
)

// A Factor is one second factor of a person.
type Factor struct {
	ID          string // GUID
	Tenant      directory.TenantID
	User        directory.ObjectID
	Kind        Kind
	DisplayName string
	// Secret is the key of a TOTP, in base32 without padding.
	Secret prt.Secret
	// Credential is the record of a passkey in JSON; its public key is no secret.
	Credential []byte
	// LastStep is the time step of the TOTP code that was last accepted: a code works once (RFC 6238 section 5.2).
	LastStep int64
	// SignCount is the passkey's signature counter; 0 for passkeys that do not count.
	SignCount  uint32
	CreatedAt  time.Time
	LastUsedAt time.Time // zero where it has never been used

	// UserVerified is true where the passkey has just verified its user. It belongs to the answer and is not kept.
	UserVerified bool
}

// A Summary is what may be told of a factor, to administrators and in audit rows: nothing that it proves itself with.
type Summary struct {
	ID          string    `json:"id"`
	Kind        Kind      `json:"kind"`
	DisplayName string    `json:"displayName"`
	CreatedAt   time.Time `json:"createdDateTime"`
	LastUsedAt  time.Time `json:"lastUsedDateTime,omitzero"`
}

// Summary returns what may be told of f.
func (f Factor) Summary() Summary {
	return Summary{f.ID, f.Kind, f.DisplayName, f.CreatedAt, f.LastUsedAt}
}

// MaxPerUser bounds how many second factors a person may have.
const MaxPerUser = 10

// A Person is whose factor is meant.
type Person struct {
	Tenant      directory.TenantID
	User        directory.ObjectID
	Name        string // user principal name
	DisplayName string
}

// Facts about answers.
var (
	ErrWrongCode = errors.New("factor: the code is wrong")
	ErrCodeUsed  = errors.New("factor: the code has been used")
	ErrNotProven = errors.New("factor: the passkey's answer does not hold")
)

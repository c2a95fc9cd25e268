package broker

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// stateVersion is the form of the state file that this program writes. It reads older ones, and refuses newer ones rather
// than drop what it does not know.
const stateVersion = 1

// The join types on the wire (MS-DVRJ 2.2.2).
const (
	joinTypeJoined     = 0
	joinTypeRegistered = 4
	joinTypeHybrid     = 6
)

// state is what the broker keeps in its state file. Tokens are in it; keys are not.
type state struct {
	Version      int        `json:"version"`
	Server       string     `json:"server"`
	Registration string     `json:"registrationServer"` // where device registration is; ends in a slash
	DeviceID     string     `json:"deviceId"`
	DeviceName   string     `json:"deviceName"`
	TenantID     string     `json:"tenantId"`
	JoinType     int        `json:"joinType"`
	OS           OS         `json:"os"`
	Certificate  []byte     `json:"certificate"` // DER
	Accounts     []*account `json:"accounts,omitempty"`
}

// account is a signed-in user: the Primary Refresh Token, and the session key as the server encrypted it.
type account struct {
	Username      string    `json:"username"`
	TenantID      string    `json:"tenantId"`
	PRT           string    `json:"primaryRefreshToken"`
	SessionKeyJWE string    `json:"session_key_jwe"`
	IssuedAt      time.Time `json:"issuedAt"` // of this PRT: the sign-in, or the latest renewal
	ExpiresAt     time.Time `json:"expiresAt"`
	// RefreshTokens are the bound refresh tokens of applications, by client and tenant.
	RefreshTokens map[string]string `json:"refreshTokens,omitempty"`
}

func (s *state) registered() bool { return s.DeviceID != "" }

func (s *state) joinName() string {
	switch s.JoinType {
	case joinTypeRegistered:
		return "registered"
	case joinTypeHybrid:
		return "hybrid joined"
	}
	return "joined"
}

// account finds a signed-in user; the only one where no name is given.
func (s *state) account(username string) (*account, error) {
	if !s.registered() {
		return nil, ErrNotRegistered
	}
	if username == "" && len(s.Accounts) > 1 {
		return nil, ErrWhichUser
	}
	for _, a := range s.Accounts {
		if username == "" || a.Username == strings.ToLower(username) {
			return a, nil
		}
	}
	return nil, ErrNotSignedIn
}

// forget removes a user's account.
func (s *state) forget(gone *account) {
	kept := s.Accounts[:0]
	for _, a := range s.Accounts {
		if a != gone {
			kept = append(kept, a)
		}
	}
	clear(s.Accounts[len(kept):])
	s.Accounts = kept
}

// decodeState reads a state file. Whatever it accepts can be used without further checks.
func decodeState(text []byte) (state, error) {
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return state{}, err
	}
	if s.Version > stateVersion {
		return state{}, fmt.Errorf("it is of form %d, and this program knows %d", s.Version, stateVersion)
	}
	if err := s.check(); err != nil {
		return state{}, err
	}
	return s, nil
}

func (s *state) check() error {
	if !s.registered() {
		if len(s.Accounts) > 0 {
			return errors.New("it has users and no device")
		}
		return nil
	}
	if _, err := uuid.Parse(s.DeviceID); err != nil {
		return errors.New("the device id is no GUID")
	}
	if _, err := serverURL(s.Server); err != nil {
		return err
	}
	if _, err := serverURL(s.Registration); err != nil {
		return err
	}
	if !pathSegment(s.TenantID) {
		return errors.New("the tenant is missing, or is no name")
	}
	if _, err := x509.ParseCertificate(s.Certificate); err != nil {
		return fmt.Errorf("the device certificate: %w", err)
	}
	seen := map[string]bool{}
	for _, a := range s.Accounts {
		if a == nil || a.Username == "" || seen[a.Username] || a.PRT == "" || a.SessionKeyJWE == "" || !pathSegment(a.TenantID) {
			return errors.New("a user's entry is incomplete or there twice")
		}
		seen[a.Username] = true
	}
	return nil
}

// pathSegment reports whether text, a tenant's id or domain, can stand in an address as it is.
func pathSegment(text string) bool {
	const most = 253 // a domain name's length, RFC 1035 section 2.3.4
	if text == "" || len(text) > most || strings.Trim(text, ".") == "" {
		return false
	}
	return strings.IndexFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	}) < 0
}

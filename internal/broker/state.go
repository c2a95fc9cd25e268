package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const stateFile = "state.json"

// The join types on the wire.
const (
	joinTypeJoined     = 0
	joinTypeRegistered = 4
	joinTypeHybrid     = 6
)

// state is what the broker keeps in its state file. Tokens are in it; keys are not.
type state struct {
	Server       string     `json:"server"`
	Registration string     `json:"registrationServer"` // where device registration is
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
	IssuedAt      time.Time `json:"issuedAt"`
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

func (s *state) account(username string) *account {
	for _, a := range s.Accounts {
		if a.Username == username || username == "" && len(s.Accounts) == 1 {
			return a
		}
	}
	return nil
}

func readState(dir string) (state, error) {
	var s state
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read broker state: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("broker state in %s is damaged: %w", dir, err)
	}
	return s, nil
}

// save writes the state so that a crash leaves the old or the new one.
func (b *Broker) save() error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return fmt.Errorf("make broker directory: %w", err)
	}
	text, err := json.MarshalIndent(b.state, "", "  ")
	if err != nil {
		return fmt.Errorf("encode broker state: %w", err)
	}
	f, err := os.CreateTemp(b.dir, stateFile+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write broker state: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(b.dir, stateFile))
	}
	if err != nil {
		return fmt.Errorf("write broker state: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

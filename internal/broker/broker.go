// Package broker is a device's side of token protection: it registers the device, signs a user in, and asks for tokens in
// requests that only this device can sign.
//
// What it keeps is one state file and the device's keys. The state file holds the Primary Refresh Token and the session key
// as the server sent it, encrypted to the device's transport key; for each use the session key is unwrapped with that key
// and forgotten. Session keys and the keys derived from them are never written. So a copy of the state file is of no use
// without the device's keys; keys in a TPM cannot be copied, keys in files can, and where they are in files the broker
// says so.
//
// The wire protocol is that of MS-DVRJ (registration) and MS-OAPXBC (sessions), as docs/architecture.md summarises it.
package broker

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"boundgate/internal/prt"
	"boundgate/internal/tpm"
)

// Errors that a caller decides upon.
var (
	ErrNotRegistered = errors.New("broker: this device is not registered")
	ErrRegistered    = errors.New("broker: this device is registered already")
	ErrNotSignedIn   = errors.New("broker: the user is not signed in on this device")
)

// The names of the device's keys in the key store.
const (
	deviceKey    = "device"
	transportKey = "transport"
)

// The client ids that the protocol prescribes for registering devices and for signing in with a password.
const (
	brokerClient = "29d9ed98-a469-4536-ade2-f981bc1d605e"
	signInClient = "38aa3b87-a06d-4817-b275-7a316988d93b"
	drsResource  = "urn:ms-drs:enterpriseregistration.windows.net"
)

// An OS is what the device says of its operating system.
type OS struct {
	Type    string // Windows, Linux, MacOS
	Version string // such as 10.0.22631.3593
}

// A Broker acts for one device. Its methods are not safe for concurrent use: one process owns the state directory.
type Broker struct {
	dir    string
	keys   tpm.Store
	http   *http.Client
	state  state
	now    func() time.Time
	client wireClient
}

// Options say where a broker keeps its state and how it reaches the server.
type Options struct {
	Dir  string // state and keys; made when missing, readable by its owner only
	HTTP *http.Client
	Keys tpm.Store // where the device's keys live
	Now  func() time.Time
}

// Open opens the broker whose state is in o.Dir.
func Open(o Options) (*Broker, error) {
	b := &Broker{dir: o.Dir, keys: o.Keys, http: o.HTTP, now: o.Now}
	if b.http == nil {
		b.http = &http.Client{Timeout: 30 * time.Second}
	}
	if b.now == nil {
		b.now = time.Now
	}
	b.client = wireClient{http: b.http}
	var err error
	b.state, err = readState(o.Dir)
	return b, err
}

// A Status is what the broker knows of the device and its users, without any secret.
type Status struct {
	Registered    bool      `json:"registered"`
	Server        string    `json:"server,omitempty"`
	DeviceID      string    `json:"deviceId,omitempty"`
	DeviceName    string    `json:"deviceName,omitempty"`
	JoinType      string    `json:"joinType,omitempty"`
	TenantID      string    `json:"tenantId,omitempty"`
	KeyProtection string    `json:"keyProtection,omitempty"`
	Warning       string    `json:"warning,omitempty"`
	Accounts      []Account `json:"accounts"`
}

// An Account is a user who is signed in on the device.
type Account struct {
	Username  string    `json:"username"`
	TenantID  string    `json:"tenantId"`
	IssuedAt  time.Time `json:"issuedAt"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// Status reports the device's registration and its users.
func (b *Broker) Status() (Status, error) {
	s := Status{Accounts: []Account{}}
	if !b.state.registered() {
		return s, nil
	}
	key, err := b.keys.Open(deviceKey)
	if err != nil {
		return s, fmt.Errorf("open the device key: %w", err)
	}
	s.Registered, s.Server, s.DeviceID, s.TenantID = true, b.state.Server, b.state.DeviceID, b.state.TenantID
	s.DeviceName, s.JoinType, s.KeyProtection = b.state.DeviceName, b.state.joinName(), string(key.Protection())
	if key.Protection() == tpm.Software {
		s.Warning = "The device's keys are files: whoever copies them copies the device."
	}
	for _, a := range b.state.Accounts {
		s.Accounts = append(s.Accounts, Account{Username: a.Username, TenantID: a.TenantID, IssuedAt: a.IssuedAt, ExpiresAt: a.ExpiresAt})
	}
	return s, nil
}

// sessionKey unwraps an account's session key with the transport key. It is not kept.
func (b *Broker) sessionKey(a *account) (prt.SessionKey, error) {
	key, err := b.keys.Open(transportKey)
	if err != nil {
		return prt.SessionKey{}, fmt.Errorf("open the transport key: %w", err)
	}
	session, err := prt.DecryptSessionKey(a.SessionKeyJWE, key)
	if err != nil {
		return prt.SessionKey{}, fmt.Errorf("unwrap the session key: %w", err)
	}
	return session, nil
}

// nonce asks the server for a nonce. It is good for one request.
func (b *Broker) nonce(ctx context.Context, server string) (string, error) {
	var reply struct {
		Nonce string `json:"Nonce"`
	}
	err := b.client.form(ctx, server+"/common/oauth2/token", map[string]string{"grant_type": "srv_challenge"}, nil, &reply)
	if err == nil && reply.Nonce == "" {
		err = errors.New("the server sent no nonce")
	}
	return reply.Nonce, err
}

func publicRSA(key tpm.Key) (*rsa.PublicKey, error) {
	public, ok := key.Public().(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("key is a %T, not an RSA key", key.Public())
	}
	return public, nil
}

func trimServer(address string) string { return strings.TrimRight(address, "/") }

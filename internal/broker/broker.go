// Package broker is a device's side of token protection: it registers the device, signs users in, and asks for tokens in
// requests that only this device can sign.
//
// What it keeps is one state file and the device's keys. The state file holds each user's Primary Refresh Token and the
// session key as the server sent it, encrypted to the device's transport key; for each use the session key is unwrapped
// with that key and forgotten. Session keys and the keys derived from them are never written. So a copy of the state file
// is of no use without the device's keys; keys in a TPM cannot be copied, keys in files can, and where they are in files
// the broker says so.
//
// Each operation reads the state, does its work and writes the state while it holds the directory's lock, so that several
// processes can share a directory, and a crash leaves the state of before or after.
//
// The wire protocol is that of MS-DVRJ (registration) and MS-OAPXBC (sessions), as docs/architecture.md summarises it.
package broker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"boundgate/internal/prt"
	"boundgate/internal/tpm"
)

// Errors that a caller decides upon. What the server refuses is a *Refusal.
var (
	ErrNotRegistered = errors.New("broker: this device is not registered")
	ErrRegistered    = errors.New("broker: this device is registered already")
	ErrNotSignedIn   = errors.New("broker: the user is not signed in on this device")
	ErrWhichUser     = errors.New("broker: several users are signed in on this device, and none is named")
	// ErrKeysMissing means that the state is here and the device's keys are not: this is a copy, or the keys are lost.
	ErrKeysMissing = errors.New("broker: the device's keys are not here")
	ErrNotPrepared = errors.New("broker: the computer's key for a hybrid join is not here")
	ErrDeviceID    = errors.New("broker: the device id is not a GUID")

	ErrNoDirectory = errors.New("broker: no directory to keep state in")
	ErrBusy        = errors.New("broker: another process holds the broker's directory")
	ErrDamaged     = errors.New("broker: the state file is damaged")
	ErrExposed     = errors.New("broker: open to others")

	ErrServerURL   = errors.New("broker: not an address of a server")
	ErrUnreachable = errors.New("broker: no answer from the server")
	ErrRedirected  = errors.New("broker: the server redirects, which is not followed")
	ErrBadAnswer   = errors.New("broker: the server's answer cannot be used")
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

// renewAfter is the age at which a Primary Refresh Token is renewed before it is used, as Windows does it.
const renewAfter = 4 * time.Hour

// An OS is what the device says of its operating system.
type OS struct {
	Type    string `json:"type"`    // Windows, Linux, MacOS
	Version string `json:"version"` // such as 10.0.22631.3593
}

// A Broker acts for one device. Its methods may be called concurrently; those that change something wait for each other.
type Broker struct {
	dir    directory
	keys   tpm.Store
	now    func() time.Time
	client wireClient
}

// Options say where a broker keeps its state and how it reaches the server.
type Options struct {
	// Dir holds the state; made when missing, and refused where others than its owner can look into it. Without one the
	// broker can only ask for what needs no device.
	Dir string
	// HTTP sends the requests; nil for a client that trusts the system's authorities. Redirects are not followed.
	HTTP *http.Client
	Keys tpm.Store        // where the device's keys live
	Now  func() time.Time // nil for the system's clock
}

// Open opens the broker whose state is in o.Dir: ErrDamaged and ErrExposed where that cannot be trusted.
func Open(o Options) (*Broker, error) {
	b := &Broker{dir: directory(o.Dir), keys: o.Keys, now: o.Now}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 30 * time.Second}
	}
	if b.now == nil {
		b.now = time.Now
	}
	b.client = newWireClient(o.HTTP)
	_, err := b.dir.read()
	return b, err
}

// A Status is what the broker knows of the device and its users, without any secret.
type Status struct {
	Registered    bool      `json:"registered"`
	Server        string    `json:"server,omitempty"`
	DeviceID      string    `json:"deviceId,omitempty"`
	DeviceName    string    `json:"deviceName,omitempty"`
	JoinType      string    `json:"joinType,omitempty"`      // joined, registered, hybrid joined
	TenantID      string    `json:"tenantId,omitempty"`      // of the organisation
	KeyProtection string    `json:"keyProtection,omitempty"` // software, tpm, missing
	Warning       string    `json:"warning,omitempty"`       // what the protection is worth, where it is less than a TPM's
	Accounts      []Account `json:"accounts"`
}

// An Account is a user who is signed in on the device.
type Account struct {
	Username  string    `json:"username"`
	TenantID  string    `json:"tenantId"`
	IssuedAt  time.Time `json:"issuedAt"`  // of the Primary Refresh Token
	ExpiresAt time.Time `json:"expiresAt"` // when the user has to sign in again unless it is renewed
}

// keysMissing is what Status says of keys that are not there.
const keysMissing = "missing"

// Status reports the device's registration and its users.
func (b *Broker) Status() (Status, error) {
	status := Status{Accounts: []Account{}}
	s, err := b.dir.read()
	if err != nil || !s.registered() {
		return status, err
	}
	status.Registered, status.Server, status.DeviceID, status.TenantID = true, s.Server, s.DeviceID, s.TenantID
	status.DeviceName, status.JoinType = s.DeviceName, s.joinName()
	if status.KeyProtection, status.Warning, err = b.protection(); err != nil {
		return status, err
	}
	for _, a := range s.Accounts {
		status.Accounts = append(status.Accounts, Account{Username: a.Username, TenantID: a.TenantID, IssuedAt: a.IssuedAt, ExpiresAt: a.ExpiresAt})
	}
	return status, nil
}

// protection says where the device's keys are, and what that is worth.
func (b *Broker) protection() (protection, warning string, err error) {
	weakest := tpm.Hardware
	for _, name := range []string{deviceKey, transportKey} {
		key, err := b.key(name)
		if errors.Is(err, ErrKeysMissing) {
			return keysMissing, "The device's keys are not here: nothing in this directory is of use.", nil
		}
		if err != nil {
			return "", "", err
		}
		if key.Protection() == tpm.Software {
			weakest = tpm.Software
		}
	}
	if weakest == tpm.Software {
		warning = "The device's keys are files: whoever copies them copies the device."
	}
	return string(weakest), warning, nil
}

// key opens one of the device's keys.
func (b *Broker) key(name string) (tpm.Key, error) {
	key, err := b.keys.Open(name)
	if errors.Is(err, tpm.ErrNotFound) {
		return nil, fmt.Errorf("%w: no %s key", ErrKeysMissing, name)
	}
	if err != nil {
		return nil, fmt.Errorf("open the %s key: %w", name, err)
	}
	return key, nil
}

// sessionKey unwraps an account's session key with the transport key. It is not kept.
func (b *Broker) sessionKey(a *account) (prt.SessionKey, error) {
	key, err := b.key(transportKey)
	if err != nil {
		return prt.SessionKey{}, err
	}
	session, err := prt.DecryptSessionKey(a.SessionKeyJWE, key)
	if err != nil {
		return prt.SessionKey{}, fmt.Errorf("unwrap the session key: %w", err)
	}
	return session, nil
}

// SignAsDevice signs claims with the device key, as a request for a Primary Refresh Token is signed.
func (b *Broker) SignAsDevice(claims map[string]any) (string, error) {
	s, err := b.dir.read()
	if err != nil {
		return "", err
	}
	return b.signAsDevice(&s, claims)
}

func (b *Broker) signAsDevice(s *state, claims map[string]any) (string, error) {
	if !s.registered() {
		return "", ErrNotRegistered
	}
	key, err := b.key(deviceKey)
	if err != nil {
		return "", err
	}
	jws, err := prt.SignDevice(key, s.Certificate, prt.KDF2, claims)
	if err != nil {
		return "", fmt.Errorf("sign with the device key: %w", err)
	}
	return jws, nil
}

// nonce asks the server for a nonce. It is good for one request.
func (b *Broker) nonce(ctx context.Context, server string) (string, error) {
	var reply struct {
		Nonce string `json:"Nonce"`
	}
	err := b.client.form(ctx, server+"/common/oauth2/token", map[string]string{"grant_type": "srv_challenge"}, nil, &reply)
	if err == nil && reply.Nonce == "" {
		err = fmt.Errorf("%w: it has no nonce", ErrBadAnswer)
	}
	if err != nil {
		return "", fmt.Errorf("ask for a nonce: %w", err)
	}
	return reply.Nonce, nil
}

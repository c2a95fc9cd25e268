package broker

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/tpm"
)

// syncedKey is the key whose certificate an on-premises directory synchronises before a hybrid join.
const syncedKey = "synced"

// A HybridRegistration says how a computer that an administrator has synchronised becomes hybrid joined.
type HybridRegistration struct {
	Server     string
	Domain     string // a verified domain of the tenant
	DeviceID   string // of the synchronised object
	SID        string // of the computer account
	DeviceName string
	OS         OS
}

// SyncedCertificate returns the self-signed certificate, in PEM, that an administrator puts into the computer's
// synchronised object. The computer's key is made the first time; asked again, it certifies the same key.
func (b *Broker) SyncedCertificate(deviceID string) (string, error) {
	id, err := parseDeviceID(deviceID)
	if err != nil {
		return "", err
	}
	key, err := b.keys.Open(syncedKey)
	if errors.Is(err, tpm.ErrNotFound) {
		key, err = b.keys.Create(syncedKey)
	}
	if err != nil {
		return "", fmt.Errorf("make the computer's key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: id},
		NotBefore: b.now().Add(-time.Hour), NotAfter: b.now().AddDate(10, 0, 0), SignatureAlgorithm: x509.SHA256WithRSA,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", fmt.Errorf("sign the computer's certificate: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), nil
}

type clientIdentity struct {
	Type       string `json:"Type"`
	Sid        string `json:"Sid"`
	SignedBlob string `json:"SignedBlob"`
}

type serverADJoin struct {
	TransportKey      string         `json:"TransportKey"`
	TargetDomain      string         `json:"TargetDomain"`
	TargetDomainID    string         `json:"TargetDomainId,omitempty"`
	DeviceType        string         `json:"DeviceType"`
	OSVersion         string         `json:"OSVersion"`
	DeviceDisplayName string         `json:"DeviceDisplayName"`
	ClientIdentity    clientIdentity `json:"ClientIdentity"`
}

type hybridBody struct {
	CertificateRequest certificateRequest `json:"CertificateRequest"`
	JoinType           int                `json:"JoinType"`
	ServerADJoinData   serverADJoin       `json:"ServerAdJoinData"`
	Attributes         map[string]string  `json:"attributes"`
}

// HybridJoin registers a synchronised computer: the proof is a signature with the key whose certificate was synchronised.
// ErrNotPrepared where SyncedCertificate has not made that key.
func (b *Broker) HybridJoin(ctx context.Context, r HybridRegistration) error {
	server, err := serverURL(r.Server)
	if err != nil {
		return err
	}
	if r.DeviceID, err = parseDeviceID(r.DeviceID); err != nil {
		return err
	}
	if !pathSegment(r.Domain) {
		return fmt.Errorf("%q is not a domain", r.Domain)
	}
	return b.dir.change(ctx, func(s *state) error {
		if s.registered() {
			return ErrRegistered
		}
		identity, err := b.clientIdentity(r.SID)
		if err != nil {
			return err
		}
		service, err := b.discover(ctx, server, r.Domain, "")
		if err != nil {
			return err
		}
		if !pathSegment(service.tenant) {
			return fmt.Errorf("%w: discovery names no tenant", ErrBadAnswer)
		}
		csr, transport, err := b.newKeys()
		if err != nil {
			return err
		}
		certificate, err := b.join(ctx, http.MethodPut, service.join+r.DeviceID+"?api-version=2.0", "", hybridBody{
			CertificateRequest: csr, JoinType: joinTypeHybrid, Attributes: map[string]string{"ReturnClientSid": "true"},
			ServerADJoinData: serverADJoin{
				TransportKey: transport, TargetDomain: r.Domain, TargetDomainID: service.tenant, DeviceType: r.OS.Type,
				OSVersion: r.OS.Version, DeviceDisplayName: r.DeviceName, ClientIdentity: identity,
			},
		})
		if err != nil {
			return errors.Join(err, b.dropKeys())
		}
		return b.dir.save(&state{
			Server: server, Registration: service.join, DeviceID: certificate.Subject.CommonName, DeviceName: r.DeviceName,
			TenantID: service.tenant, JoinType: joinTypeHybrid, OS: r.OS, Certificate: certificate.Raw,
		})
	})
}

// clientIdentity signs the computer's SID and the time with the synchronised key (MS-DVRJ 2.2.2).
func (b *Broker) clientIdentity(sid string) (clientIdentity, error) {
	key, err := b.keys.Open(syncedKey)
	if errors.Is(err, tpm.ErrNotFound) {
		return clientIdentity{}, ErrNotPrepared
	}
	if err != nil {
		return clientIdentity{}, fmt.Errorf("open the computer's key: %w", err)
	}
	text := sid + "." + b.now().UTC().Format("2006-01-02 15:04:05Z")
	digest := sha256.Sum256([]byte(text))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return clientIdentity{}, fmt.Errorf("sign the computer's identity: %w", err)
	}
	return clientIdentity{Type: "sha256signed", Sid: text, SignedBlob: base64.StdEncoding.EncodeToString(signature)}, nil
}

// parseDeviceID returns a device id as the protocol writes it: a GUID in lower case.
func parseDeviceID(text string) (string, error) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != len(id.String()) {
		return "", fmt.Errorf("%w: %q", ErrDeviceID, text)
	}
	return id.String(), nil
}

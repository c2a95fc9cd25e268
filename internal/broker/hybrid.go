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

// SyncedCertificate makes the computer's key for the on-premises directory and returns its self-signed certificate in PEM,
// which an administrator puts into the synchronised object.
func (b *Broker) SyncedCertificate(deviceID string) (string, error) {
	key, err := b.keys.Create(syncedKey)
	if err != nil {
		return "", fmt.Errorf("make the computer's key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: deviceID},
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
func (b *Broker) HybridJoin(ctx context.Context, r HybridRegistration) error {
	if b.state.registered() {
		return ErrRegistered
	}
	server := trimServer(r.Server)
	endpoint, err := b.joinEndpoint(ctx, server, r.Domain, "")
	if err != nil {
		return err
	}
	identity, err := b.clientIdentity(r.SID)
	if err != nil {
		return err
	}
	csr, transport, err := b.newKeys()
	if err != nil {
		return err
	}
	certificate, err := b.join(ctx, http.MethodPut, endpoint+r.DeviceID+"?api-version=2.0", "", hybridBody{
		CertificateRequest: csr, JoinType: joinTypeHybrid, Attributes: map[string]string{"ReturnClientSid": "true"},
		ServerADJoinData: serverADJoin{
			TransportKey: transport, TargetDomain: r.Domain, DeviceType: r.OS.Type, OSVersion: r.OS.Version,
			DeviceDisplayName: r.DeviceName, ClientIdentity: identity,
		},
	})
	if err != nil {
		return errors.Join(err, b.dropKeys())
	}
	b.state = state{
		Server: server, Registration: endpoint, DeviceID: certificate.Subject.CommonName, DeviceName: r.DeviceName,
		TenantID: r.Domain, JoinType: joinTypeHybrid, OS: r.OS, Certificate: certificate.Raw,
	}
	return b.save()
}

// clientIdentity signs the computer's SID and the time with the synchronised key (MS-DVRJ).
func (b *Broker) clientIdentity(sid string) (clientIdentity, error) {
	key, err := b.keys.Open(syncedKey)
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

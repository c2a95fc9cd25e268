package broker

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"boundgate/internal/prt"
	"boundgate/internal/tpm"
)

// requestSubject is the common name that every device puts into its certificate request (MS-DVRJ).
const requestSubject = "7E980AD9-B86D-4306-9425-9AC066FB014A"

// A Registration says how a device is to be registered.
type Registration struct {
	Server     string // URL of the service
	Username   string
	Password   string
	Workplace  bool // a person's own device (registered) rather than the organisation's (joined)
	DeviceName string
	OS         OS
}

// Register registers the device: it makes the device's two keys, signs the user in for device registration, and has the
// tenant certify the device key. The sign-in is fresh, as registration demands. The user is signed in afterwards.
func (b *Broker) Register(ctx context.Context, r Registration) error {
	if b.state.registered() {
		return ErrRegistered
	}
	server := trimServer(r.Server)
	tokens, err := b.passwordTokens(ctx, server, r.Username, r.Password, drsResource)
	if err != nil {
		return err
	}
	tenant, err := tenantOf(tokens.AccessToken)
	if err != nil {
		return err
	}
	endpoint, err := b.joinEndpoint(ctx, server, tenant, tokens.AccessToken)
	if err != nil {
		return err
	}
	body, err := b.joinRequest(r)
	if err != nil {
		return err
	}
	certificate, err := b.join(ctx, http.MethodPost, endpoint+"?api-version=2.0", tokens.AccessToken, body)
	if err != nil {
		return errors.Join(err, b.dropKeys())
	}
	b.state = state{
		Server: server, Registration: endpoint, DeviceID: certificate.Subject.CommonName, DeviceName: r.DeviceName,
		TenantID: tenant, JoinType: body.JoinType, OS: r.OS, Certificate: certificate.Raw,
	}
	return b.save()
}

type certificateRequest struct {
	Type string `json:"Type"`
	Data string `json:"Data"`
}

type joinBody struct {
	CertificateRequest certificateRequest `json:"CertificateRequest"`
	TransportKey       string             `json:"TransportKey"`
	TargetDomain       string             `json:"TargetDomain"`
	DeviceType         string             `json:"DeviceType"`
	OSVersion          string             `json:"OSVersion"`
	DeviceDisplayName  string             `json:"DeviceDisplayName"`
	JoinType           int                `json:"JoinType"`
	Attributes         map[string]string  `json:"attributes"`
}

// joinRequest makes the device's keys and the request that shows their public halves.
func (b *Broker) joinRequest(r Registration) (joinBody, error) {
	csr, transport, err := b.newKeys()
	if err != nil {
		return joinBody{}, err
	}
	body := joinBody{
		CertificateRequest: csr, TransportKey: transport, TargetDomain: domainOf(r.Username),
		DeviceType: r.OS.Type, OSVersion: r.OS.Version, DeviceDisplayName: r.DeviceName, JoinType: joinTypeJoined,
		Attributes: map[string]string{"ReuseDevice": "true", "ReturnClientSid": "true"},
	}
	if r.Workplace {
		body.JoinType = joinTypeRegistered
	}
	return body, nil
}

func (b *Broker) newKeys() (csr certificateRequest, transport string, err error) {
	device, err := b.keys.Create(deviceKey)
	if err != nil {
		return csr, "", fmt.Errorf("make the device key: %w", err)
	}
	carrier, err := b.keys.Create(transportKey)
	if err != nil {
		return csr, "", errors.Join(fmt.Errorf("make the transport key: %w", err), b.dropKeys())
	}
	public, err := publicRSA(carrier)
	if err != nil {
		return csr, "", err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: requestSubject}, SignatureAlgorithm: x509.SHA256WithRSA,
	}, device)
	if err != nil {
		return csr, "", fmt.Errorf("sign the certificate request: %w", err)
	}
	csr = certificateRequest{Type: "pkcs10", Data: base64.StdEncoding.EncodeToString(der)}
	return csr, prt.MarshalTransportKey(public), nil
}

func (b *Broker) dropKeys() error {
	var errs []error
	for _, name := range []string{deviceKey, transportKey} {
		if err := b.keys.Delete(name); err != nil && !errors.Is(err, tpm.ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// joinEndpoint asks discovery where devices register.
func (b *Broker) joinEndpoint(ctx context.Context, server, tenant, bearer string) (string, error) {
	text, err := b.client.send(ctx, http.MethodGet, server+"/"+tenant+"/Discover?api-version=1.9&managed=True", "", nil,
		map[string]string{"Authorization": "Bearer " + bearer})
	if err != nil {
		return "", fmt.Errorf("discover device registration: %w", err)
	}
	var reply struct {
		DeviceJoinService struct{ JoinEndpoint string }
	}
	if err := json.Unmarshal(text, &reply); err != nil {
		return "", fmt.Errorf("discover device registration: %w", err)
	}
	if reply.DeviceJoinService.JoinEndpoint == "" {
		return "", errors.New("discover device registration: the server names no join endpoint")
	}
	return reply.DeviceJoinService.JoinEndpoint, nil
}

// join sends a registration and returns the device's certificate.
func (b *Broker) join(ctx context.Context, method, address, bearer string, body any) (*x509.Certificate, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode the registration: %w", err)
	}
	headers := map[string]string{}
	if bearer != "" {
		headers["Authorization"] = "Bearer " + bearer
	}
	answer, err := b.client.send(ctx, method, address, "application/json", text, headers)
	if err != nil {
		return nil, fmt.Errorf("register the device: %w", err)
	}
	var reply struct {
		Certificate struct{ RawBody string }
	}
	if err := json.Unmarshal(answer, &reply); err != nil {
		return nil, fmt.Errorf("decode the registration: %w", err)
	}
	der, err := base64.StdEncoding.DecodeString(reply.Certificate.RawBody)
	if err != nil {
		return nil, fmt.Errorf("decode the device certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse the device certificate: %w", err)
	}
	return certificate, nil
}

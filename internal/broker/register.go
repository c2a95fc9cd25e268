package broker

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

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

// Register registers the device: it signs the user in for device registration, makes the device's two keys, and has the
// tenant certify the device key. The sign-in is fresh, as registration demands. SignIn begins the user's session.
func (b *Broker) Register(ctx context.Context, r Registration) error {
	server, err := serverURL(r.Server)
	if err != nil {
		return err
	}
	return b.dir.change(ctx, func(s *state) error {
		if s.registered() {
			return ErrRegistered
		}
		tokens, err := b.passwordGrant(ctx, server, r.Username, r.Password, brokerClient, drsResource)
		if err != nil {
			return err
		}
		tenant, err := tenantOf(tokens.AccessToken)
		if err != nil {
			return err
		}
		service, err := b.discover(ctx, server, tenant, tokens.AccessToken)
		if err != nil {
			return err
		}
		csr, transport, err := b.newKeys()
		if err != nil {
			return err
		}
		body := joinBody{
			CertificateRequest: csr, TransportKey: transport, TargetDomain: domainOf(r.Username), DeviceType: r.OS.Type,
			OSVersion: r.OS.Version, DeviceDisplayName: r.DeviceName, JoinType: joinTypeJoined,
			Attributes: map[string]string{"ReuseDevice": "true", "ReturnClientSid": "true"},
		}
		if r.Workplace {
			body.JoinType = joinTypeRegistered
		}
		certificate, err := b.join(ctx, http.MethodPost, service.join+"?api-version=2.0", tokens.AccessToken, body)
		if err != nil {
			return errors.Join(err, b.dropKeys())
		}
		return b.dir.save(&state{
			Server: server, Registration: service.join, DeviceID: certificate.Subject.CommonName, DeviceName: r.DeviceName,
			TenantID: tenant, JoinType: body.JoinType, OS: r.OS, Certificate: certificate.Raw,
		})
	})
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

// newKeys makes the device's keys and returns what the server is to see of them. Keys that are there belong to no
// registration: an attempt was cut short before the server's answer was kept.
func (b *Broker) newKeys() (csr certificateRequest, transport string, err error) {
	if err := b.dropKeys(); err != nil {
		return csr, "", fmt.Errorf("delete keys of an earlier attempt: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.dropKeys())
		}
	}()
	device, err := b.keys.Create(deviceKey)
	if err != nil {
		return csr, "", fmt.Errorf("make the device key: %w", err)
	}
	carrier, err := b.keys.Create(transportKey)
	if err != nil {
		return csr, "", fmt.Errorf("make the transport key: %w", err)
	}
	public, ok := carrier.Public().(*rsa.PublicKey)
	if !ok {
		return csr, "", fmt.Errorf("the transport key is a %T, not an RSA key", carrier.Public())
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

// A registrationService is where devices of a tenant register.
type registrationService struct {
	join   string // ends in a slash
	tenant string // id
}

// discover asks where devices of a tenant, named by id or domain, register (MS-DVRD).
func (b *Broker) discover(ctx context.Context, server, tenant, bearer string) (registrationService, error) {
	var found registrationService
	text, err := b.client.send(ctx, http.MethodGet, server+"/"+tenant+"/Discover?api-version=1.9&managed=True", "", nil, authorization(bearer))
	if err != nil {
		return found, fmt.Errorf("discover device registration: %w", err)
	}
	var reply struct {
		DeviceJoinService struct{ JoinEndpoint string }
		TenantInfo        struct{ TenantID string }
	}
	if err := decodeReply(text, &reply); err != nil {
		return found, fmt.Errorf("discover device registration: %w", err)
	}
	endpoint, err := serverURL(reply.DeviceJoinService.JoinEndpoint)
	if err != nil {
		return found, fmt.Errorf("discover device registration: %w: the join endpoint: %w", ErrBadAnswer, err)
	}
	return registrationService{join: endpoint + "/", tenant: reply.TenantInfo.TenantID}, nil
}

// join sends a registration and returns the device's certificate.
func (b *Broker) join(ctx context.Context, method, address, bearer string, body any) (*x509.Certificate, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode the registration: %w", err)
	}
	answer, err := b.client.send(ctx, method, address, "application/json", text, authorization(bearer))
	if err != nil {
		return nil, fmt.Errorf("register the device: %w", err)
	}
	var reply struct {
		Certificate struct{ RawBody []byte }
	}
	if err := decodeReply(answer, &reply); err != nil {
		return nil, fmt.Errorf("register the device: %w", err)
	}
	certificate, err := x509.ParseCertificate(reply.Certificate.RawBody)
	if err != nil {
		return nil, fmt.Errorf("%w: the device certificate: %w", ErrBadAnswer, err)
	}
	return certificate, b.checkCertificate(certificate)
}

// checkCertificate checks that a certificate is this device's.
func (b *Broker) checkCertificate(certificate *x509.Certificate) error {
	if _, err := uuid.Parse(certificate.Subject.CommonName); err != nil {
		return fmt.Errorf("%w: the device certificate names no device", ErrBadAnswer)
	}
	key, err := b.key(deviceKey)
	if err != nil {
		return err
	}
	if own, ok := key.Public().(*rsa.PublicKey); !ok || !own.Equal(certificate.PublicKey) {
		return fmt.Errorf("%w: the device certificate is for another key", ErrBadAnswer)
	}
	return nil
}

func authorization(bearer string) map[string]string {
	if bearer == "" {
		return nil
	}
	return map[string]string{"Authorization": "Bearer " + bearer}
}

// tenantOf reads the tenant from an access token, which is the server's word to the resource and not checked here.
func tenantOf(accessToken string) (string, error) {
	parts := strings.Split(accessToken, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("%w: the access token is no JSON Web Token", ErrBadAnswer)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", fmt.Errorf("%w: the access token is no JSON Web Token", ErrBadAnswer)
	}
	var claims struct {
		TenantID string `json:"tid"`
	}
	if err := decodeReply(payload, &claims); err != nil {
		return "", err
	}
	if !pathSegment(claims.TenantID) {
		return "", fmt.Errorf("%w: the access token names no tenant", ErrBadAnswer)
	}
	return claims.TenantID, nil
}

func domainOf(username string) string {
	_, domain, _ := strings.Cut(username, "@")
	return domain
}

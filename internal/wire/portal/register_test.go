package portal_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"

	"boundgate/internal/broker/brokertest"
	"boundgate/internal/prt"
)

// registerWith registers a device with an access token, and returns the status of the answer.
func registerWith(t *testing.T, s *brokertest.Server, token string) int {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "7E980AD9-B86D-4306-9425-9AC066FB014A"}}, key)
	must(t, err)
	body, err := json.Marshal(map[string]any{
		"CertificateRequest": map[string]string{"Type": "pkcs10", "Data": base64.StdEncoding.EncodeToString(csr)},
		"TransportKey":       prt.MarshalTransportKey(&key.PublicKey), "TargetDomain": brokertest.Domain, "DeviceType": "Windows",
		"OSVersion": "10.0.22631.3593", "DeviceDisplayName": "PC", "JoinType": 0,
	})
	must(t, err)
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.URL+"/EnrollmentServer/device/?api-version=2.0", bytes.NewReader(body))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := s.Client().Do(r)
	must(t, err)
	must(t, resp.Body.Close())
	return resp.StatusCode
}

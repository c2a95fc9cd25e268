package drs_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"boundgate/internal/device"
	"boundgate/internal/device/devicetest"
	"boundgate/internal/prt"
	. "boundgate/internal/registration/registrationtest"
)

const (
	serverID  = "d9dc3483-8809-4802-a8fc-ac70d8591810"
	serverSID = "S-1-5-21-1004336348-1177238915-682003330-1234"
)

// hybridBody is the JSON that roadlib's register_hybrid_device sends.
func hybridBody(t testing.TB, w *World, synced, own *rsa.PrivateKey, change ...func(body, data map[string]any)) string {
	text := serverSID + "." + w.At.Format("2006-01-02 15:04:05Z")
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, synced, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	data := map[string]any{
		"TransportKey": prt.MarshalTransportKey(&own.PublicKey), "TargetDomain": "contoso.test", "DeviceType": "Windows",
		"OSVersion": "10.0.20348.1", "DeviceDisplayName": "RDSH-1", "SourceDomainController": "dc1.contoso.test",
		"TargetDomainId": string(Contoso),
		"ClientIdentity": map[string]any{"Type": "sha256signed", "Sid": text, "SignedBlob": base64.StdEncoding.EncodeToString(signature)},
	}
	body := map[string]any{
		"CertificateRequest": map[string]any{
			"Type": "pkcs10", "Data": base64.StdEncoding.EncodeToString(devicetest.CertificateRequest(t, own)),
		},
		"ServerAdJoinData": data, "JoinType": 6, "attributes": map[string]any{"ReuseDevice": "true", "ReturnClientSid": "true"},
	}
	for _, c := range change {
		c(body, data)
	}
	return encode(t, body)
}

func TestAServerHybridJoins(t *testing.T) { // S12
	synced, own := devicetest.Key(t), devicetest.Key(t)
	spki, err := x509.MarshalPKIXPublicKey(synced.Public())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(body, data map[string]any)
		status int
		says   string
	}{
		{"as roadlib sends it", func(_, _ map[string]any) {}, 200, ""},
		{"the tenant by its domain", func(_, data map[string]any) { delete(data, "TargetDomainId") }, 200, ""},
		{"another join type", func(body, _ map[string]any) { body["JoinType"] = 0 }, 400, "JoinType must be 6"},
		{"no join data", func(body, _ map[string]any) { delete(body, "ServerAdJoinData") }, 400, "ServerAdJoinData is missing"},
		{"no identity", func(_, data map[string]any) { delete(data, "ClientIdentity") }, 400, "ClientIdentity is missing"},
		{"an identity of another kind", func(_, data map[string]any) {
			data["ClientIdentity"].(map[string]any)["Type"] = "md5signed"
		}, 400, "must be sha256signed"},
		{"a blob that is not base64", func(_, data map[string]any) {
			data["ClientIdentity"].(map[string]any)["SignedBlob"] = "*"
		}, 400, "SignedBlob is not base64"},
		{"a SID that was not signed", func(_, data map[string]any) {
			data["ClientIdentity"].(map[string]any)["Sid"] = serverSID + "." + "2026-03-01 12:00:01Z"
		}, 400, "could not be verified"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t)
			s.Store.AddDevice(device.Device{
				ID: serverID, ObjectID: "7a7b7c7d-7e7f-4a7b-8c7d-7e7f7a7b7c7d", Tenant: Contoso, TrustType: device.HybridJoined,
				Method: device.Synchronised, Enabled: true, RecordedOS: "Windows Server", SyncedKey: spki, SyncedSID: serverSID,
			})
			status, answer, _ := s.do(t, call{
				method: "PUT", path: "/EnrollmentServer/device/" + strings.ToUpper(serverID) + "?api-version=2.0",
				body: hybridBody(t, s.World, synced, own, tt.change),
			})
			if status != tt.status {
				t.Fatalf("status %d: %s; want %d", status, answer, tt.status)
			}
			if status != http.StatusOK {
				if reply := errorReply(t, answer); !strings.Contains(reply["message"], tt.says) {
					t.Errorf("%s does not say %q", answer, tt.says)
				}
				return
			}
			if c := certificateOf(t, answer); c.Subject.CommonName != serverID || !own.PublicKey.Equal(c.PublicKey) {
				t.Errorf("certificate of %s", c.Subject)
			}
		})
	}
}

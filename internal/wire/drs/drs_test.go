package drs_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boundgate/internal/device"
	"boundgate/internal/device/devicetest"
	"boundgate/internal/directory"
	"boundgate/internal/prt"
	. "boundgate/internal/registration/registrationtest"
	"boundgate/internal/session"
	"boundgate/internal/token"
	"boundgate/internal/wire/drs"
)

const (
	signInURL       = "https://login.boundgate.test"
	registrationURL = "https://devices.boundgate.test:8444"
)

// A server is the real protocol over the real registrar and real tokens, on TLS that asks for client certificates.
type server struct {
	*World
	*httptest.Server
	tokens *token.Issuer
}

func serve(t testing.TB) *server {
	t.Helper()
	s := &server{World: NewWorld(t)}
	keys, err := token.LoadKeys(context.Background(), s.Secrets, time.Now())
	if err != nil {
		t.Fatalf("signing keys: %v", err)
	}
	s.tokens = &token.Issuer{URL: signInURL, Keys: keys}
	mux := http.NewServeMux()
	drs.Register(mux, drs.Handlers{
		Registrar: s.Registrar, Tokens: &token.Verifier{Issuer: s.tokens, Now: func() time.Time { return s.At }}, Tenants: s.Store,
		Nonce: func() string { return "a-nonce" }, SignInURL: signInURL, RegistrationURL: registrationURL,
		ClientAddress: func(*http.Request) string { return "192.0.2.7" },
	})
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.ToLower(r.URL.Path) // as the server does before it routes
		mux.ServeHTTP(w, r)
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// A tokenChange spoils what an access token is made of.
type tokenChange func(*token.Subject, *directory.AppID)

// token returns the access token of a user who has just signed in for device registration.
func (s *server) token(t testing.TB, version token.Version, changes ...tokenChange) string {
	t.Helper()
	subject := token.Subject{
		Tenant: Contoso, User: Pilot, UPN: "pilot@contoso.test", Client: directory.AuthenticationBroker, SessionID: "sign-in",
		Origin: session.Origin{AuthTime: s.At, Strength: session.Strength{session.Password}, TransferMethod: "none", Fresh: true},
	}
	app := directory.DeviceRegistration
	for _, change := range changes {
		change(&subject, &app)
	}
	audience := token.Audience{Scopes: []string{"self_service_device_delete"}}
	for _, resource := range directory.WellKnownResources() {
		if resource.AppID == app {
			audience.Resource, audience.Identifier = resource, resource.IdentifierURIs[0]
		}
	}
	text, _, err := s.tokens.AccessToken(version, subject, audience, s.At)
	if err != nil {
		t.Fatalf("access token: %v", err)
	}
	return text
}

// A call is one HTTP request to the server.
type call struct {
	method, path string
	bearer       string
	body         string
	header       map[string]string
	certificate  *tls.Certificate
}

func (s *server) do(t testing.TB, c call) (int, []byte, http.Header) {
	t.Helper()
	req, err := http.NewRequest(c.method, s.URL+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	if c.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	config := s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	if c.certificate != nil {
		config.Certificates = []tls.Certificate{*c.certificate}
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	return resp.StatusCode, text, resp.Header
}

// roadlibBody is the JSON that roadlib's register_device sends: Windows form, one key for both roles.
func roadlibBody(t testing.TB, key *rsa.PrivateKey, change ...func(map[string]any)) string {
	body := map[string]any{
		"CertificateRequest": map[string]any{
			"Type": "pkcs10",
			"Data": base64.StdEncoding.EncodeToString(devicetest.CertificateRequest(t, key)),
		},
		"TransportKey":      prt.MarshalTransportKey(&key.PublicKey),
		"TargetDomain":      "iminyour.cloud",
		"DeviceType":        "Windows",
		"OSVersion":         "10.0.19041.928",
		"DeviceDisplayName": "DESKTOP-AB12CD34",
		"JoinType":          0,
		"attributes":        map[string]any{"ReuseDevice": "true", "ReturnClientSid": "true"},
	}
	for _, c := range change {
		c(body)
	}
	return encode(t, body)
}

// himmelblauBody is the JSON that libhimmelblau's enroll_device sends: two keys, Attributes with a capital.
func himmelblauBody(t testing.TB, deviceKey, transportKey *rsa.PrivateKey) string {
	return encode(t, map[string]any{
		"CertificateRequest": map[string]any{
			"Type": "pkcs10",
			"Data": base64.StdEncoding.EncodeToString(devicetest.CertificateRequest(t, deviceKey)),
		},
		"TransportKey":      prt.MarshalTransportKey(&transportKey.PublicKey),
		"TargetDomain":      "contoso.test",
		"DeviceType":        "Linux",
		"OSVersion":         "openSUSE Leap 15.6",
		"DeviceDisplayName": "linux-1",
		"JoinType":          0,
		"AikCertificate":    "",
		"AttestationData":   "",
		"Attributes":        map[string]any{"ReuseDevice": "true", "ReturnClientSid": "true", "SharedDevice": "false"},
	})
}

func encode(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

type joinReply struct {
	Certificate       struct{ Thumbprint, RawBody string }
	User              struct{ Upn string }
	MembershipChanges []any
}

// certificateOf reads a join's answer as the clients do.
func certificateOf(t testing.TB, answer []byte) *x509.Certificate {
	t.Helper()
	var reply joinReply
	if err := json.Unmarshal(answer, &reply); err != nil {
		t.Fatalf("answer %s: %v", answer, err)
	}
	der, err := base64.StdEncoding.DecodeString(reply.Certificate.RawBody)
	if err != nil {
		t.Fatalf("RawBody is not base64 on one line: %v", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("RawBody: %v", err)
	}
	return c
}

func TestClientsJoinWithTheJSONTheySend(t *testing.T) { // S02, S11
	deviceKey, transportKey := devicetest.Key(t), devicetest.Key(t)
	for _, tt := range []struct {
		name, path string
		version    token.Version
		body       string
		system     string
	}{
		{"roadlib, v1 token for the URN", "/EnrollmentServer/device/?api-version=2.0", token.V1, roadlibBody(t, deviceKey), "Windows"},
		{"libhimmelblau, v2 token for the GUID", "/EnrollmentServer/device/?api-version=2.0", token.V2, himmelblauBody(t, deviceKey, transportKey), "Linux"},
		{"AADInternals, without a trailing slash", "/enrollmentserver/Device?api-version=1.0", token.V1, roadlibBody(t, deviceKey), "Windows"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t)
			status, answer, header := s.do(t, call{method: "POST", path: tt.path, bearer: s.token(t, tt.version), body: tt.body,
				header: map[string]string{"client-request-id": "5F0C1F1E-0000-4000-8000-000000000001"}})
			if status != http.StatusOK {
				t.Fatalf("status %d: %s", status, answer)
			}
			c := certificateOf(t, answer)
			if !deviceKey.PublicKey.Equal(c.PublicKey) {
				t.Error("the certificate has another key than the request")
			}
			var reply joinReply
			if err := json.Unmarshal(answer, &reply); err != nil {
				t.Fatal(err)
			}
			if reply.Certificate.Thumbprint != device.Thumbprint(c) || reply.User.Upn != "pilot@contoso.test" || reply.MembershipChanges == nil {
				t.Errorf("answer %s", answer)
			}
			devices := s.Store.Devices(Contoso)
			if len(devices) != 1 || devices[0].ID != c.Subject.CommonName || devices[0].OperatingSystem != tt.system || devices[0].SignIn != "sign-in" {
				t.Errorf("devices %+v", devices)
			}
			if header.Get("client-request-id") != "5f0c1f1e-0000-4000-8000-000000000001" || header.Get("Cache-Control") != "no-store" {
				t.Errorf("header %v", header)
			}
		})
	}
}

// What a device says about itself beyond its name and system has no influence, whichever form it has. // P08
func TestAttributesHaveNoInfluence(t *testing.T) {
	s := serve(t)
	body := roadlibBody(t, devicetest.Key(t), func(b map[string]any) {
		b["attributes"] = map[string]any{"SystemLabels": "CloudPC", "profileType": "SecureVM", "Edition": "Server", "isCompliant": "true", "trustType": "ServerAD"}
		b["AttestationData"], b["AikCertificate"] = "AAAA", "AAAA"
		b["isCompliant"], b["trustType"], b["KeyProtection"] = true, "ServerAD", "tpm"
	})
	if status, answer, _ := s.do(t, call{method: "POST", path: "/EnrollmentServer/device/", bearer: s.token(t, token.V1), body: body}); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, answer)
	}
	d := s.Store.Devices(Contoso)[0]
	got := []any{d.TrustType, d.KeyProtection, d.ProfileType, d.Edition, len(d.SystemLabels), d.IsCompliant == nil, d.Method}
	want := []any{device.Joined, device.SoftwareKeys, "RegisteredDevice", device.Client, 0, true, device.Interactive}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the device talked itself up (-want +got):\n%s", diff)
	}
}

// errorReply is the whole error document; decoding into a map keeps the two cases of a name apart.
func errorReply(t *testing.T, answer []byte) map[string]string {
	t.Helper()
	var reply map[string]string
	if err := json.Unmarshal(answer, &reply); err != nil {
		t.Fatalf("the error is not JSON with strings: %s", answer)
	}
	for _, member := range []string{"code", "subcode", "message", "operation", "requestid", "time", "clientrequestid", "ErrorType", "Message", "TraceId", "Time"} {
		if _, ok := reply[member]; !ok {
			t.Errorf("the error has no %s: %s", member, answer)
		}
	}
	return reply
}

func TestJoinRefusesWhatIsNotAJoin(t *testing.T) { // P14
	key := devicetest.Key(t)
	honest := roadlibBody(t, key)
	with := func(member string, value any) string {
		return roadlibBody(t, key, func(b map[string]any) { b[member] = value })
	}
	csr := func(data string) string {
		return with("CertificateRequest", map[string]any{"Type": "pkcs10", "Data": data})
	}
	der := devicetest.CertificateRequest(t, key)
	der[len(der)-1] ^= 1
	for _, tt := range []struct {
		name, path, body string
		status           int
		says             string
	}{
		{"nothing", "", "", 400, "not an object"},
		{"a list", "", "[" + honest + "]", 400, "not an object"},
		{"two documents", "", honest + honest, 400, "something follows"},
		{"a body that is cut off", "", honest[:len(honest)-2], 400, "cut off or malformed"},
		{"a body that is not UTF-8", "", strings.Replace(honest, "DESKTOP", "\xff", 1), 400, "not UTF-8"},
		{"a member twice", "", `{"JoinType":4,` + honest[1:], 400, "there twice"},
		{"a member twice, in another case", "", `{"jointype":4,` + honest[1:], 400, "there twice"},
		{"a nested member twice", "", strings.Replace(honest, `"Type":"pkcs10"`, `"Type":"pkcs10","TYPE":"x"`, 1), 400, "there twice"},
		{"deep nesting", "", `{"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "}", 400, "nested more than 8"},
		{"a body that is too large", "", `{"x":"` + strings.Repeat("a", 64<<10) + `"}`, 413, "larger than 65536 bytes"},
		{"a join type that is a string", "", with("JoinType", "0"), 400, "JoinType has the wrong type: it is a JSON string"},
		{"a join type that is no integer", "", with("JoinType", 0.5), 400, "JoinType has the wrong type: it is a JSON number"},
		{"no join type", "", with("JoinType", nil), 400, "JoinType is missing"},
		{"join type 8", "", with("JoinType", 8), 400, "JoinType 8 is not supported"},
		{"a name that is a number", "", with("DeviceDisplayName", 7), 400, "DeviceDisplayName has the wrong type"},
		{"attributes that are not strings", "", with("attributes", map[string]any{"ReuseDevice": true}), 400, "wrong type"},
		{"a name with control characters", "", with("DeviceDisplayName", "a\u0007"), 400, "control characters"},
		{"no certificate request", "", with("CertificateRequest", nil), 400, "CertificateRequest is missing"},
		{"a certificate request of another kind", "", with("CertificateRequest", map[string]any{"Type": "cmc", "Data": "AA=="}), 400, "must be pkcs10"},
		{"a certificate request that is not base64", "", csr("-----BEGIN"), 400, "CertificateRequest.Data is not base64"},
		{"a certificate request that is not PKCS#10", "", csr("AAAA"), 400, "not PKCS#10"},
		{"a certificate request with a tampered signature", "", csr(base64.StdEncoding.EncodeToString(der)), 400, "does not verify"},
		{"a transport key that is none", "", with("TransportKey", "AAAA"), 400, "TransportKey cannot be used"},
		{"keys in a Secure Enclave", "?api-version=3.0", with("DeviceKeys", []any{map[string]any{"Type": "ECC"}}), 400, "DeviceKeys"},
		{"a version to come", "?api-version=9.0", honest, 400, "api-version is not supported"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t)
			status, answer, _ := s.do(t, call{method: "POST", path: "/EnrollmentServer/device/" + tt.path, bearer: s.token(t, token.V1), body: tt.body})
			reply := errorReply(t, answer)
			if status != tt.status || !strings.Contains(reply["message"], tt.says) {
				t.Errorf("status %d: %s; want %d that says %q", status, answer, tt.status, tt.says)
			}
			if reply["operation"] != "DeviceJoin" || reply["ErrorType"] != "InvalidRequestError" || reply["Message"] != reply["message"] {
				t.Errorf("error %s", answer)
			}
			if n := len(s.Store.Devices(Contoso)); n != 0 {
				t.Errorf("%d devices are registered", n)
			}
			// The honest twin.
			if status, answer, _ := s.do(t, call{method: "POST", path: "/EnrollmentServer/device/", bearer: s.token(t, token.V1), body: honest}); status != http.StatusOK {
				t.Errorf("the honest join: status %d: %s", status, answer)
			}
		})
	}
}

func TestJoinRefusesOtherTokens(t *testing.T) { // P08, P13
	body := roadlibBody(t, devicetest.Key(t))
	for _, tt := range []struct {
		name    string
		bearer  func(s *server) string
		status  int
		subcode string
	}{
		{"none", func(*server) string { return "" }, 401, "AADSTS50013"},
		{"text", func(*server) string { return "a.b.c" }, 401, "AADSTS50013"},
		{"a token for Microsoft Graph", func(s *server) string {
			return s.token(t, token.V2, func(_ *token.Subject, app *directory.AppID) { *app = directory.MicrosoftGraph })
		}, 401, "AADSTS50013"},
		{"a tampered token", func(s *server) string { return s.token(t, token.V1) + "A" }, 401, "AADSTS50013"},
		{"a token of another server", func(*server) string { return serve(t).token(t, token.V1) }, 401, "AADSTS50013"},
		{"an expired token", func(s *server) string {
			text := s.token(t, token.V1)
			s.At = s.At.Add(2 * time.Hour)
			return text
		}, 401, "AADSTS50013"},
		{"a user of one tenant in a token of another", func(s *server) string {
			return s.token(t, token.V1, func(subject *token.Subject, _ *directory.AppID) { subject.Tenant = Fabrikam })
		}, 401, "AADSTS50013"},
		{"a token from a refresh token", func(s *server) string {
			return s.token(t, token.V1, func(subject *token.Subject, _ *directory.AppID) { subject.Origin.Fresh = false })
		}, 403, "AADSTS50173"},
		{"a token of a sign-in half an hour ago", func(s *server) string {
			text := s.token(t, token.V1)
			s.At = s.At.Add(30 * time.Minute)
			return text
		}, 403, "AADSTS50173"},
		{"a token that came by a device code", func(s *server) string {
			return s.token(t, token.V1, func(subject *token.Subject, _ *directory.AppID) { subject.Origin.TransferMethod = "deviceCodeFlow" })
		}, 403, "AADSTS50173"},
		{"a user whose quota is reached", func(s *server) string {
			s.Set(Contoso, directory.Settings{DevicesPerUser: 1})
			s.Store.AddDevice(device.Device{ID: "first", Tenant: Contoso, Owner: Pilot})
			return s.token(t, token.V1)
		}, 403, "AADSTS50131"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t)
			bearer := tt.bearer(s)
			status, answer, header := s.do(t, call{method: "POST", path: "/EnrollmentServer/device/", bearer: bearer, body: body})
			reply := errorReply(t, answer)
			if status != tt.status || reply["subcode"] != tt.subcode {
				t.Errorf("status %d: %s; want %d %s", status, answer, tt.status, tt.subcode)
			}
			if (status == 401) != (header.Get("WWW-Authenticate") != "") {
				t.Errorf("WWW-Authenticate %q with status %d", header.Get("WWW-Authenticate"), status)
			}
			if bearer != "" && bytes.Contains(answer, []byte(bearer)) { // P11
				t.Error("the answer repeats the token")
			}
		})
	}
}

// joined registers a device and returns what it holds afterwards.
func (s *server) joined(t testing.TB, changes ...tokenChange) (string, *tls.Certificate) {
	t.Helper()
	key := devicetest.Key(t)
	status, answer, _ := s.do(t, call{method: "POST", path: "/EnrollmentServer/device/", bearer: s.token(t, token.V1, changes...), body: roadlibBody(t, key)})
	if status != http.StatusOK {
		t.Fatalf("join: status %d: %s", status, answer)
	}
	c := certificateOf(t, answer)
	return c.Subject.CommonName, &tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
}

func TestADeviceDeletesItselfAndNothingElse(t *testing.T) { // P05, P13
	s := serve(t)
	mine, certificate := s.joined(t)
	theirs, _ := s.joined(t)
	foreign, _ := s.joined(t, func(subject *token.Subject, _ *directory.AppID) { subject.Tenant, subject.User = Fabrikam, Rival })
	elsewhere, forged := serve(t).joined(t) // the same tenant id on another server: a certificate of another authority

	for _, tt := range []struct {
		name        string
		id          string
		certificate *tls.Certificate
		status      int
	}{
		{"no certificate", mine, nil, 401},
		{"a certificate of another server", elsewhere, forged, 401},
		{"another device of the tenant", theirs, certificate, 400},
		{"a device of another tenant", foreign, certificate, 400},
		{"a device that does not exist", "00000000-0000-4000-8000-000000000000", certificate, 400},
		{"no GUID", "me", certificate, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, answer, _ := s.do(t, call{method: "DELETE", path: "/EnrollmentServer/device/" + tt.id, certificate: tt.certificate})
			if reply := errorReply(t, answer); status != tt.status || reply["operation"] != "DeviceDelete" {
				t.Errorf("status %d: %s; want %d", status, answer, tt.status)
			}
		})
	}
	t.Run("the same words for every other device", func(t *testing.T) {
		say := func(id string) string {
			_, answer, _ := s.do(t, call{method: "DELETE", path: "/EnrollmentServer/device/" + id, certificate: certificate})
			return errorReply(t, answer)["message"]
		}
		if a, b, c := say(theirs), say(foreign), say("00000000-0000-4000-8000-000000000000"); a != b || b != c {
			t.Errorf("answers differ: %q, %q, %q", a, b, c)
		}
	})
	if a, b := len(s.Store.Devices(Contoso)), len(s.Store.Devices(Fabrikam)); a != 2 || b != 1 {
		t.Fatalf("%d and %d devices are left, want 2 and 1", a, b)
	}

	// As roadlib does: upper-case id, no api-version, status 200 and an empty body.
	status, answer, _ := s.do(t, call{method: "DELETE", path: "/EnrollmentServer/device/" + strings.ToUpper(mine), certificate: certificate})
	if status != http.StatusOK || len(answer) != 0 {
		t.Errorf("deleting itself: status %d: %s", status, answer)
	}
	if status, _, _ := s.do(t, call{method: "DELETE", path: "/EnrollmentServer/device/" + mine, certificate: certificate}); status != 401 {
		t.Errorf("a deleted device's certificate: status %d, want 401", status)
	}
	rows := s.Store.AuditRows(Contoso)
	var deleted int
	for _, row := range rows {
		if row.Activity == "Delete device" && strings.Contains(string(row.Before), mine) {
			deleted++
		}
	}
	if deleted != 1 {
		t.Errorf("%d audit rows of the deletion: %+v", deleted, rows)
	}
}

func TestADisabledDeviceCannotDeleteItsRecord(t *testing.T) {
	s := serve(t)
	id, certificate := s.joined(t)
	d := s.Store.Devices(Contoso)[0]
	d.Enabled = false
	s.Store.AddDevice(d)
	if status, answer, _ := s.do(t, call{method: "DELETE", path: "/EnrollmentServer/device/" + id, certificate: certificate}); status != 403 {
		t.Errorf("status %d: %s; want 403", status, answer)
	}
	if len(s.Store.Devices(Contoso)) != 1 {
		t.Error("the record is gone")
	}
}

func TestDiscoveryNamesThisServerOnly(t *testing.T) {
	s := serve(t)
	for _, path := range []string{"/contoso.test/Discover?api-version=1.9&managed=True", "/" + strings.ToUpper(string(Contoso)) + "/discover", "/contoso.test/contract?api-version=1.2"} {
		status, answer, _ := s.do(t, call{method: "GET", path: path})
		if status != http.StatusOK {
			t.Fatalf("GET %s: status %d: %s", path, status, answer)
		}
		// The types that libhimmelblau insists on.
		var d struct {
			AuthenticationService struct {
				OAuth2 struct{ AuthCodeEndpoint, TokenEndpoint string }
			}
			IdentityProviderService struct{ Federated *bool }
			DeviceJoinService       struct{ JoinEndpoint, ServiceVersion string }
			KeyProvisioningService  struct{ KeyProvisionEndpoint, ServiceVersion string }
			TenantInfo              struct {
				ID string `json:"TenantId"`
			}
		}
		if err := json.Unmarshal(answer, &d); err != nil {
			t.Fatalf("GET %s: %v", path, err)
		}
		if d.DeviceJoinService.JoinEndpoint != registrationURL+"/EnrollmentServer/device/" || d.DeviceJoinService.ServiceVersion != "2.0" ||
			d.AuthenticationService.OAuth2.TokenEndpoint != signInURL+"/"+string(Contoso)+"/oauth2/token" ||
			d.IdentityProviderService.Federated == nil || *d.IdentityProviderService.Federated || d.TenantInfo.ID != string(Contoso) {
			t.Errorf("GET %s: %s", path, answer)
		}
		for _, address := range strings.Split(string(answer), `"https://`)[1:] {
			if !strings.HasPrefix(address, "login.boundgate.test/") && !strings.HasPrefix(address, "devices.boundgate.test:8444/") {
				t.Errorf("GET %s sends clients to %.40s", path, address)
			}
		}
	}
	if status, answer, _ := s.do(t, call{method: "GET", path: "/nowhere.test/Discover"}); status != 400 || errorReply(t, answer)["subcode"] != "AADSTS90002" {
		t.Errorf("an unknown tenant: status %d: %s", status, answer)
	}
}

func TestNonceIsForTheTokensOwnTenant(t *testing.T) { // P13
	s := serve(t)
	get := func(tenant, bearer string) (int, string) {
		status, answer, _ := s.do(t, call{method: "GET", path: "/EnrollmentServer/nonce/" + tenant + "/?api-version=1.0", bearer: bearer})
		return status, string(answer)
	}
	bearer := s.token(t, token.V1)
	if status, answer := get(string(Contoso), bearer); status != 200 || answer != `{"Value":"a-nonce"}` {
		t.Errorf("status %d: %s", status, answer)
	}
	if status, _ := get(string(Contoso), ""); status != 401 {
		t.Errorf("without a token: status %d, want 401", status)
	}
	other, otherAnswer := get(string(Fabrikam), bearer)
	unknown, unknownAnswer := get("99999999-9999-4999-8999-999999999999", bearer)
	message := func(answer string) string { return errorReply(t, []byte(answer))["message"] }
	if other != 403 || unknown != 403 || message(otherAnswer) != message(unknownAnswer) {
		t.Errorf("another tenant: %d %s; an unknown one: %d %s; want one answer", other, otherAnswer, unknown, unknownAnswer)
	}
}

func TestWindowsHelloKeysAreRefusedByName(t *testing.T) {
	s := serve(t)
	status, answer, _ := s.do(t, call{method: "POST", path: "/EnrollmentServer/key/?api-version=1.0", bearer: s.token(t, token.V1), body: `{"kngc":"AAAA"}`})
	if reply := errorReply(t, answer); status != 400 || !strings.Contains(reply["message"], "Windows Hello") {
		t.Errorf("status %d: %s", status, answer)
	}
}

package broker_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boundgate/internal/broker/brokertest"
	"boundgate/internal/prt"
	"boundgate/internal/tpm"
)

// derive is the key derivation of the protocol in version 2 (NIST SP 800-108 in counter mode, MS-OAPXBC 3.1.5.1.3),
// written out here so that the broker's own is held to it.
func derive(session, context, payload []byte) []byte {
	bound := sha256.Sum256(append(slices.Clone(context), payload...))
	mac := hmac.New(sha256.New, session)
	mac.Write([]byte("\x00\x00\x00\x01AzureAD-SecureConversation\x00"))
	mac.Write(bound[:])
	mac.Write([]byte{0, 0, 1, 0})
	return mac.Sum(nil)
}

// TestSignedRequests holds the three signed requests to the protocol: what is in their forms, headers and claims.
func TestSignedRequests(t *testing.T) {
	server := brokertest.New(t)
	sent := &recorder{}
	server.Through(sent.record)
	l := newLaptop(t, server)
	l.register(t, false)
	if _, err := l.exchange(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := l.Renew(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	for i, form := range sent.forms(t) {
		if form.Get("request") == "" {
			continue
		}
		form.Del("request")
		want := map[string][]string{
			"windows_api_version": {"2.2"}, "grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_info": {"1"},
		}
		if diff := cmp.Diff(want, map[string][]string(form)); diff != "" {
			t.Errorf("form %d around the signed request (-want +got):\n%s", i, diff)
		}
	}

	requests := sent.signed(t)
	if len(requests) != 3 {
		t.Fatalf("%d signed requests, want a sign-in, a token request and a renewal", len(requests))
	}
	for i, want := range []struct {
		name           string
		header, claims []string
		fixed          map[string]any
	}{
		{"sign-in with a password", []string{"alg", "kdf_ver", "typ", "x5c"},
			[]string{"client_id", "grant_type", "group_sids", "password", "request_nonce", "scope", "username", "win_ver"},
			map[string]any{"client_id": "38aa3b87-a06d-4817-b275-7a316988d93b", "grant_type": "password", "scope": "openid aza ugs",
				"username": brokertest.Alice, "win_ver": windows11.Version, "group_sids": []any{}}},
		{"token request", []string{"alg", "ctx", "kdf_ver", "typ"},
			[]string{"aud", "client_id", "exp", "grant_type", "iat", "iss", "redirect_uri", "refresh_token", "request_nonce", "resource", "scope", "win_ver"},
			map[string]any{"client_id": office, "grant_type": "refresh_token", "scope": "openid", "resource": brokertest.Exchange,
				"redirect_uri": "ms-appx-web://Microsoft.AAD.BrokerPlugin/" + office, "iss": "aad:brokerplugin",
				"aud": "login.microsoftonline.com", "win_ver": windows11.Version, "iat": "1772442000", "exp": "1772442060"}},
		{"renewal", []string{"alg", "ctx", "kdf_ver", "typ"},
			[]string{"client_id", "grant_type", "group_sids", "iss", "previous_refresh_token", "refresh_token", "request_nonce", "scope", "win_ver"},
			map[string]any{"client_id": "38aa3b87-a06d-4817-b275-7a316988d93b", "grant_type": "refresh_token", "scope": "openid aza ugs",
				"iss": "aad:brokerplugin", "win_ver": windows11.Version, "group_sids": []any{}}},
	} {
		header, claims := decodeJWS(t, requests[i])
		if diff := cmp.Diff(want.header, slices.Sorted(maps.Keys(header))); diff != "" {
			t.Errorf("%s: header (-want +got):\n%s", want.name, diff)
		}
		if diff := cmp.Diff(want.claims, slices.Sorted(maps.Keys(claims))); diff != "" {
			t.Errorf("%s: claims (-want +got):\n%s", want.name, diff)
		}
		for name, value := range want.fixed {
			if diff := cmp.Diff(value, claims[name]); diff != "" {
				t.Errorf("%s: claim %s (-want +got):\n%s", want.name, name, diff)
			}
		}
		if header["kdf_ver"] != 2.0 || header["typ"] != "JWT" {
			t.Errorf("%s: header %v, want typ JWT and kdf_ver 2", want.name, header)
		}
	}
	checkKeyDerivation(t, l, requests[1])
}

// checkKeyDerivation verifies a session-signed request with the derivation written out above.
func checkKeyDerivation(t *testing.T, l laptop, jws string) {
	t.Helper()
	transport, err := tpm.NewSoftwareStore(filepath.Join(l.dir, "keys")).Open("transport")
	if err != nil {
		t.Fatal(err)
	}
	session, err := prt.DecryptSessionKey(steal(t, l.dir).Accounts[0].SessionKeyJWE, transport)
	if err != nil {
		t.Fatal(err)
	}
	header, _ := decodeJWS(t, jws)
	parts := strings.Split(jws, ".")
	context, err := base64.StdEncoding.DecodeString(header["ctx"].(string))
	if err != nil {
		t.Fatalf("ctx is not in standard base64: %v", err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, derive(session.Reveal(), context, payload))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	if got := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)); header["alg"] != "HS256" || got != parts[2] {
		t.Errorf("the token request is signed with %v and another key than version 2 derives", header["alg"])
	}
}

func decodeJWS(t *testing.T, jws string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(jws, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWS", jws)
	}
	for i, into := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatalf("part %d of the signed request: %v", i, err)
		}
	}
	return header, claims
}

// TestRegistrationRequests holds a join and a leave to the protocol.
func TestRegistrationRequests(t *testing.T) {
	server := brokertest.New(t)
	sent := &recorder{}
	server.Through(sent.record)
	l := newLaptop(t, server)
	l.register(t, false)
	id := l.status(t).DeviceID
	if err := l.leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	join := slices.Index(sent.paths, "POST /enrollmentserver/device/")
	if join < 0 {
		t.Fatalf("no join among %v", sent.paths)
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(sent.bodies[join]), &body); err != nil {
		t.Fatal(err)
	}
	csr, _ := body["CertificateRequest"].(map[string]any)
	if csr["Type"] != "pkcs10" {
		t.Errorf("CertificateRequest.Type is %v, want pkcs10", csr["Type"])
	}
	delete(body, "CertificateRequest")
	delete(body, "TransportKey") // the server has accepted it
	want := map[string]any{
		"TargetDomain": brokertest.Domain, "DeviceType": "Windows", "OSVersion": windows11.Version, "DeviceDisplayName": "laptop",
		"JoinType": 0.0, "attributes": map[string]any{"ReuseDevice": "true", "ReturnClientSid": "true"},
	}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("join (-want +got):\n%s", diff)
	}
	if got := sent.paths[len(sent.paths)-1]; got != "DELETE /enrollmentserver/device/"+id {
		t.Errorf("leave was %s", got)
	}
	for i, header := range sent.header {
		bearer := strings.HasPrefix(header.Get("Authorization"), "Bearer ")
		if wants := i == join || strings.HasSuffix(sent.paths[i], "/discover"); bearer != wants {
			t.Errorf("%s with a bearer token: %v, want %v", sent.paths[i], bearer, wants)
		}
	}
}

package drs

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"boundgate/internal/aadsts"
	"boundgate/internal/registration"
)

// The bounds of a request's body.
const (
	maxBody  = 64 << 10 // bytes
	maxDepth = 8        // of nested objects and arrays; a join needs three
)

// A certificateRequest is the CertificateRequest member of a join.
type certificateRequest struct {
	Type string // "pkcs10"
	Data string // base64 of DER
}

// A joinBody is the body of POST and PUT. Members that change nothing (TargetDomain of a join, the attributes, attestation
// data that is not verified) are read for their types only.
type joinBody struct {
	CertificateRequest *certificateRequest
	TransportKey       string
	TargetDomain       string
	DeviceType         string
	OSVersion          string
	DeviceDisplayName  string
	JoinType           *int
	Attributes         map[string]string // ReuseDevice, ReturnClientSid, SharedDevice, …: no influence
	AikCertificate     string
	AttestationData    string
	// DeviceKeys is the form of api-version 3.0 with keys in a Secure Enclave.
	DeviceKeys       []json.RawMessage
	ServerAdJoinData *serverADJoinData
}

// A serverADJoinData is the part of a hybrid join that describes the computer.
type serverADJoinData struct {
	TransportKey           string
	TargetDomain           string
	TargetDomainID         string `json:"TargetDomainId"`
	DeviceType             string
	OSVersion              string
	DeviceDisplayName      string
	SourceDomainController string
	ClientIdentity         *clientIdentity
}

type clientIdentity struct {
	Type       string
	Sid        string
	SignedBlob string // base64
}

// A join is a decoded POST.
type join struct {
	joinType registration.JoinType
	claims   registration.Claims
	keys     registration.KeyRequest
}

func decodeJoin(r *http.Request) (join, error) {
	body, err := readBody(r)
	if err != nil {
		return join{}, err
	}
	return parseJoin(body)
}

func parseJoin(text []byte) (join, error) {
	body, err := parseBody(text)
	if err != nil {
		return join{}, err
	}
	csr, err := body.certificateRequest()
	if err != nil {
		return join{}, err
	}
	return join{
		joinType: registration.JoinType(*body.JoinType),
		claims:   registration.Claims{DisplayName: body.DeviceDisplayName, OS: body.DeviceType, OSVersion: body.OSVersion},
		keys:     registration.KeyRequest{Certificate: csr, Transport: body.TransportKey},
	}, nil
}

func decodeHybridJoin(r *http.Request) (registration.HybridRequest, error) {
	text, err := readBody(r)
	if err != nil {
		return registration.HybridRequest{}, err
	}
	return parseHybridJoin(text)
}

func parseHybridJoin(text []byte) (registration.HybridRequest, error) {
	body, err := parseBody(text)
	if err != nil {
		return registration.HybridRequest{}, err
	}
	data := body.ServerAdJoinData
	switch {
	case registration.JoinType(*body.JoinType) != registration.HybridJoin:
		return registration.HybridRequest{}, aadsts.MalformedRequest.Saying("A PUT completes a hybrid join: JoinType must be %d.", registration.HybridJoin)
	case data == nil:
		return registration.HybridRequest{}, missing("ServerAdJoinData")
	case data.ClientIdentity == nil:
		return registration.HybridRequest{}, missing("ServerAdJoinData.ClientIdentity")
	}
	csr, err := body.certificateRequest()
	if err != nil {
		return registration.HybridRequest{}, err
	}
	signature, err := base64.StdEncoding.DecodeString(data.ClientIdentity.SignedBlob)
	if err != nil {
		return registration.HybridRequest{}, notBase64("ServerAdJoinData.ClientIdentity.SignedBlob")
	}
	return registration.HybridRequest{
		TargetDomainID: data.TargetDomainID, TargetDomain: data.TargetDomain,
		Identity: registration.SignedIdentity{Type: data.ClientIdentity.Type, Text: data.ClientIdentity.Sid, Signature: signature},
		Claims:   registration.Claims{DisplayName: data.DeviceDisplayName, OS: data.DeviceType, OSVersion: data.OSVersion},
		Keys:     registration.KeyRequest{Certificate: csr, Transport: data.TransportKey},
	}, nil
}

// certificateRequest returns the certificate request in DER.
func (b joinBody) certificateRequest() ([]byte, error) {
	switch {
	case b.CertificateRequest == nil:
		return nil, missing("CertificateRequest")
	case !strings.EqualFold(b.CertificateRequest.Type, "pkcs10"):
		return nil, aadsts.MalformedRequest.Saying("CertificateRequest.Type must be pkcs10.")
	case len(b.DeviceKeys) > 0:
		return nil, aadsts.MalformedRequest.Saying("DeviceKeys (api-version 3.0, elliptic curve keys) are not supported; send RSA keys and a TransportKey.")
	}
	der, err := base64.StdEncoding.DecodeString(b.CertificateRequest.Data)
	if err != nil {
		return nil, notBase64("CertificateRequest.Data")
	}
	return der, nil
}

// apiVersions are the versions of the join request. They do not differ in what is read here.
var apiVersions = map[string]bool{"": true, "1.0": true, "2.0": true, "3.0": true}

func readBody(r *http.Request) ([]byte, error) {
	if version := r.URL.Query().Get("api-version"); !apiVersions[version] {
		return nil, aadsts.MalformedRequest.Saying("The api-version is not supported; use 2.0.")
	}
	text, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, aadsts.RequestTooLarge.Saying("The body is larger than %d bytes.", tooLarge.Limit)
	case err != nil:
		return nil, aadsts.MalformedRequest.Saying("The body could not be read to its end.").Because(err)
	}
	return text, nil
}

// parseBody decodes a body strictly: one JSON object, no member twice, every known member of its type. Unknown members are
// ignored, as clients send some.
func parseBody(text []byte) (joinBody, error) {
	if err := checkShape(text); err != nil {
		return joinBody{}, aadsts.MalformedRequest.Saying("The body is not acceptable JSON: %s.", err)
	}
	var body joinBody
	err := json.Unmarshal(text, &body)
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType):
		return joinBody{}, aadsts.MalformedRequest.Saying("%s has the wrong type: it is a JSON %s.", memberOf(wrongType), kindOf(wrongType))
	case err != nil:
		return joinBody{}, aadsts.MalformedRequest.Saying("The body is not acceptable JSON.").Because(err)
	case body.JoinType == nil:
		return joinBody{}, missing("JoinType")
	}
	return body, nil
}

// memberOf names the member of a wrong type; it is one that this package knows, so the name is safe to show.
func memberOf(e *json.UnmarshalTypeError) string {
	if e.Field == "" {
		return "The body"
	}
	return e.Field
}

// kindOf returns the JSON type that was found, without the value that the library may add to it.
func kindOf(e *json.UnmarshalTypeError) string {
	kind, _, _ := strings.Cut(e.Value, " ")
	return kind
}

// checkShape walks through a JSON text and refuses what the decoder would take in silence: a member that is there twice,
// also in another case, since the decoder takes the last one; invalid UTF-8; more than one value; deep nesting.
func checkShape(text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return errors.New("it is not an object")
	}
	if err := checkObject(d, 1); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

func checkObject(d *json.Decoder, depth int) error {
	seen := map[string]bool{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return errors.New("it is cut off or malformed")
		}
		folded := strings.ToLower(name.(string)) // the decoder returns nothing else as an object's key
		if seen[folded] {
			return fmt.Errorf("a member is there twice at offset %d", d.InputOffset())
		}
		seen[folded] = true
		if err := checkValue(d, depth); err != nil {
			return err
		}
	}
	return closing(d)
}

func checkArray(d *json.Decoder, depth int) error {
	for d.More() {
		if err := checkValue(d, depth); err != nil {
			return err
		}
	}
	return closing(d)
}

func checkValue(d *json.Decoder, depth int) error {
	value, err := d.Token()
	switch {
	case err != nil:
		return errors.New("it is cut off or malformed")
	case value == json.Delim('{') || value == json.Delim('['):
		if depth == maxDepth {
			return fmt.Errorf("it is nested more than %d deep", maxDepth)
		}
		if value == json.Delim('{') {
			return checkObject(d, depth+1)
		}
		return checkArray(d, depth+1)
	}
	return nil
}

func closing(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return errors.New("it is cut off or malformed")
	}
	return nil
}

func missing(member string) error {
	return aadsts.MissingParameter.Saying("%s is missing.", member)
}

func notBase64(member string) error {
	return aadsts.MalformedRequest.Saying("%s is not base64.", member)
}

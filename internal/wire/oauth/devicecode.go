package oauth

import (
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/session"
	"boundgate/internal/signin"
	"boundgate/internal/token"
)

func (h handler) deviceCodeV1(w http.ResponseWriter, r *http.Request) error {
	return h.deviceCode(w, r, token.V1)
}

func (h handler) deviceCodeV2(w http.ResponseWriter, r *http.Request) error {
	return h.deviceCode(w, r, token.V2)
}

// A deviceCodeReply is the JSON of RFC 8628 section 3.2, with the message that Microsoft's clients show.
type deviceCodeReply struct {
	UserCode        string `json:"user_code"`
	DeviceCode      string `json:"device_code"`
	VerificationURI string `json:"verification_uri,omitempty"`
	VerificationURL string `json:"verification_url,omitempty"` // v1
	ExpiresIn       any    `json:"expires_in"`
	Interval        any    `json:"interval"`
	Message         string `json:"message"`
}

// deviceCode serves the device authorization endpoint (RFC 8628 section 3.1).
func (h handler) deviceCode(w http.ResponseWriter, r *http.Request, v token.Version) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	req := signin.Request{
		PathTenant: r.PathValue("tenant"), Version: v, Client: f["client_id"], Resource: f["resource"], Scope: f["scope"],
		CorrelationID: firstOf(correlationID(r), uuid.NewString()), From: h.from(r, f),
	}
	if req.PathTenant == "consumers" {
		return aadsts.ConsumersRefused
	}
	if err := readClaims(f, &req); err != nil {
		return err
	}
	d, err := h.SignIns.BeginDevice(r.Context(), req)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, h.newDeviceCodeReply(d, v))
}

func (h handler) newDeviceCodeReply(d signin.DeviceAuthorization, v token.Version) deviceCodeReply {
	address := h.Issuer.URL + "/common/oauth2/deviceauth"
	reply := deviceCodeReply{
		UserCode: d.UserCode, DeviceCode: d.DeviceCode,
		Message: fmt.Sprintf("To sign in, use a web browser to open the page %s and enter the code %s to authenticate.", address, d.UserCode),
	}
	expires, interval := int64(session.DeviceCodeLifetime/time.Second), int64(session.DeviceCodeInterval/time.Second)
	if v == token.V1 {
		reply.VerificationURL, reply.ExpiresIn, reply.Interval = address, fmt.Sprint(expires), fmt.Sprint(interval)
		return reply
	}
	reply.VerificationURI, reply.ExpiresIn, reply.Interval = address, expires, interval
	return reply
}

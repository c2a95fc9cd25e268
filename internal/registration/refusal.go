package registration

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
)

// TokenRefused is the one answer to an access token that is missing, not genuine, expired, or whose user is gone.
var TokenRefused = &aadsts.Error{Code: 50013, OAuth: "invalid_token", Status: http.StatusUnauthorized,
	Message: "The access token is not valid for device registration.",
	Remedy:  "Sign in again and ask for a token for " + directory.DeviceRegistrationURN + "."}

// CertificateRefused is the one answer to a client certificate that is missing or not that of a registered device.
var CertificateRefused = &aadsts.Error{Code: 50155, OAuth: "invalid_client", Status: http.StatusUnauthorized,
	Message: "A TLS client certificate of a registered device is needed.",
	Remedy:  "Show the certificate that the device got when it registered, on the address of the device registration service."}

// HybridRefused is the one answer to a hybrid join that is not allowed. Nobody is signed in, so the sender does not learn
// whether the device exists; the audit row has the cause.
var HybridRefused = &aadsts.Error{Code: 50155, OAuth: "invalid_request",
	Message: "The device is not synchronised, or its identity could not be verified.",
	Remedy:  "Read the directory audit log for the cause; create the device object with the computer's SID and certificate first, and check the computer's clock."}

var (
	userDisabled = withStatus(aadsts.AccountDisabled, http.StatusForbidden)
	guestRefused = withStatus(aadsts.UserNotInTenant, http.StatusForbidden).
			Saying("A guest's devices belong to the guest's own organisation.").
			WithRemedy("Register the device with the guest's own organisation.")
	keyInUse = aadsts.MalformedRequest.Saying("The device key belongs to a registered device already.").
			WithRemedy("Make new keys, or delete the earlier registration first.")
	wrongDevice = aadsts.MalformedRequest.Saying("The certificate is not that of the device in the address.").
			WithRemedy("A device can delete its own registration only; others are deleted by an administrator.")
	deviceDisabled = withStatus(aadsts.DeviceDisabled, http.StatusForbidden).
			WithRemedy("A disabled device keeps its record: let an administrator enable or delete it.")
	tokenSpent = aadsts.RegistrationNotFresh.Saying("This sign-in's access token has registered a device already.").
			WithRemedy("Sign in again for each device.")
	signInEnded = withStatus(aadsts.GrantRevoked, http.StatusUnauthorized)
	blobSpent   = HybridRefused.Becausef("the signed blob has been used before")
)

func withStatus(e *aadsts.Error, status int) *aadsts.Error {
	c := *e
	c.Status = status
	return &c
}

func joinTypeRefused(j JoinType) *aadsts.Error {
	switch j {
	case HybridJoin:
		return aadsts.MalformedRequest.Saying("JoinType 6 (hybrid join) is a PUT to the device's own address, without a user.")
	case 8:
		return aadsts.MalformedRequest.Saying("JoinType 8 is not supported; send 0 to join or 4 to register.")
	default:
		return aadsts.MalformedRequest.Saying("JoinType %d is not known; send 0 to join or 4 to register.", j)
	}
}

// unacceptable says to the client what is wrong with the key in a member of its request.
func unacceptable(member string, err error) error {
	why := strings.TrimPrefix(err.Error(), device.ErrRequest.Error()+": ")
	return aadsts.MalformedRequest.Saying("%s: %s.", member, why).Because(err)
}

// refusalOfCommit says what it means to the client that a commit could not happen.
func refusalOfCommit(err error) error {
	switch {
	case errors.Is(err, device.ErrQuota):
		return aadsts.DeviceQuotaReached.Because(err)
	case errors.Is(err, journal.ErrNonceSpent):
		return tokenSpent.Because(err)
	case errors.Is(err, journal.ErrChanged):
		return signInEnded.Because(err)
	case errors.Is(err, directory.ErrExists):
		return keyInUse.Because(err)
	}
	return fmt.Errorf("commit registration: %w", err)
}

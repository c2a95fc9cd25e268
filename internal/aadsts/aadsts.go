// Package aadsts is the catalogue of refusals: each with its code, its OAuth 2.0 error, a message that anyone may read
// and a remedy for the administrator.
//
// The numbers are those that Microsoft's clients and administrators know; the words are ours. A refusal is an *Error, the
// only error whose text a client may see.
package aadsts

import (
	"errors"
	"fmt"
	"strconv"
)

// An Error is a refusal or failure that a client may see. Code, OAuth, Message and SubError go on the wire; Remedy goes
// to the sign-in log and to people; the cause goes to the server's own log and nowhere else.
type Error struct {
	Code     int    // 530084, shown as AADSTS530084
	OAuth    string // the RFC 6749 error, such as "invalid_grant"
	SubError string // MSAL's suberror; "" for none
	Message  string // one sentence, safe to show to anyone
	Remedy   string // what to do next, in the imperative
	Status   int    // HTTP status; 0 means 400
	// Generic makes the client hear the bare OAuth error without a reason: an attacker learns nothing of why a proof failed.
	Generic bool
	// RetryAfter is the number of seconds to wait; 0 for none.
	RetryAfter int
	// Claims is a claims challenge for the client to repeat, in JSON; "" for none.
	Claims string
	cause  error
}

// Error implements error. It names the cause, so it is for the server's own log.
func (e *Error) Error() string {
	s := "AADSTS" + strconv.Itoa(e.Code) + ": " + e.Message
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Is makes errors.Is compare by code.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code == e.Code
}

// Because returns a copy of e that remembers its cause.
func (e *Error) Because(cause error) *Error { c := *e; c.cause = cause; return &c }

// Becausef is Because with a formatted cause.
func (e *Error) Becausef(format string, args ...any) *Error {
	return e.Because(fmt.Errorf(format, args...))
}

// Saying returns a copy of e with another message: the same refusal, more exactly described.
func (e *Error) Saying(format string, args ...any) *Error {
	c := *e
	c.Message = fmt.Sprintf(format, args...)
	return &c
}

// WithRemedy returns a copy of e with another remedy.
func (e *Error) WithRemedy(remedy string) *Error { c := *e; c.Remedy = remedy; return &c }

// WithClaims returns a copy of e with a claims challenge.
func (e *Error) WithClaims(claims string) *Error { c := *e; c.Claims = claims; return &c }

// HTTPStatus returns the status that the error is answered with.
func (e *Error) HTTPStatus() int {
	if e.Status == 0 {
		return 400
	}
	return e.Status
}

// Of returns the refusal in err's chain, or a server error that hides err.
func Of(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return ServerError.Because(err)
}

const (
	invalidGrant   = "invalid_grant"
	invalidRequest = "invalid_request"
	interaction    = "interaction_required"
)

// Device binding and token protection.
var (
	// TokenProtectionRequired refuses a session that is not bound to its device.
	TokenProtectionRequired = &Error{Code: 530084, OAuth: invalidGrant,
		Message: "Access has been blocked by a Conditional Access token protection policy.",
		Remedy:  "Sign in through the device broker on a registered device, or exclude the device with a device filter."}
	// BoundTokenUnproven refuses a bound refresh token that is presented without a request signed by its session key.
	BoundTokenUnproven = &Error{Code: 7000018, OAuth: invalidGrant, SubError: "bad_token",
		Message: "The refresh token is bound to a device and was presented without proof of possession.",
		Remedy:  "Redeem the token through the device broker that received it; if this was not you, revoke the user's sessions."}
	// ProofFailed refuses a proof that does not hold. The client hears invalid_grant and nothing else.
	ProofFailed = &Error{Code: 50027, OAuth: invalidGrant, Generic: true,
		Message: "The signed request is not valid.",
		Remedy:  "Take a new nonce and sign the request again; if it fails again, sign in anew on the device."}
	DeviceNotFound = &Error{Code: 700003, OAuth: invalidGrant,
		Message: "The device object was not found in the tenant.",
		Remedy:  "Register the device again."}
	DeviceDisabled = &Error{Code: 135011, OAuth: invalidGrant,
		Message: "The device is disabled.",
		Remedy:  "Enable the device in the directory, or use another device."}
	DeviceAuthenticationFailed = &Error{Code: 50155, OAuth: invalidGrant,
		Message: "Device authentication failed for this user.",
		Remedy:  "Register the device again as this user."}
	DeviceNotCompliant = &Error{Code: 53000, OAuth: interaction,
		Message: "The device is not compliant; Conditional Access requires a compliant device.",
		Remedy:  "Make the device compliant and try again, or sign in from a compliant device."}
	DeviceNotHybridJoined = &Error{Code: 53001, OAuth: interaction,
		Message: "The device is not hybrid joined; Conditional Access requires a hybrid joined device.",
		Remedy:  "Sign in from a hybrid joined device."}
	BlockedByConditionalAccess = &Error{Code: 53003, OAuth: invalidGrant, SubError: "message_only",
		Message: "Access has been blocked by Conditional Access policies.",
		Remedy:  "Read the sign-in log entry for the policy that blocks, and ask its administrator."}
	ControlCannotBeMet = &Error{Code: 53003, OAuth: invalidGrant, SubError: "message_only",
		Message: "Conditional Access requires a control that this server cannot perform.",
		Remedy:  "Remove the control from the policy, or set the policy to report-only."}
	MultiFactorRequired = &Error{Code: 50076, OAuth: interaction, SubError: "basic_action",
		Message: "Multifactor authentication is required to access the resource.",
		Remedy:  "Sign in interactively and complete multifactor authentication."}
	// SignInTooOld refuses a session in which the person proved who they are longer ago than a sign-in frequency allows.
	SignInTooOld = &Error{Code: 70043, OAuth: invalidGrant, SubError: "bad_token",
		Message: "The last sign-in is longer ago than Conditional Access allows (sign-in frequency).",
		Remedy:  "Sign in again."}
	DeviceQuotaReached = &Error{Code: 50131, OAuth: "access_denied", Status: 403,
		Message: "The user has registered as many devices as the organisation allows.",
		Remedy:  "Remove a device that is no longer used, or ask an administrator to raise the quota."}
	RegistrationNotFresh = &Error{Code: 50173, OAuth: invalidGrant, SubError: "bad_token", Status: 403,
		Message: "Registering a device needs a fresh sign-in.",
		Remedy:  "Sign in again with your password or stronger and register within ten minutes."}
	UpgradeRefused = &Error{Code: 70000, OAuth: invalidGrant,
		Message: "The refresh token cannot become a Primary Refresh Token.",
		Remedy:  "Sign in interactively on the device, as the user who registered it, and ask again within ten minutes."}
	KDFVersionRefused = &Error{Code: 50027, OAuth: invalidGrant,
		Message: "The tenant requires key derivation version 2.",
		Remedy:  "Update the client, or let an administrator allow key derivation version 1 for the tenant."}
)

// Users and their credentials. Unknown user and wrong password are one refusal, so that neither can be told.
var (
	InvalidCredentials = &Error{Code: 50126, OAuth: invalidGrant,
		Message: "Error validating credentials due to invalid username or password.",
		Remedy:  "Check the user name and the password, and try again."}
	AccountLocked = &Error{Code: 50053, OAuth: invalidGrant, RetryAfter: 60,
		Message: "The account is locked after too many failed sign-ins.",
		Remedy:  "Wait a minute and try again with the right password; each further wrong one takes longer."}
	AccountDisabled = &Error{Code: 50057, OAuth: invalidGrant,
		Message: "The user account is disabled.",
		Remedy:  "Ask an administrator to enable the account."}
	UserNotInTenant = &Error{Code: 50020, OAuth: invalidGrant,
		Message: "The account does not exist in this tenant.",
		Remedy:  "Sign in to the account's own organisation, or ask to be invited as a guest."}
	PasswordGrantDisabled = &Error{Code: 50176, OAuth: "unauthorized_client",
		Message: "The resource owner password credentials grant is switched off.",
		Remedy:  "Sign in interactively, or let an administrator switch the grant on for the tenant."}
)

// Tokens, codes and sessions.
var (
	InvalidToken = &Error{Code: 70000, OAuth: invalidGrant,
		Message: "The provided grant is not valid.",
		Remedy:  "Sign in again."}
	TokenExpired = &Error{Code: 700082, OAuth: invalidGrant, SubError: "token_expired",
		Message: "The refresh token has expired.",
		Remedy:  "Sign in again."}
	GrantRevoked = &Error{Code: 50173, OAuth: invalidGrant, SubError: "bad_token",
		Message: "The grant was revoked; a fresh sign-in is needed.",
		Remedy:  "Sign in again."}
	TokenReused = &Error{Code: 50173, OAuth: invalidGrant, SubError: "bad_token",
		Message: "The grant was revoked; a fresh sign-in is needed.",
		Remedy:  "The refresh token was used twice, which means that a copy is in use: revoke the user's sessions, find the copy, and sign in again."}
	ClientMismatch = &Error{Code: 70000, OAuth: invalidGrant, SubError: "client_mismatch",
		Message: "The grant was issued to another client.",
		Remedy:  "Redeem the grant with the client that it was issued to."}
)

// Requests, clients and tenants.
var (
	MalformedRequest = &Error{Code: 9002313, OAuth: invalidRequest,
		Message: "The request is malformed.", Remedy: "Send the request as the protocol describes it."}
	MissingParameter = &Error{Code: 900144, OAuth: invalidRequest,
		Message: "A required parameter is missing.", Remedy: "Add the parameter to the request."}
	UnsupportedGrant = &Error{Code: 70003, OAuth: "unsupported_grant_type",
		Message: "The grant type is not supported.", Remedy: "Use a grant type that the discovery document lists."}
	UnknownTenant = &Error{Code: 90002, OAuth: invalidRequest,
		Message: "The tenant was not found.", Remedy: "Check the tenant id or the domain in the address."}
	NoTenant = &Error{Code: 50059, OAuth: invalidRequest,
		Message: "The tenant cannot be determined from the request.", Remedy: "Name the tenant in the address or use a full user name."}
	ConsumersRefused = &Error{Code: 9001023, OAuth: invalidRequest,
		Message: "Personal accounts are not served here.", Remedy: "Use the tenant's own address, or organizations."}
	UnknownClient = &Error{Code: 700016, OAuth: "unauthorized_client",
		Message: "The application was not found in the tenant.", Remedy: "Register the application in the tenant, or correct client_id."}
	UnknownResource = &Error{Code: 500011, OAuth: "invalid_resource",
		Message: "The resource was not found in the tenant.", Remedy: "Register the resource in the tenant, or correct resource or scope."}
	InvalidScope = &Error{Code: 70011, OAuth: "invalid_scope",
		Message: "The scope is not valid.", Remedy: "Ask for scopes of one resource at a time."}
	TooManyRequests = &Error{Code: 50196, OAuth: "temporarily_unavailable", Status: 429, RetryAfter: 10,
		Message: "Too many requests of this kind.", Remedy: "Wait and try again."}
	RequestTooLarge = &Error{Code: 9002313, OAuth: invalidRequest, Status: 413,
		Message: "The request is too large.", Remedy: "Send a smaller request."}
	ServerError = &Error{Code: 90033, OAuth: "server_error", Status: 503,
		Message: "The service is temporarily unavailable.", Remedy: "Read the server's log with the correlation id, mend the cause, and try again."}
)

// The authorization endpoint and its pages.
var (
	SignInNeeded = &Error{Code: 50058, OAuth: "login_required",
		Message: "Nobody is signed in.", Remedy: "Sign in interactively."}
	FreshSignInNeeded = &Error{Code: 70044, OAuth: "login_required",
		Message: "The sign-in is too old for this request.", Remedy: "Sign in again."}
	AccountSelectionNeeded = &Error{Code: 16000, OAuth: interaction,
		Message: "Several accounts are signed in, or none that was asked for.", Remedy: "Choose an account."}
	SecondFactorUnregistered = &Error{Code: 50079, OAuth: interaction, SubError: "basic_action",
		Message: "Multifactor authentication is required, and the user has registered no second factor.",
		Remedy:  "Sign in interactively and register a second factor."}
	SecondFactorWrong = &Error{Code: 500121, OAuth: invalidGrant,
		Message: "Authentication failed during the request for a second factor.",
		Remedy:  "Wait for the next code, check the clock of the device that shows it, and try again."}
	SecondFactorLocked = &Error{Code: 50088, OAuth: invalidGrant, RetryAfter: 600,
		Message: "Too many wrong codes of a second factor.", Remedy: "Wait ten minutes and try again."}
	ConsentNeeded = &Error{Code: 65001, OAuth: interaction, SubError: "consent_required",
		Message: "The user or an administrator has not agreed to the use of the application.",
		Remedy:  "Sign in interactively and agree to what the application asks for."}
	AdminConsentNeeded = &Error{Code: 90094, OAuth: interaction, SubError: "consent_required",
		Message: "An administrator must agree to the use of the application.",
		Remedy:  "Ask an administrator to grant the application what it asks for."}
	ConsentDeclined = &Error{Code: 65004, OAuth: "access_denied",
		Message: "The user declined to agree to the use of the application.", Remedy: "Sign in again and agree, if the application is one that you trust."}
	RedirectURIUnknown = &Error{Code: 50011, OAuth: invalidRequest,
		Message: "The redirect URI of the request is not one that is registered for the application.",
		Remedy:  "Register the redirect URI, exactly as it is sent, with the application."}
	DeviceProofFailed = &Error{Code: 50099, OAuth: invalidGrant,
		Message: "The device's answer to the challenge is not valid.", Remedy: "Try again; if it fails again, register the device anew."}
	HomeNotTrusted = &Error{Code: 530004, OAuth: interaction, SubError: "message_only",
		Message: "The organisation does not accept what the home organisation says of the device or of the sign-in.",
		Remedy:  "Ask an administrator to trust the home organisation in the cross-tenant access settings."}
)

// Authorization codes and device codes.
var (
	CodeRedeemed = &Error{Code: 54005, OAuth: invalidGrant,
		Message: "The code has been redeemed already.", Remedy: "Sign in again; if this was not you, revoke the user's sessions."}
	CodeExpired = &Error{Code: 70008, OAuth: invalidGrant,
		Message: "The authorization code has expired.", Remedy: "Sign in again and redeem the code within a minute."}
	RedirectURIMismatch = &Error{Code: 501461, OAuth: invalidGrant,
		Message: "The redirect URI differs from that of the authorization request.", Remedy: "Send the same redirect_uri in both requests."}
	VerifierMismatch = &Error{Code: 501481, OAuth: invalidGrant,
		Message: "The code verifier does not match the code challenge of the authorization request.", Remedy: "Send the code_verifier that the code_challenge was made of."}
	CrossOriginOnly = &Error{Code: 9002327, OAuth: invalidRequest,
		Message: "Tokens for a single-page application are redeemed by cross-origin requests only.", Remedy: "Redeem the grant from the page that it was issued to."}
	AuthorizationPending = &Error{Code: 70016, OAuth: "authorization_pending",
		Message: "The user has not answered yet.", Remedy: "Ask again after the interval."}
	PollTooFast = &Error{Code: 70016, OAuth: "slow_down",
		Message: "The client asks too often.", Remedy: "Wait five seconds longer between two requests."}
	AuthorizationDeclined = &Error{Code: 70018, OAuth: "authorization_declined",
		Message: "The user has declined the request.", Remedy: "Begin again if this was a mistake."}
	DeviceCodeExpired = &Error{Code: 70020, OAuth: "expired_token",
		Message: "The device code has expired.", Remedy: "Begin again and enter the new code within fifteen minutes."}
	DeviceCodeWrong = &Error{Code: 70000, OAuth: "bad_verification_code",
		Message: "The device code is not one of this server.", Remedy: "Begin again."}
	UserCodeWrong = &Error{Code: 70019, OAuth: invalidRequest,
		Message: "The code is not one that waits for an answer.", Remedy: "Check the code that the device shows, or begin again on the device."}
	BearerInvalid = &Error{Code: 50173, OAuth: "invalid_token", Status: 401,
		Message: "The access token is not valid here, or no longer.", Remedy: "Get a new access token for Microsoft Graph."}
	AssertionInvalid = &Error{Code: 50013, OAuth: invalidGrant,
		Message: "The assertion is not an access token for this application.", Remedy: "Show the access token that the application was called with, before it expires."}
)

// How client applications prove themselves.
var (
	ClientAuthMissing = &Error{Code: 7000218, OAuth: "invalid_client", Status: 401,
		Message: "The request must contain client_assertion or client_secret.", Remedy: "Send the application's secret or an assertion signed by its certificate."}
	ClientSecretWrong = &Error{Code: 7000215, OAuth: "invalid_client", Status: 401,
		Message: "The client secret is wrong.", Remedy: "Send the text of the secret, not its id."}
	ClientSecretExpired = &Error{Code: 7000222, OAuth: "invalid_client", Status: 401,
		Message: "The client secret has expired.", Remedy: "Add a new secret to the application."}
	ClientAssertionInvalid = &Error{Code: 700027, OAuth: "invalid_client", Status: 401,
		Message: "The client assertion is not valid.", Remedy: "Sign the assertion with the key of a registered certificate, name that certificate by x5t or x5t#S256, and make it for this token endpoint."}
	FederatedMismatch = &Error{Code: 700213, OAuth: "invalid_client", Status: 401,
		Message: "No federated identity credential has the assertion's subject and audience.", Remedy: "Make the federated credential's subject and audience those of the assertion."}
	ApplicationDisabled = &Error{Code: 7000112, OAuth: "unauthorized_client",
		Message: "The application is disabled.", Remedy: "Ask an administrator to enable the application."}
)

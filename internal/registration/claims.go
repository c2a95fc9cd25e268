package registration

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/device"
	"boundgate/internal/directory"
)

// The longest claims that are kept, in bytes.
const (
	maxNameBytes    = 256
	maxOSBytes      = 64
	maxVersionBytes = 64
)

// check refuses claims that would do harm where they are shown: too long, or with characters that move or hide others.
// Which system and version they name is not judged here.
func (c Claims) check() error {
	if strings.TrimSpace(c.DisplayName) == "" {
		return aadsts.MissingParameter.Saying("DeviceDisplayName is missing; send the device's name.")
	}
	for _, claim := range []struct {
		member, value string
		limit         int
	}{
		{"DeviceDisplayName", c.DisplayName, maxNameBytes},
		{"DeviceType", c.OS, maxOSBytes},
		{"OSVersion", c.OSVersion, maxVersionBytes},
	} {
		if len(claim.value) > claim.limit {
			return aadsts.MalformedRequest.Saying("%s is longer than %d bytes.", claim.member, claim.limit)
		}
		if !utf8.ValidString(claim.value) || strings.ContainsFunc(claim.value, misleading) {
			return aadsts.MalformedRequest.Saying("%s contains control characters.", claim.member)
		}
	}
	return nil
}

// misleading reports whether r is a control character or changes the direction of the text after it.
func misleading(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

func (c Claims) apply(d *device.Device) {
	d.DisplayName = strings.TrimSpace(c.DisplayName)
	d.OperatingSystem, d.OperatingSystemVersion = strings.TrimSpace(c.OS), strings.TrimSpace(c.OSVersion)
}

// bulkEnrolmentClient is the client that redeems bulk enrolment tokens.
const bulkEnrolmentClient directory.AppID = "b90d5b8f-5503-4153-b545-b31cecfaece2"

// isBulkEnrolment reports whether a device is registered by bulk enrolment rather than by a person: through its client, or
// by one of the accounts behind provisioning packages, package_{guid}@domain. Such registrations are not supported (S24).
func isBulkEnrolment(client directory.AppID, upn string) bool {
	local, _, _ := directory.SplitUPN(upn)
	id, ok := strings.CutPrefix(local, "package_")
	return client == bulkEnrolmentClient || ok && uuid.Validate(id) == nil
}

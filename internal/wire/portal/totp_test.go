package portal_test

import (
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// totpAt is what an authenticator application shows.
func totpAt(t *testing.T, key string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(key, at)
	must(t, err)
	return code
}

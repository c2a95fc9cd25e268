package policy

import (
	"strconv"
	"strings"
)

// maxVersionParts bounds how many numbers of a version are read.
const maxVersionParts = 8

// version is a dotted version. Parts that are not written are 0: 2.0 is 2.0.0, and 1.6.00.1331 is 1.6.0.1331.
type version [maxVersionParts]uint64

// parseVersion reads a dotted version; ok is false for anything else. It also reads the form in which directories record
// that of Windows, "10.0 (17763)".
func parseVersion(s string) (v version, ok bool) {
	s = strings.TrimSpace(s)
	if head, build, found := strings.Cut(s, " ("); found && strings.HasSuffix(build, ")") {
		s = head + "." + strings.TrimSuffix(build, ")")
	}
	parts := strings.Split(s, ".")
	if len(parts) > maxVersionParts {
		return version{}, false
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 63)
		if err != nil {
			return version{}, false
		}
		v[i] = n
	}
	return v, true
}

// below reports whether v comes before o.
func (v version) below(o version) bool {
	for i := range v {
		if v[i] != o[i] {
			return v[i] < o[i]
		}
	}
	return false
}

package brokercli

import (
	"os"
	"strings"
)

// hostVersion returns the release of the running kernel, without the distribution's suffix.
func hostVersion() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	version, _, _ := strings.Cut(strings.TrimSpace(string(text)), "-")
	return version
}

package brokercli

import (
	"runtime"

	"boundgate/internal/broker"
)

// hostOS is what this program can say of the system that it runs on.
func hostOS() broker.OS {
	names := map[string]string{"windows": "Windows", "darwin": "MacOS", "linux": "Linux"}
	name := names[runtime.GOOS]
	if name == "" {
		name = runtime.GOOS
	}
	return broker.OS{Type: name, Version: hostVersion()}
}

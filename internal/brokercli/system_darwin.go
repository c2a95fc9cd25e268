package brokercli

import "syscall"

// hostVersion returns the version of macOS, such as 14.5.
func hostVersion() string {
	version, err := syscall.Sysctl("kern.osproductversion")
	if err != nil {
		return "" // --os-version says it then
	}
	return version
}

//go:build !linux

package brokercli

// hostVersion returns the version of the operating system; where this program cannot read it, --os-version says it.
func hostVersion() string { return "" }

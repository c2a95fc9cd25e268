//go:build !linux && !windows && !darwin

package brokercli

// hostVersion returns nothing: this program cannot read the version here, and --os-version says it.
func hostVersion() string { return "" }

package brokercli

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// hostVersion returns the version of Windows, such as 10.0.22631. The kernel is asked, not GetVersionEx, which tells programs
// the version that they were made for.
func hostVersion() string {
	v := windows.RtlGetVersion()
	return fmt.Sprintf("%d.%d.%d", v.MajorVersion, v.MinorVersion, v.BuildNumber)
}

package policylint

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"boundgate/internal/device"
	"boundgate/internal/devicefilter"
	"boundgate/internal/policy"
)

// filterRules are about device filters.
var filterRules = []rule{
	{"filterExcludesUnregistered", "J-13", Error, true, "Limit the rule to registered devices, by a positive comparison beside the negative one.", lookExcludesUnregistered},
	{"filterIncludesRegisteredOnly", "J-14", Error, true, "Let the rule match unregistered devices too, or exclude devices instead of including them.", protection(lookIncludesRegistered)},
	{"filterIncludesRegisteredOnly", "", Warning, false, "Remove the filter, or see to it that another policy covers unregistered devices.", lookDeviceGrantSkipped},
	{"unsupportedDevicesInScope", "J-15", Warning, false, "Exclude these devices with the filter.", protection(lookUnsupportedDevices)},
	{"selfDeployingNotNamed", "J-16", Info, false, `Where there are such devices, exclude them with device.enrollmentProfileName -eq "the profile's name".`, protection(lookSelfDeploying)},
	{"bulkEnrolmentInScope", "J-16", Info, false, `Where there are such devices, exclude them with device.systemLabels -contains "` + device.LabelBulkEnrolment + `".`, protection(lookBulkEnrolment)},
	{"filterInvalid", "J-17", Error, false, "Correct the rule.", lookInvalidFilter},
	{"groupRuleInFilter", "J-18", Error, false, "Use the properties and operators of device filters.", lookGroupRule},
	{"filterReliesOnAttributes", "J-19", Warning, false, "Compare a label, the profile or the type of the registration instead, or see to it that the devices are managed.", lookAttributes},
}

// A filter is the device filter of a policy.
type filter struct {
	mode  string
	text  string
	rule  devicefilter.Rule
	wrong *devicefilter.SyntaxError // nil for a rule that is read
}

// filterOf returns the filter of a policy; its mode is "" where it has none.
func filterOf(p policy.Policy) filter {
	if p.Conditions.Devices == nil || p.Conditions.Devices.DeviceFilter == nil {
		return filter{}
	}
	f := filter{mode: p.Conditions.Devices.DeviceFilter.Mode, text: p.Conditions.Devices.DeviceFilter.Rule}
	var err error
	f.rule, err = devicefilter.Parse(f.text)
	errors.As(err, &f.wrong)
	return f
}

// reads reports whether the filter has a mode and its rule can be read.
func (f filter) reads(mode string) bool { return f.mode == mode && f.wrong == nil }

// leavesOut reports whether the filter keeps a device out of the policy; nil is an unregistered one. A rule that cannot be
// read keeps nothing out.
func (f filter) leavesOut(d *devicefilter.Device) bool {
	switch {
	case f.reads(policy.FilterExcludes):
		return f.rule.Match(d)
	case f.reads(policy.FilterIncludes):
		return !f.rule.Match(d)
	}
	return false
}

// Rules by which the mended filters tell devices. They are in the part of the language that every dialect has.
const (
	registeredRule   = `device.trustType -eq "AzureAD" -or device.trustType -eq "ServerAD" -or device.trustType -eq "Workplace"`
	unregisteredRule = `device.trustType -ne "AzureAD" -and device.trustType -ne "ServerAD" -and device.trustType -ne "Workplace"`
	// unsupportedRule finds the devices that can be told by label or profile and cannot comply (S24, S26), supportedRule
	// all others.
	unsupportedRule = `(device.systemLabels -contains "CloudPC" -or device.systemLabels -contains "AzureVirtualDesktop" -or ` +
		`device.systemLabels -contains "MicrosoftPowerAutomate" -or device.profileType -eq "SecureVM") -and device.trustType -eq "AzureAD"`
	supportedRule = `(device.systemLabels -notContains "CloudPC" -and device.systemLabels -notContains "AzureVirtualDesktop" -and ` +
		`device.systemLabels -notContains "MicrosoftPowerAutomate" -and device.profileType -ne "SecureVM") -or device.trustType -ne "AzureAD"`
	bulkRule    = `device.systemLabels -contains "` + device.LabelBulkEnrolment + `"`
	notBulkRule = `device.systemLabels -notContains "` + device.LabelBulkEnrolment + `"`
)

// combined returns the mending that puts a further condition beside the filter's rule.
func (f filter) combined(operator, further string) func(*policy.Policy) {
	return func(p *policy.Policy) {
		p.Conditions.Devices = &policy.Devices{DeviceFilter: &policy.Filter{Mode: f.mode, Rule: "(" + f.rule.String() + ") " + operator + " (" + further + ")"}}
	}
}

// alsoOut returns the mending that leaves further devices out of the policy: those that rule finds, and all except those that
// others finds.
func (f filter) alsoOut(rule, others string) func(*policy.Policy) {
	switch f.mode {
	case policy.FilterExcludes:
		return f.combined("-or", rule)
	case policy.FilterIncludes:
		return f.combined("-and", others)
	}
	return func(p *policy.Policy) {
		p.Conditions.Devices = &policy.Devices{DeviceFilter: &policy.Filter{Mode: policy.FilterExcludes, Rule: rule}}
	}
}

// lookExcludesUnregistered finds the filter that opens the policy to whoever has no registered device (decision 21).
func lookExcludesUnregistered(d *draft) []sighting {
	if !d.filter.reads(policy.FilterExcludes) || !d.filter.rule.Match(nil) {
		return nil
	}
	found := at(deviceFilterRule, "The filter excludes every unregistered device: of such a device nothing is known, and a negative comparison with nothing is true.")
	return mendedBy(found, d.filter.combined("-and", registeredRule))
}

func lookIncludesRegistered(d *draft) []sighting {
	if !d.filter.reads(policy.FilterIncludes) || d.filter.rule.Match(nil) {
		return nil
	}
	found := at(deviceFilterRule, "The filter includes no unregistered device: a copied token that is used on one is outside the policy.")
	return mendedBy(found, d.filter.combined("-or", unregisteredRule))
}

// lookDeviceGrantSkipped finds a policy that demands a managed device of registered devices alone.
func lookDeviceGrantSkipped(d *draft) []sighting {
	if d.RequiresTokenProtection() || d.GrantControls == nil || !d.filter.reads(policy.FilterIncludes) || d.filter.rule.Match(nil) ||
		len(common(d.GrantControls.BuiltInControls, managedControls)) == 0 {
		return nil
	}
	return at(deviceFilterRule, "The filter includes no unregistered device, so the policy demands a managed device only of devices that are known.")
}

// A deviceClass is a kind of device whose sessions cannot be bound, as a filter sees it.
type deviceClass struct {
	name string
	seen *devicefilter.Device
}

func joinedDevice(m device.Method) *devicefilter.Device {
	return devicefilter.FromDevice(device.Device{ID: "00000000-0000-4000-8000-00000000d15c", DisplayName: "synthetic", OperatingSystem: "Windows",
		OperatingSystemVersion: "10.0.22631.3593", TrustType: device.Joined, Method: m, Enabled: true})
}

// unsupportedClasses are those of S24 that a label or the profile tells.
var unsupportedClasses = []deviceClass{
	{"Cloud PCs", joinedDevice(device.CloudPC)}, {"Azure Virtual Desktop session hosts", joinedDevice(device.VirtualDesktop)},
	{"Power Automate hosted machines", joinedDevice(device.PowerAutomate)}, {"Azure virtual machines with the sign-in extension", joinedDevice(device.VMExtension)},
}

func lookUnsupportedDevices(d *draft) []sighting {
	if d.filter.wrong != nil {
		return nil
	}
	var names []string
	for _, class := range unsupportedClasses {
		if !d.filter.leavesOut(class.seen) {
			names = append(names, class.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	found := at(deviceFilterPointer(d), "The policy is about devices that are joined in a way that cannot be bound and that would be blocked with code 1003: %s.", strings.Join(names, ", "))
	return mendedBy(found, d.filter.alsoOut(unsupportedRule, supportedRule))
}

// deviceFilterPointer points at the filter, or at where one belongs.
func deviceFilterPointer(d *draft) string {
	if d.filter.mode == "" {
		return "/conditions/devices"
	}
	return deviceFilterRule
}

func lookSelfDeploying(d *draft) []sighting {
	if d.filter.wrong != nil || slices.Contains(d.filter.rule.Properties(), devicefilter.EnrollmentProfileName) {
		return nil
	}
	return at(deviceFilterPointer(d), "Devices that Autopilot deployed by themselves cannot be bound (code 1003), and no label tells them: only the name of their enrolment profile does.")
}

func lookBulkEnrolment(d *draft) []sighting {
	if d.filter.wrong != nil || d.filter.leavesOut(joinedDevice(device.BulkEnrolment)) {
		return nil
	}
	found := at(deviceFilterPointer(d), "Devices from bulk enrolment cannot be bound (code 1003) and are in the policy's scope. They have the label %s here.", device.LabelBulkEnrolment)
	return mendedBy(found, d.filter.alsoOut(bulkRule, notBulkRule))
}

// groupRuleWords are the names and operators of dynamic group rules that filters do not have.
var groupRuleWords = regexp.MustCompile(`(?i)^"?(?:device\.)?-?(deviceTrustType|deviceOSType|deviceOSVersion|deviceManufacturer|deviceModel|deviceManagementAppId|devicePhysicalIds|` +
	`objectId|accountEnabled|deviceCategory|isRooted|managementType|memberOf|match|notMatch|any|all|le|ge)"?$`)

// fromGroupRule reports whether a rule is refused for a word of another language, and which.
func (f filter) fromGroupRule() (word string, yes bool) {
	if f.wrong == nil || f.wrong.Offset+f.wrong.Length > len(f.text) {
		return "", false
	}
	word = strings.TrimSpace(f.text[f.wrong.Offset : f.wrong.Offset+f.wrong.Length])
	return word, groupRuleWords.MatchString(word)
}

func lookInvalidFilter(d *draft) []sighting {
	if _, foreign := d.filter.fromGroupRule(); d.filter.wrong == nil || foreign {
		return nil
	}
	return d.filter.refusal(fmt.Sprintf("The rule cannot be read (line %d, column %d): %s", d.filter.wrong.Line, d.filter.wrong.Column, d.filter.wrong.Message))
}

func lookGroupRule(d *draft) []sighting {
	word, foreign := d.filter.fromGroupRule()
	if !foreign {
		return nil
	}
	return d.filter.refusal(fmt.Sprintf("%q belongs to the rules of dynamic groups (line %d, column %d): %s", word, d.filter.wrong.Line, d.filter.wrong.Column, d.filter.wrong.Message))
}

// refusal is the sighting of a rule that is refused, with the rule that was meant where that can be told.
func (f filter) refusal(message string) []sighting {
	s := sighting{pointer: deviceFilterRule, message: message}
	if f.wrong.Suggestion != "" {
		s.remedy = "Did you mean: " + f.wrong.Suggestion
		s.mend = func(p *policy.Policy) {
			p.Conditions.Devices = &policy.Devices{DeviceFilter: &policy.Filter{Mode: f.mode, Rule: f.wrong.Suggestion}}
		}
	}
	return []sighting{s}
}

func lookAttributes(d *draft) []sighting {
	if d.filter.wrong != nil || !slices.ContainsFunc(d.filter.rule.Properties(), devicefilter.Property.IsExtensionAttribute) {
		return nil
	}
	return at(deviceFilterRule, "Extension attributes are known only of devices that are managed, compliant or hybrid joined; of all others the filter sees nothing there.")
}

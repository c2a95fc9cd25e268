package policy

import (
	"fmt"
	"strings"
)

// A Reason is the rule by which a session was judged; it refines the code.
type Reason string

// The reasons. Those that name a registration type (S24) begin with "registrationType:".
const (
	ReasonBound                 Reason = "bound"
	ReasonProofFailed           Reason = "proofFailed"              // 1005
	ReasonNoProof               Reason = "noProof"                  // 1008: no proof, and nothing known of why
	ReasonClientTooOld          Reason = "clientTooOld"             // 1008
	ReasonBrokerOptionOff       Reason = "brokerOptionOff"          // 1008
	ReasonNotSupported          Reason = "notSupported"             // 1008
	ReasonNoDevice              Reason = "noDevice"                 // 1002
	ReasonOSUnsupported         Reason = "osUnsupported"            // 1006: another operating system
	ReasonOSVersion             Reason = "osVersion"                // 1006: below the minimum, unreadable or unknown
	ReasonCloudPC               Reason = "registrationType:cloudPC" // 1003, and so are all below
	ReasonVirtualDesktop        Reason = "registrationType:virtualDesktop"
	ReasonPowerAutomate         Reason = "registrationType:powerAutomate"
	ReasonSelfDeploying         Reason = "registrationType:selfDeploying"
	ReasonVMExtension           Reason = "registrationType:vmExtension"
	ReasonBulkEnrolment         Reason = "registrationType:bulkEnrollment"
	ReasonTrustTypeUnknown      Reason = "trustTypeUnknown"
	ReasonServerNotHybridJoined Reason = "serverNotHybridJoined"
	ReasonSurfaceHub            Reason = "surfaceHub"
	ReasonTeamsRooms            Reason = "teamsRooms"
	ReasonStaleRegistration     Reason = "staleRegistration"
	ReasonDeviceDisabled        Reason = "deviceDisabled"
)

// An Explanation is a reason in words for people: what is the matter, and what to do about it.
type Explanation struct{ Message, Remedy string }

// A text is a pair of templates. In them {device}, {system}, {application}, {version}, {minimum}, {option}, {why} and
// {profileFilter} stand for the facts; {Device} and {Application} begin a sentence.
type text struct{ message, remedy string }

// texts has the words of every reason.
var texts = map[Reason]text{
	ReasonBound: {"The sign-in session is bound to {device}.", ""},
	ReasonProofFailed: {"The request offered a proof of possession, and it does not hold.",
		"Sign in again on the device. If it happens again, register the device anew; if nobody was at the device, revoke the user's sessions."},
	ReasonNoProof: {"The session belongs to {device}, and {application} offered no proof that it runs there: it does not sign in through the device broker.",
		"Use an application that signs in through the device broker, or update this one."},
	ReasonClientTooOld: {"{Application} states version {version}; token protection needs {minimum} or later.",
		"Update {application} to version {minimum} or later."},
	ReasonBrokerOptionOff: {"The session belongs to {device}, and {application} offered no proof that it runs there: its broker sign-in is an option that is off.",
		"Switch the option on: {option}. Then sign in again."},
	ReasonNotSupported: {"{Application} is not supported under token protection. {why}",
		"Use a supported application, or exclude the people who need this one from the policy."},
	ReasonNoDevice: {"The request comes from no registered device.",
		"Register the device with the organisation, or join it, and sign in with an application that uses the device broker."},
	ReasonOSUnsupported: {"{Device} runs {system}, which token protection does not support.",
		"Sign in from a device with Windows 10 or later, or Windows Server 2019 or later that is hybrid joined."},
	ReasonOSVersion: {"{Device} runs {system}: token protection needs Windows 10 or later, or Windows Server 2019 or later, and a version that can be read.",
		"Update the device's operating system, then sign in again; if the version recorded in the directory is wrong, correct it."},
	ReasonCloudPC: {"{Device} is a Cloud PC deployed by Windows 365 that is joined, a registration that token protection does not support.",
		"Exclude such devices from the policy with the device filter: " + `systemLabels -eq "CloudPC" and trustType -eq "AzureAD"`},
	ReasonVirtualDesktop: {"{Device} is an Azure Virtual Desktop session host that is joined, a registration that token protection does not support.",
		"Exclude such devices from the policy with the device filter: " + `systemLabels -eq "AzureVirtualDesktop" and trustType -eq "AzureAD"`},
	ReasonPowerAutomate: {"{Device} belongs to a hosted machine group of Power Automate that is joined, a registration that token protection does not support.",
		"Exclude such devices from the policy with the device filter: " + `systemLabels -eq "MicrosoftPowerAutomate" and trustType -eq "AzureAD"`},
	ReasonSelfDeploying: {"{Device} was deployed by Windows Autopilot in self-deploying mode, a registration that token protection does not support.",
		"Exclude such devices from the policy with a device filter that names their enrolment profile: {profileFilter}"},
	ReasonVMExtension: {"{Device} is a virtual machine with the sign-in extension enabled, a registration that token protection does not support.",
		"Exclude such devices from the policy with the device filter: " + `profileType -eq "SecureVM" and trustType -eq "AzureAD"`},
	ReasonBulkEnrolment: {"{Device} was registered by bulk enrolment, which token protection does not support.",
		"Register the device by a person's own sign-in, or exclude such devices from the policy with the device filter: " + `systemLabels -contains "BulkEnrollment"`},
	ReasonTrustTypeUnknown: {"{Device} is neither joined nor hybrid joined nor registered.",
		"Register the device again."},
	ReasonServerNotHybridJoined: {"{Device} runs Windows Server and is not hybrid joined.",
		"Join the server to the on-premises directory, synchronise it, and let it complete its hybrid join."},
	ReasonSurfaceHub: {"{Device} is a Surface Hub, which token protection does not support.",
		"Exclude the account or the device from the policy."},
	ReasonTeamsRooms: {"{Device} is a Teams Rooms device, which token protection does not support.",
		"Exclude the account or the device from the policy."},
	ReasonStaleRegistration: {"{Device} was not registered with fresh sign-in credentials.",
		"Remove the device's registration, then register it again within ten minutes of signing in with a password or stronger."},
	ReasonDeviceDisabled: {"{Device} is disabled in the directory.",
		"Enable the device, or use another one."},
}

// Explain says in words why a session was judged as it was. It names the facts of the evidence, which are for people who
// may see the sign-in log; a client whose proof failed is told nothing.
func Explain(why Reason, e Evidence) Explanation {
	t, ok := texts[why]
	if !ok {
		return Explanation{Message: fmt.Sprintf("The sign-in session is not bound (%s).", why), Remedy: "Read the sign-in log entry."}
	}
	facts := strings.NewReplacer(namesOf(e)...)
	return Explanation{Message: strings.TrimSpace(facts.Replace(t.message)), Remedy: facts.Replace(t.remedy)}
}

// namesOf pairs the placeholders with what the evidence has for them.
func namesOf(e Evidence) []string {
	system, profile := "an unknown system", "the profile's name"
	name, nameFirst := "the device", "The device"
	if d := e.Device; d != nil {
		id := either(d.DisplayName, d.ID)
		name, nameFirst = "device "+id, "Device "+id
		system = strings.TrimSpace(either(d.RecordedOS, either(d.OperatingSystem, "an unknown system")) + " " +
			either(e.ClaimedOSVersion, either(d.RecordedOSVersion, either(d.OperatingSystemVersion, "of unknown version"))))
		profile = either(d.EnrollmentProfileName, profile)
	}
	names := []string{"{device}", name, "{Device}", nameFirst, "{system}", system, "{version}", e.AppVersion,
		"{profileFilter}", `enrollmentProfileName -eq "` + strings.NewReplacer("`", "``", `"`, "`\"").Replace(profile) + `"`}
	if app := e.Application; app != nil {
		return append(names, "{application}", app.DisplayName, "{Application}", app.DisplayName, "{minimum}", app.MinimumVersion, "{option}", app.BrokerOption, "{why}", app.Why)
	}
	return append(names, "{application}", "the application", "{Application}", "The application", "{minimum}", "", "{option}", "", "{why}", "")
}

func either(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

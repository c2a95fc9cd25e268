package pages

import (
	"encoding/json"
	"html/template"
	"time"
)

// A Form is what every form of the sign-in pages has: where it goes, what it carries, and what was wrong the last time.
type Form struct {
	Action string
	State  string // sealed
	// Error is the key of a sentence about what was entered; "" for none.
	Error string
	// Application is what the person signs in to; "" where that is not known.
	Application string
	// Cancel offers to go back to the application.
	Cancel bool
}

// A Person is an account as the person sees it.
type Person struct {
	ID           string // object id
	Name         string
	UPN          string
	Organisation string
	SignedIn     bool
}

// Account asks for a user name.
type Account struct {
	Form
	Username string
}

// Picker lets a person choose among accounts of the browser.
type Picker struct {
	Form
	Accounts []Person
}

// Password asks for a password.
type Password struct {
	Form
	Username     string
	StaySignedIn bool
}

// Factor asks for a second factor: a code, a passkey, or either.
type Factor struct {
	Form
	Username string
	Code     bool
	// Passkey holds the options of a WebAuthn challenge; nil where the person has no passkey.
	Passkey json.RawMessage
	// Policy is what asks for the second factor; "" where an application does.
	Policy string
}

// Enrol registers a second factor.
type Enrol struct {
	Form
	Username string
	Policy   string
	QRCode   template.HTML // drawn by this server
	Key      string        // for those who cannot scan
	Passkey  json.RawMessage
}

// A Permission is something that an application asks for: a scope of a resource.
type Permission struct{ Scope, Resource string }

// Words says what the permission allows.
func (p Permission) Words(l Language) string {
	if key := "permission." + p.Scope; l.has(key) {
		return l.Text(key, "resource", p.Resource)
	}
	return l.Text("permission.other", "scope", p.Scope, "resource", p.Resource)
}

// Consent asks whether an application may have what it asks for.
type Consent struct {
	Form
	Username    string
	Resource    string
	Permissions []Permission
	// AdminOnly is true where only an administrator may agree.
	AdminOnly bool
}

// DeviceCode asks for the code that a device shows.
type DeviceCode struct {
	Form
	Code string
}

// DeviceConfirm shows what a device code would approve.
type DeviceConfirm struct {
	Form
	Username    string
	Code        string
	Address     string
	Device      string // as far as it says what it is
	Asked       time.Time
	Permissions []Permission
}

// DeviceDone ends the approval of a device code.
type DeviceDone struct {
	Application string
	Declined    bool
}

// FormPost carries an answer to an application by a form.
type FormPost struct {
	Target string
	Fields []Field
}

// A Field is one of a form.
type Field struct{ Name, Value string }

// SignOut asks whether to sign out, or says that it is done.
type SignOut struct {
	Form
	Accounts []Person
	Done     bool
}

// Refusal says why access is refused and what to do now (B01).
type Refusal struct {
	Form
	Cause   Cause
	Facts   Facts
	Details []Detail
	// SwitchAccount, Retry and Register are addresses of what the person may do now; "" where it is of no use.
	SwitchAccount string
	Retry         string
	// Register leads to the system's own settings: an address that this program has chosen.
	Register template.URL
}

// Facts are what the words of a refusal name.
type Facts struct {
	Application, Resource, Organisation, Home, Device, System, Policy, Minimum, Version, Option, Profile string
}

// A Detail is a line to copy for whoever helps.
type Detail struct{ Key, Value string }

// Me is a person's own account: devices, sign-ins and second factors.
type Me struct {
	Form
	Person  Person
	Devices []Device
	SignIns []SignIn
	Factors []OwnFactor
	// Notice is the key of a sentence about what has just been done; "" for none.
	Notice string
}

// A Device is a person's registered device.
type Device struct {
	ID, Name, System, TrustType string
	Registered, LastActive      time.Time
	Enabled                     bool
}

// A SignIn is one of a person's recent sign-ins.
type SignIn struct {
	ID, Application, Resource, Address, Device, Code string
	At                                               time.Time
	Succeeded, Bound                                 bool
}

// An OwnFactor is a second factor of the person.
type OwnFactor struct {
	ID, Name, Kind string
	Added          time.Time
}

// Report asks whether a sign-in really was not the person's own.
type Report struct {
	Form
	SignIn SignIn
}

// Done says that something has been done, after which the person is signed out.
type Done struct{ Notice string }

func (Done) page() string          { return "done" }
func (Account) page() string       { return "account" }
func (Picker) page() string        { return "picker" }
func (Password) page() string      { return "password" }
func (Factor) page() string        { return "factor" }
func (Enrol) page() string         { return "enrol" }
func (Consent) page() string       { return "consent" }
func (DeviceCode) page() string    { return "devicecode" }
func (DeviceConfirm) page() string { return "deviceconfirm" }
func (DeviceDone) page() string    { return "devicedone" }
func (FormPost) page() string      { return "formpost" }
func (SignOut) page() string       { return "signout" }
func (Refusal) page() string       { return "refusal" }
func (Me) page() string            { return "me" }
func (Report) page() string        { return "report" }

func (r Refusal) title(l Language) string {
	return l.Text("refusal."+string(r.Cause)+".title", r.Facts.pairs(l)...)
}

// Why says what is the matter, in the reader's language.
func (r Refusal) Why(l Language) string {
	return l.Text("refusal."+string(r.Cause)+".why", r.Facts.pairs(l)...)
}

// Steps say what to do now.
func (r Refusal) Steps(l Language) []string {
	return l.List("refusal."+string(r.Cause)+".steps", r.Facts.pairs(l)...)
}

// pairs fills in words of the language for facts that are not known.
func (f Facts) pairs(l Language) []any {
	or := func(value, key string) string {
		if value == "" {
			return l.Text("fact." + key)
		}
		return value
	}
	return []any{
		"application", or(f.Application, "application"), "resource", or(f.Resource, "resource"),
		"organisation", or(f.Organisation, "organisation"), "home", or(f.Home, "home"), "device", or(f.Device, "device"),
		"system", or(f.System, "system"), "policy", or(f.Policy, "policy"), "minimum", or(f.Minimum, "minimum"),
		"version", or(f.Version, "version"), "option", or(f.Option, "option"), "profile", or(f.Profile, "profile"),
	}
}

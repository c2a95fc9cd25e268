package devicefilter

import (
	"fmt"
	"slices"
	"strconv"

	"boundgate/internal/device"
	"boundgate/internal/directory"
)

// A Value is a text property of a device, which may be null. The zero Value is null; null and "" are different values.
type Value struct {
	text    string
	present bool
}

// Text returns the value s, which is not null even where s is empty.
func Text(s string) Value { return Value{text: s, present: true} }

// Known returns the value s, or null where s is empty: for sources that write "nothing known" as "".
func Known(s string) Value { return Value{text: s, present: s != ""} }

// IsNull reports whether nothing is known of the property.
func (v Value) IsNull() bool { return !v.present }

// String returns the text; "" for null.
func (v Value) String() string { return v.text }

// A Device is what a rule can see of a device. The zero Device is an unregistered one: every property is null.
//
// Fill it from the device that the request proves, never from what a request merely says of itself. DisplayName and the
// operating system may still have begun as a device's own claim at registration; a rule that excludes by them trusts
// every device that can be registered.
type Device struct {
	text      [propertyCount]Value // the slots of lists and truth values stay null
	lists     [listCount][]string  // nil: null, which matches as an empty list does
	compliant *bool                // nil: null
}

// The slots of lists.
const (
	physicalIDs = iota
	systemLabels
	listCount
)

// Set gives a property its value: one text, the elements of a list, or "True" or "False". It serves those who do not begin
// with a registered device, such as What-If; see FromDevice. Extension attributes count only of devices that are managed,
// compliant or hybrid joined: do not set them for others.
func (d *Device) Set(p Property, values ...string) error {
	if p >= propertyCount {
		return fmt.Errorf("devicefilter: no property %d", p)
	}
	switch prop := &properties[p]; {
	case prop.kind == listKind:
		d.lists[prop.list] = nonNil(values)
		return nil
	case len(values) != 1:
		return fmt.Errorf("devicefilter: %s takes one value, not %d", p, len(values))
	case prop.kind == boolKind:
		truth, err := strconv.ParseBool(values[0])
		if err != nil {
			return fmt.Errorf("devicefilter: %s is True or False, not %q", p, values[0])
		}
		d.compliant = &truth
		return nil
	}
	d.text[p] = Text(values[0])
	return nil
}

// Compliant reports whether the device is known to be compliant.
func (d *Device) Compliant() bool { return d.compliant != nil && *d.compliant }

// Text returns the value of a text property; null for lists and truth values.
func (d *Device) Text(p Property) Value { return d.text[p] }

// The mobile device management applications whose devices count as managed by Intune.
const (
	intuneAppID       = "0000000a-0000-0000-c000-000000000000"
	coManagementAppID = "54b943f8-d761-4f8d-951e-9cea1846db5a"
)

// FromDevice returns what rules see of a registered device.
//
// A label or profile that the device's registration method implies is seen even where nobody set it, so that every
// unsupported registration type can be named by a filter, bulk enrolment included.
func FromDevice(d device.Device) *Device {
	seen := &Device{
		text: [propertyCount]Value{
			DeviceID:               Known(d.ID),
			DisplayName:            Known(d.DisplayName),
			DeviceOwnership:        Known(d.Ownership),
			EnrollmentProfileName:  Known(d.EnrollmentProfileName),
			Manufacturer:           Known(d.Manufacturer),
			Model:                  Known(d.Model),
			MDMAppID:               Known(d.MDMAppID),
			OperatingSystem:        recorded(d.RecordedOS, d.OperatingSystem),
			OperatingSystemVersion: recorded(d.RecordedOSVersion, d.OperatingSystemVersion),
			ProfileType:            Text(profileType(d)),
			TrustType:              Known(string(d.TrustType)),
		},
		lists:     [listCount][]string{physicalIDs: nonNil(d.PhysicalIDs), systemLabels: labels(d)},
		compliant: d.IsCompliant,
	}
	if attributesAvailable(d) {
		for i, s := range d.ExtensionAttributes {
			seen.text[int(ExtensionAttribute1)+i] = Known(s)
		}
	}
	return seen
}

// FromGuest returns what rules of a resource tenant see of a guest's device, which is registered in the home tenant: all
// of it null unless the resource tenant believes the home tenant's filter attributes, and compliance and hybrid join
// only where it believes those.
func FromGuest(d device.Device, trust directory.InboundTrust) *Device {
	if !trust.FilterAttributes {
		return &Device{}
	}
	if !trust.CompliantDevice {
		d.IsCompliant = nil
	}
	seen := FromDevice(d)
	if !trust.HybridJoined && d.TrustType == device.HybridJoined {
		seen.text[TrustType] = Value{}
	}
	return seen
}

// recorded prefers what the organisation's own directory says over what the device claimed when it joined.
func recorded(record, claim string) Value {
	if record != "" {
		return Text(record)
	}
	return Known(claim)
}

func profileType(d device.Device) string {
	switch {
	case d.ProfileType != "":
		return d.ProfileType
	case d.Method == device.VMExtension:
		return device.ProfileSecureVM
	default:
		return "RegisteredDevice"
	}
}

// methodLabels are the labels that a registration method implies.
var methodLabels = map[device.Method]string{
	device.CloudPC:        device.LabelCloudPC,
	device.VirtualDesktop: device.LabelVirtualDesktop,
	device.PowerAutomate:  device.LabelPowerAutomate,
	device.BulkEnrolment:  device.LabelBulkEnrolment,
}

func labels(d device.Device) []string {
	label, implied := methodLabels[d.Method]
	if !implied || slices.Contains(d.SystemLabels, label) {
		return nonNil(d.SystemLabels)
	}
	return append(slices.Clip(d.SystemLabels), label)
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// attributesAvailable reports whether a device is one of those whose extension attributes are known.
func attributesAvailable(d device.Device) bool {
	return managed(d) || isTrue(d.IsCompliant) || d.TrustType == device.HybridJoined
}

// managed reports whether the device is managed by Intune, alone or together with an on-premises manager. An explicit
// "not managed" outweighs a management application.
func managed(d device.Device) bool {
	if d.IsManaged != nil {
		return *d.IsManaged
	}
	return equalFold(d.MDMAppID, foldLiteral(intuneAppID)) || equalFold(d.MDMAppID, foldLiteral(coManagementAppID))
}

func isTrue(b *bool) bool { return b != nil && *b }

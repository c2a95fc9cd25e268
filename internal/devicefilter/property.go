package devicefilter

import (
	"strconv"
	"strings"
)

// A Property is one of the attributes of a device that a rule may name.
type Property uint8

// The properties, under the names that rules use.
const (
	DeviceID Property = iota
	DisplayName
	DeviceOwnership
	EnrollmentProfileName
	IsCompliant
	Manufacturer
	Model
	MDMAppID
	OperatingSystem
	OperatingSystemVersion
	PhysicalIDs
	ProfileType
	SystemLabels
	TrustType
	ExtensionAttribute1 // the fourteen that follow it are ExtensionAttribute1 + n

	propertyCount = ExtensionAttribute1 + extensionAttributes
)

// extensionAttributes is how many extension attributes a device has.
const extensionAttributes = 15

// String returns the property's name without the prefix, such as "trustType".
func (p Property) String() string { return properties[p].name }

// IsExtensionAttribute reports whether p is one of extensionAttribute1 to extensionAttribute15, which are known only of
// devices that are managed, compliant or hybrid joined.
func (p Property) IsExtensionAttribute() bool { return p >= ExtensionAttribute1 }

// kind is what a property holds, and with it what may be compared with it.
type kind uint8

const (
	textKind kind = iota
	boolKind
	listKind
)

// A property is one row of the table of the language: a name, what it holds, and the operators it has.
type property struct {
	id   Property
	name string
	kind kind
	ops  opSet
	list int // the slot of a list
}

// The operator sets of the documentation. Lists have -eq and -ne besides, in the sense of "has the element": published
// rules are written that way.
const (
	equalityOps = opSet(1<<opEq | 1<<opNe)
	memberOps   = equalityOps | 1<<opIn | 1<<opNotIn
	allOps      = memberOps | 1<<opStartsWith | 1<<opNotStartsWith | 1<<opEndsWith | 1<<opNotEndsWith | listOnlyOps
	listOnlyOps = opSet(1<<opContains | 1<<opNotContains)
	listOps     = equalityOps | listOnlyOps
)

var properties = propertyTable()

func propertyTable() []property {
	table := []property{
		{name: "deviceId", ops: memberOps},
		{name: "displayName", ops: allOps},
		{name: "deviceOwnership", ops: equalityOps},
		{name: "enrollmentProfileName", ops: allOps},
		{name: "isCompliant", kind: boolKind, ops: equalityOps},
		{name: "manufacturer", ops: allOps},
		{name: "model", ops: allOps},
		{name: "mdmAppId", ops: memberOps},
		{name: "operatingSystem", ops: allOps},
		{name: "operatingSystemVersion", ops: allOps},
		{name: "physicalIds", kind: listKind, ops: listOps, list: physicalIDs},
		{name: "profileType", ops: equalityOps},
		{name: "systemLabels", kind: listKind, ops: listOps, list: systemLabels},
		{name: "trustType", ops: equalityOps},
	}
	for n := range extensionAttributes {
		table = append(table, property{name: "extensionAttribute" + strconv.Itoa(n+1), ops: allOps})
	}
	for i := range table {
		table[i].id = Property(i)
	}
	return table
}

var propertiesByName = func() map[string]*property {
	byName := make(map[string]*property, len(properties))
	for i := range properties {
		byName[strings.ToLower(properties[i].name)] = &properties[i]
	}
	return byName
}()

// PropertyNamed returns the property with this name, with or without the prefix and in any case.
func PropertyNamed(name string) (Property, bool) {
	p, ok := propertiesByName[trimPrefix(strings.ToLower(name))]
	if !ok {
		return 0, false
	}
	return p.id, true
}

func trimPrefix(lowerName string) string { return strings.TrimPrefix(lowerName, "device.") }

// groupRuleNames gives the filter's name of what dynamic-group rules call otherwise; "" where a filter has no such
// property.
var groupRuleNames = map[string]string{
	"devicetrusttype":       "trustType",
	"deviceostype":          "operatingSystem",
	"deviceosversion":       "operatingSystemVersion",
	"devicemanufacturer":    "manufacturer",
	"devicemodel":           "model",
	"devicemanagementappid": "mdmAppId",
	"devicephysicalids":     "physicalIds",
	"ownership":             "deviceOwnership", // the name in What-If's deviceInfo
	"objectid":              "",
	"accountenabled":        "",
	"devicecategory":        "",
	"isrooted":              "",
	"managementtype":        "",
	"memberof":              "",
}

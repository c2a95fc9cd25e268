package policyfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"boundgate/internal/policy"
)

// The types of named locations and of their ranges, in Graph's spelling.
const (
	ipType      = "#microsoft.graph.ipNamedLocation"
	countryType = "#microsoft.graph.countryNamedLocation"
	ip4Range    = "#microsoft.graph.iPv4CidrRange"
	ip6Range    = "#microsoft.graph.iPv6CidrRange"
)

// A location is Microsoft Graph's namedLocation.
type location struct {
	Type                              string    `json:"@odata.type"`
	ID                                string    `json:"id,omitempty"`
	DisplayName                       string    `json:"displayName"`
	IsTrusted                         *bool     `json:"isTrusted,omitempty"`
	IPRanges                          []ipRange `json:"ipRanges,omitempty"`
	CountriesAndRegions               []string  `json:"countriesAndRegions,omitempty"`
	IncludeUnknownCountriesAndRegions *bool     `json:"includeUnknownCountriesAndRegions,omitempty"`
	CountryLookupMethod               string    `json:"countryLookupMethod,omitempty"`
}

type ipRange struct {
	Type        string `json:"@odata.type"`
	CIDRAddress string `json:"cidrAddress"`
}

// locationMembers are those that a named location can have; what the server owns among them is passed over.
var locationMembers = []string{"@odata.type", "id", "displayName", "isTrusted", "ipRanges", "countriesAndRegions", "includeUnknownCountriesAndRegions",
	"countryLookupMethod", "createdDateTime", "modifiedDateTime", "deletedDateTime"}

// ParseLocation reads a named location as Graph returns it.
func ParseLocation(data []byte) (policy.NamedLocation, error) {
	var l location
	if err := json.Unmarshal(data, &l); err != nil {
		return policy.NamedLocation{}, fmt.Errorf("read named location: %w", err)
	}
	return l.value(), nil
}

// value returns what l says; ranges that are none are zero, for ValidateLocation to name.
func (l location) value() policy.NamedLocation {
	v := policy.NamedLocation{ID: strings.ToLower(l.ID), DisplayName: l.DisplayName}
	ofCountries := strings.EqualFold(l.Type, countryType) || l.Type == "" && l.CountriesAndRegions != nil
	if ofCountries {
		v.Kind, v.Countries, v.LookUp = policy.CountryLocation, slices.Clone(l.CountriesAndRegions), policy.CountryLookUp(l.CountryLookupMethod)
		for i, c := range v.Countries {
			v.Countries[i] = strings.ToUpper(strings.TrimSpace(c))
		}
		v.IncludeUnknown = l.IncludeUnknownCountriesAndRegions != nil && *l.IncludeUnknownCountriesAndRegions
		if v.LookUp == "" {
			v.LookUp = policy.ByAddress
		}
		return v
	}
	if v.Kind = policy.IPLocation; l.Type != "" && !strings.EqualFold(l.Type, ipType) {
		v.Kind = policy.LocationKind(l.Type)
	}
	v.Trusted = l.IsTrusted != nil && *l.IsTrusted
	for _, r := range l.IPRanges {
		v.Ranges = append(v.Ranges, parseRange(strings.TrimSpace(r.CIDRAddress)))
	}
	return v
}

// parseRange reads a range, or an address alone, which is the range of that address; zero for neither.
func parseRange(text string) netip.Prefix {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		return netip.PrefixFrom(address, address.BitLen())
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix.Masked()
}

// graphLocation is the inverse of value.
func graphLocation(v policy.NamedLocation) location {
	l := location{Type: ipType, ID: v.ID, DisplayName: v.DisplayName}
	if v.Kind == policy.CountryLocation {
		l.Type, l.CountriesAndRegions, l.IncludeUnknownCountriesAndRegions, l.CountryLookupMethod = countryType, v.Countries, &v.IncludeUnknown, string(v.LookUp)
		return l
	}
	l.IsTrusted = &v.Trusted
	for _, r := range v.Ranges {
		each := ipRange{ip4Range, r.String()}
		if r.Addr().Is6() {
			each.Type = ip6Range
		}
		l.IPRanges = append(l.IPRanges, each)
	}
	return l
}

// location returns the named location that a document describes, with what is wrong with it.
func (d Document) location(mapping Mapping) (policy.NamedLocation, []Problem) {
	var problems []Problem
	for _, name := range sortedMembers(d.tree) {
		known := slices.ContainsFunc(locationMembers, func(s string) bool { return strings.EqualFold(s, name) })
		if !known && d.tree[name] != nil && !strings.Contains(name, "@odata.") {
			problems = append(problems, d.problem("/"+escape(name), "Remove the member, or correct its name.", "%s is not supported here.", strconv.Quote(name)))
		}
	}
	data, err := json.Marshal(d.tree)
	if err == nil {
		var l location
		if err = json.Unmarshal(data, &l); err == nil {
			l.DisplayName = mapping.inText(l.DisplayName)
			v := l.value()
			return v, append(problems, d.invalid(policy.ValidateLocation(v))...)
		}
	}
	return policy.NamedLocation{}, append(problems, d.problem("", "Compare it with the documentation of namedLocation.", "This is not the JSON of a named location: %v.", err))
}

// invalid gives the problems of a policy or named location their places.
func (d Document) invalid(err error) []Problem {
	var wrong *policy.InvalidError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &wrong):
		return []Problem{d.problem("", "", "%v", err)}
	}
	var problems []Problem
	for _, p := range wrong.Problems {
		problems = append(problems, d.problem(p.Pointer, p.Remedy, "%s", p.Reason))
	}
	return problems
}

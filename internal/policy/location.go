package policy

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A NamedLocation is a part of the network or of the world that policies name: ranges of addresses, or countries.
type NamedLocation struct {
	ID               string       `json:"id"` // lower-case GUID, given by the server
	DisplayName      string       `json:"displayName"`
	CreatedDateTime  time.Time    `json:"createdDateTime,omitzero"`
	ModifiedDateTime time.Time    `json:"modifiedDateTime,omitzero"`
	Kind             LocationKind `json:"kind"`

	// Ranges and Trusted are those of an IPLocation. What is trusted belongs to AllTrusted.
	Ranges  []netip.Prefix `json:"ranges,omitempty"`
	Trusted bool           `json:"trusted,omitempty"`

	// Countries are those of a CountryLocation, as ISO 3166-1 alpha-2 in upper case; IncludeUnknown adds the addresses of
	// which no country is known.
	Countries      []string `json:"countries,omitempty"`
	IncludeUnknown bool     `json:"includeUnknown,omitempty"`
	// LookUp is how the country is found: ByAddress, or ByGPS, which this server cannot do.
	LookUp CountryLookUp `json:"lookUp,omitempty"`
}

// A LocationKind tells the two kinds of named locations apart.
type LocationKind string

// The kinds of named locations.
const (
	IPLocation      LocationKind = "ip"
	CountryLocation LocationKind = "country"
)

// A CountryLookUp is a way to find a country, in Graph's spelling.
type CountryLookUp string

// The ways to find a country.
const (
	ByAddress CountryLookUp = "clientIpAddress"
	ByGPS     CountryLookUp = "authenticatorAppGps"
)

// Locations that policies can name and that are not named locations of the tenant.
const (
	AllTrusted = "AllTrusted"
	// MFATrustedIPs stands for the trusted addresses of Entra's older multifactor settings; there are none here.
	MFATrustedIPs = "00000000-0000-0000-0000-000000000000"
)

// Limits of a named location.
const (
	maxRanges    = 2000
	maxCountries = 250
)

// ValidateLocation returns nil where l may be stored, and otherwise an *InvalidError that lists every problem. Its pointers
// are those of Graph's namedLocation.
func ValidateLocation(l NamedLocation) error {
	v := &validation{}
	if strings.TrimSpace(l.DisplayName) == "" {
		v.add("/displayName", "Give the location a name.", "A named location needs a name.")
	}
	if len([]rune(l.DisplayName)) > maxDisplayName {
		v.add("/displayName", "Shorten the name.", "The name is longer than %d characters.", maxDisplayName)
	}
	switch l.Kind {
	case IPLocation:
		v.ranges(l.Ranges)
	case CountryLocation:
		v.countries(l)
	default:
		v.add("/@odata.type", "Use #microsoft.graph.ipNamedLocation or #microsoft.graph.countryNamedLocation.", "%q is no kind of named location.", string(l.Kind))
	}
	if len(v.problems) > 0 {
		return &InvalidError{v.problems}
	}
	return nil
}

func (v *validation) ranges(ranges []netip.Prefix) {
	if len(ranges) == 0 {
		v.add("/ipRanges", "Name a range, such as 203.0.113.0/24.", "The location has no range of addresses.")
	}
	if len(ranges) > maxRanges {
		v.add("/ipRanges", "Use several locations.", "The location has more than %d ranges.", maxRanges)
	}
	for i, r := range ranges {
		pointer := "/ipRanges/" + strconv.Itoa(i) + "/cidrAddress"
		switch {
		case !r.IsValid():
			v.add(pointer, "Write it like 203.0.113.0/24 or 2001:db8::/32.", "This is no range of addresses.")
		case r.Bits() < 8 && r.Addr().Is4(), r.Bits() < 3 && r.Addr().Is6():
			v.add(pointer, "Use a smaller range.", "The range %s is too large: it would be most of the Internet.", r)
		}
	}
}

func (v *validation) countries(l NamedLocation) {
	if len(l.Countries) == 0 && !l.IncludeUnknown {
		v.add("/countriesAndRegions", "Name a country by its two letters, such as DE.", "The location has no country.")
	}
	if len(l.Countries) > maxCountries {
		v.add("/countriesAndRegions", "Name each country once.", "The location has more than %d countries.", maxCountries)
		return
	}
	for i, c := range l.Countries {
		if len(c) != 2 || strings.Trim(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			v.add("/countriesAndRegions/"+strconv.Itoa(i), "Use the two letters of ISO 3166-1, such as DE.", "%q is no country.", c)
		}
	}
	oneOf(v, "/countryLookupMethod", l.LookUp, []CountryLookUp{ByAddress, ByGPS})
}

// membership says whether a request comes from a location, as far as it can be told.
type membership uint8

const (
	outside membership = iota
	inside
	nobodyKnows
)

// membershipOf returns the question whether a request comes from the location with an id: a named location, AllTrusted, or
// MFATrustedIPs, which are none.
func membershipOf(id string, known []NamedLocation) isFrom {
	if id == AllTrusted || id == MFATrustedIPs {
		var trusted []netip.Prefix
		for _, l := range known {
			if l.Trusted && id == AllTrusted {
				trusted = append(trusted, l.Ranges...)
			}
		}
		addresses := newAddressSet(trusted)
		return func(address netip.Addr, _ string) membership { return addresses.holds(address) }
	}
	at := slices.IndexFunc(known, func(l NamedLocation) bool { return strings.EqualFold(l.ID, id) })
	l := &known[at]
	if l.Kind == IPLocation {
		addresses := newAddressSet(l.Ranges)
		return func(address netip.Addr, _ string) membership { return addresses.holds(address) }
	}
	return func(_ netip.Addr, country string) membership { return l.holdsCountry(country) }
}

// holdsCountry reports whether a country is in l. Of an address whose country is not known an administrator can say that it
// belongs to l; that of a request whose address cannot be looked up could be any.
func (l *NamedLocation) holdsCountry(country string) membership {
	switch {
	case country == "" || l.LookUp == ByGPS:
		return nobodyKnows
	case country == UnknownCountry && l.IncludeUnknown, slices.Contains(l.Countries, country):
		return inside
	case country == UnknownCountry:
		return nobodyKnows
	}
	return outside
}

// An addressSet is ranges of addresses that do not overlap, in order.
type addressSet []addressRange

type addressRange struct{ first, last netip.Addr }

func newAddressSet(prefixes []netip.Prefix) addressSet {
	ranges := make([]addressRange, 0, len(prefixes))
	for _, p := range prefixes {
		if p = unmapped(p); p.IsValid() {
			ranges = append(ranges, addressRange{p.Masked().Addr(), lastOf(p)})
		}
	}
	slices.SortFunc(ranges, func(a, b addressRange) int { return a.first.Compare(b.first) })
	set := addressSet{}
	for _, r := range ranges {
		if n := len(set); n > 0 && r.first.Compare(set[n-1].last) <= 0 { // prefixes nest or are apart
			if set[n-1].last.Less(r.last) {
				set[n-1].last = r.last
			}
			continue
		}
		set = append(set, r)
	}
	return set
}

// unmapped returns the IPv4 range that an IPv4-mapped IPv6 range stands for.
func unmapped(p netip.Prefix) netip.Prefix {
	const mappedBits = 96
	if p.Addr().Is4In6() && p.Bits() >= mappedBits {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
	}
	return p
}

// lastOf returns the last address of a range.
func lastOf(p netip.Prefix) netip.Addr {
	address := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < len(address)*8; bit++ {
		address[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(address)
	return last
}

func (s addressSet) holds(address netip.Addr) membership {
	if !address.IsValid() {
		return nobodyKnows
	}
	address = address.Unmap().WithZone("")
	after, found := slices.BinarySearchFunc(s, address, func(r addressRange, a netip.Addr) int { return r.first.Compare(a) })
	if found || after > 0 && address.Compare(s[after-1].last) <= 0 {
		return inside
	}
	return outside
}

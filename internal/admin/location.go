package admin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

// A LocationChange is what a client says of a named location. Members that are nil stay as they are; those of a new
// location are empty.
type LocationChange struct {
	Kind           policy.LocationKind // "" for that of the location that is changed
	DisplayName    *string
	Ranges         *[]string // CIDR ranges; an address alone is the range of that address
	Trusted        *bool
	Countries      *[]string
	IncludeUnknown *bool
	LookUp         *policy.CountryLookUp
}

// Locations returns the named locations of the caller's tenant.
func (s *Service) Locations(ctx context.Context, c Caller) ([]policy.NamedLocation, error) {
	if err := Authorize(c, ReadPolicies); err != nil {
		return nil, err
	}
	list, err := s.Store.Locations(ctx, c.Tenant)
	if err != nil {
		return nil, fmt.Errorf("list named locations: %w", err)
	}
	return list, nil
}

// Location returns one named location.
func (s *Service) Location(ctx context.Context, c Caller, id string) (policy.NamedLocation, error) {
	list, err := s.Locations(ctx, c)
	if err != nil {
		return policy.NamedLocation{}, err
	}
	i := slices.IndexFunc(list, func(l policy.NamedLocation) bool { return strings.EqualFold(l.ID, id) })
	if i < 0 {
		return policy.NamedLocation{}, directory.ErrNotFound
	}
	return list[i], nil
}

// CreateLocation creates a named location.
func (s *Service) CreateLocation(ctx context.Context, c Caller, ch LocationChange) (policy.NamedLocation, error) {
	if err := Authorize(c, WritePolicies); err != nil {
		return policy.NamedLocation{}, err
	}
	l, err := ch.apply(policy.NamedLocation{ID: newID(), CreatedDateTime: s.now()})
	if err != nil {
		return policy.NamedLocation{}, err
	}
	return s.storeLocation(ctx, c, "Add named location", nil, l)
}

// UpdateLocation changes a named location. Policies that name it mean the changed one from the next request on (P06).
func (s *Service) UpdateLocation(ctx context.Context, c Caller, id string, ch LocationChange) (policy.NamedLocation, error) {
	defer s.oneAtATime()()
	if err := Authorize(c, WritePolicies); err != nil {
		return policy.NamedLocation{}, err
	}
	before, err := s.Location(ctx, c, id)
	if err != nil {
		return policy.NamedLocation{}, err
	}
	after, err := ch.apply(before)
	if err != nil {
		return policy.NamedLocation{}, err
	}
	after.ModifiedDateTime = s.now()
	return s.storeLocation(ctx, c, "Update named location", before, after)
}

// DeleteLocation removes a named location that no policy names. A trusted one has to be marked as not trusted first:
// policies may mean it without its name.
func (s *Service) DeleteLocation(ctx context.Context, c Caller, id string) error {
	defer s.oneAtATime()()
	if err := Authorize(c, WritePolicies); err != nil {
		return err
	}
	l, err := s.Location(ctx, c, id)
	if err != nil {
		return err
	}
	if l.Trusted {
		return &ConflictError{Message: "A trusted location cannot be deleted.", Next: "Set isTrusted to false first."}
	}
	entry, err := s.entry(c, locationChange("Delete named location", l, l, nil))
	if err != nil {
		return err
	}
	err = s.Store.DeleteLocation(ctx, c.Tenant, l.ID, entry)
	if errors.Is(err, directory.ErrInUse) {
		return &ConflictError{Message: fmt.Sprintf("A policy names the location %q.", l.DisplayName), Next: "Take it out of the policies first."}
	}
	if err != nil {
		return fmt.Errorf("delete named location: %w", err)
	}
	return nil
}

func (s *Service) storeLocation(ctx context.Context, c Caller, activity string, before any, l policy.NamedLocation) (policy.NamedLocation, error) {
	entry, err := s.entry(c, locationChange(activity, l, before, l))
	if err != nil {
		return policy.NamedLocation{}, err
	}
	if err := s.Store.PutLocation(ctx, c.Tenant, l, entry); err != nil {
		return policy.NamedLocation{}, fmt.Errorf("store named location: %w", err)
	}
	return l, nil
}

func locationChange(activity string, l policy.NamedLocation, before, after any) change {
	return change{activity: activity, category: "Policy", targetType: "Policy", targetID: l.ID, targetName: l.DisplayName,
		before: before, after: after}
}

// apply returns the location that the change makes of l, or everything that is wrong with it.
func (ch LocationChange) apply(l policy.NamedLocation) (policy.NamedLocation, error) {
	if ch.Kind != "" && l.Kind != "" && ch.Kind != l.Kind {
		return l, invalid("/@odata.type", "A named location cannot become one of the other kind.", "Create another location.")
	}
	if ch.Kind != "" {
		l.Kind = ch.Kind
	}
	var found problems
	ch.misplaced(l.Kind, &found)
	if ch.Ranges != nil {
		l.Ranges = readRanges(*ch.Ranges, &found)
	}
	if ch.Countries != nil {
		l.Countries = nil
		for _, country := range *ch.Countries {
			if country = strings.ToUpper(country); !slices.Contains(l.Countries, country) {
				l.Countries = append(l.Countries, country)
			}
		}
	}
	take(&l.DisplayName, ch.DisplayName)
	take(&l.Trusted, ch.Trusted)
	take(&l.IncludeUnknown, ch.IncludeUnknown)
	take(&l.LookUp, ch.LookUp)
	if l.Kind == policy.CountryLocation && l.LookUp == "" {
		l.LookUp = policy.ByAddress
	}
	if len(found) > 0 {
		return l, found.err()
	}
	return l, policyProblems(policy.ValidateLocation(l))
}

func take[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// misplaced refuses members of the other kind: a client that marks a country as trusted believes something that is not so.
func (ch LocationChange) misplaced(kind policy.LocationKind, found *problems) {
	refuse := func(given bool, pointer, other string) {
		if given {
			found.add(pointer, "This member belongs to a "+other+".", "Leave it out, or use the other kind of location.")
		}
	}
	switch kind {
	case policy.IPLocation:
		refuse(ch.Countries != nil, "/countriesAndRegions", "countryNamedLocation")
		refuse(ch.IncludeUnknown != nil, "/includeUnknownCountriesAndRegions", "countryNamedLocation")
		refuse(ch.LookUp != nil, "/countryLookupMethod", "countryNamedLocation")
	case policy.CountryLocation:
		refuse(ch.Ranges != nil, "/ipRanges", "ipNamedLocation")
		refuse(ch.Trusted != nil && *ch.Trusted, "/isTrusted", "ipNamedLocation")
	}
}

// readRanges reads CIDR ranges. One whose address has bits below its length is brought to the range that it lies in.
func readRanges(texts []string, found *problems) []netip.Prefix {
	var list []netip.Prefix
	for i, text := range texts {
		r, err := netip.ParsePrefix(strings.TrimSpace(text))
		if address, single := netip.ParseAddr(strings.TrimSpace(text)); err != nil && single == nil && address.Zone() == "" {
			r, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			found.add("/ipRanges/"+strconv.Itoa(i)+"/cidrAddress", fmt.Sprintf("%q is no range of addresses.", clip(text)),
				"Write it like 203.0.113.0/24 or 2001:db8::/32.")
			continue
		}
		if r = r.Masked(); !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	return list
}

// clip shortens text from outside for a message.
func clip(text string) string {
	const most = 60
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// checkLocations finds the named locations of a policy that are not there.
func (s *Service) checkLocations(ctx context.Context, tenant directory.TenantID, l *policy.Locations, found *problems) error {
	if len(l.Named()) == 0 {
		return nil
	}
	known, err := s.Store.Locations(ctx, tenant)
	if err != nil {
		return fmt.Errorf("list named locations: %w", err)
	}
	for _, list := range []struct {
		member string
		ids    []string
	}{{"includeLocations", l.IncludeLocations}, {"excludeLocations", l.ExcludeLocations}} {
		for i, id := range list.ids {
			there := slices.ContainsFunc(known, func(k policy.NamedLocation) bool { return strings.EqualFold(k.ID, id) })
			if slices.Contains(l.Named(), id) && !there {
				found.add(fmt.Sprintf("/conditions/locations/%s/%d", list.member, i),
					fmt.Sprintf("There is no named location with the id %s in this tenant.", id), "Correct the id, or create the location first.")
			}
		}
	}
	return nil
}

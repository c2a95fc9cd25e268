package graph

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"

	"boundgate/internal/admin"
	"boundgate/internal/policy"
)

const locationsFragment = "identity/conditionalAccess/namedLocations"

// The types of named locations, as @odata.type spells them.
var locationTypes = map[string]policy.LocationKind{
	"#microsoft.graph.ipNamedLocation":      policy.IPLocation,
	"#microsoft.graph.countryNamedLocation": policy.CountryLocation,
}

func locationMembers(l policy.NamedLocation) members {
	m := members{"id": l.ID, "displayName": l.DisplayName, "createdDateTime": policyStamp(l.CreatedDateTime),
		"modifiedDateTime": policyStamp(l.ModifiedDateTime)}
	if l.Kind == policy.CountryLocation {
		m["@odata.type"] = "#microsoft.graph.countryNamedLocation"
		m["countriesAndRegions"] = list(l.Countries)
		m["includeUnknownCountriesAndRegions"] = l.IncludeUnknown
		m["countryLookupMethod"] = l.LookUp
		return m
	}
	ranges := []members{}
	for _, r := range l.Ranges {
		ranges = append(ranges, rangeMembers(r))
	}
	m["@odata.type"], m["isTrusted"], m["ipRanges"] = "#microsoft.graph.ipNamedLocation", l.Trusted, ranges
	return m
}

func rangeMembers(r netip.Prefix) members {
	kind := "#microsoft.graph.iPv6CidrRange"
	if r.Addr().Is4() {
		kind = "#microsoft.graph.iPv4CidrRange"
	}
	return members{"@odata.type": kind, "cidrAddress": r.String()}
}

// locations lists the named locations, those of one kind where it is given: the cast segment of the URL.
func (h *handler) locations(kind policy.LocationKind) func(*request) error {
	return func(q *request) error {
		all, err := h.Admin.Locations(q.Context(), q.caller)
		if err != nil {
			return err
		}
		value := []members{}
		for _, l := range all {
			if kind == "" || l.Kind == kind {
				value = append(value, locationMembers(l))
			}
		}
		return q.filtered(locationsFragment, value, "id", "displayName", "isTrusted")
	}
}

func (h *handler) location(q *request) error {
	l, err := h.Admin.Location(q.Context(), q.caller, q.vars["id"])
	if err != nil {
		return err
	}
	return q.entity(http.StatusOK, locationsFragment, locationMembers(l))
}

func (h *handler) createLocation(q *request) error {
	ch, err := q.locationChange()
	if err != nil {
		return err
	}
	l, err := h.Admin.CreateLocation(q.Context(), q.caller, ch)
	if err != nil {
		return err
	}
	return q.created(locationsFragment, "/"+locationsFragment+"/"+l.ID, locationMembers(l))
}

func (h *handler) updateLocation(q *request) error {
	ch, err := q.locationChange()
	if err != nil {
		return err
	}
	if _, err := h.Admin.UpdateLocation(q.Context(), q.caller, q.vars["id"], ch); err != nil {
		return err
	}
	return q.noContent()
}

func (h *handler) deleteLocation(q *request) error {
	if err := h.Admin.DeleteLocation(q.Context(), q.caller, q.vars["id"]); err != nil {
		return err
	}
	return q.noContent()
}

// A locationBody is a named location as clients send it. What is the server's own (the id, the times) is read and left
// alone: exports of other tenants have it.
type locationBody struct {
	ID          optional[string] `json:"id"`
	Created     optional[string] `json:"createdDateTime"`
	Modified    optional[string] `json:"modifiedDateTime"`
	Deleted     optional[string] `json:"deletedDateTime"`
	DisplayName *string          `json:"displayName"`
	Trusted     *bool            `json:"isTrusted"`
	Ranges      *[]struct {
		Address string `json:"cidrAddress"`
	} `json:"ipRanges"`
	Countries      *[]string                      `json:"countriesAndRegions"`
	IncludeUnknown *bool                          `json:"includeUnknownCountriesAndRegions"`
	LookUp         optional[policy.CountryLookUp] `json:"countryLookupMethod"`
}

// locationChange reads the body. Its @odata.type says which kind of location is meant; a change may leave it out.
func (q *request) locationChange() (admin.LocationChange, error) {
	none := admin.LocationChange{}
	data, err := q.body()
	if err != nil {
		return none, err
	}
	var body locationBody
	if err := decode(data, &body); err != nil {
		return none, err
	}
	kind, err := locationKind(data)
	if err != nil {
		return none, err
	}
	ch := admin.LocationChange{Kind: kind, DisplayName: body.DisplayName, Trusted: body.Trusted, Countries: body.Countries,
		IncludeUnknown: body.IncludeUnknown, LookUp: body.LookUp.value}
	if body.Ranges != nil {
		ranges := []string{}
		for _, r := range *body.Ranges {
			ranges = append(ranges, r.Address)
		}
		ch.Ranges = &ranges
	}
	return ch, nil
}

// locationKind reads the @odata.type of a body that is known to be an object; "" where there is none.
func locationKind(data []byte) (policy.LocationKind, error) {
	var annotation struct {
		Type *string `json:"@odata.type"`
	}
	if err := json.Unmarshal(data, &annotation); err != nil {
		return "", wrongType(err)
	}
	if annotation.Type == nil {
		return "", nil
	}
	for name, kind := range locationTypes {
		if strings.EqualFold(strings.TrimPrefix(*annotation.Type, "#"), name[1:]) {
			return kind, nil
		}
	}
	e := badRequest("%q is no kind of named location.", *annotation.Type)
	e.remedy = "Use #microsoft.graph.ipNamedLocation or #microsoft.graph.countryNamedLocation."
	return "", e
}

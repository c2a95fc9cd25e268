package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// A namedLocation is a named location as Graph shows it.
type namedLocation struct {
	Type        string `json:"@odata.type"`
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	Trusted     bool   `json:"isTrusted"`
	Ranges      []struct {
		Address string `json:"cidrAddress"`
	} `json:"ipRanges"`
	Countries      []string `json:"countriesAndRegions"`
	IncludeUnknown bool     `json:"includeUnknownCountriesAndRegions"`
}

// covers says what the location is, in a line.
func (l namedLocation) covers() string {
	parts := append([]string{}, l.Countries...)
	for _, r := range l.Ranges {
		parts = append(parts, r.Address)
	}
	if l.IncludeUnknown {
		parts = append(parts, "unknown countries")
	}
	return strings.Join(parts, ", ")
}

func (a *app) locationCommands() *cobra.Command {
	cmd := group("location", "Named locations, which policies name", `  boundgate location create Office --range 203.0.113.0/24 --trusted
  boundgate location list`)
	cmd.AddCommand(a.locationList(), a.locationCreate(), a.locationUpdate(), a.locationDelete())
	return cmd
}

func (a *app) locationList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List named locations", Example: "  boundgate location list", Args: arguments(),
		RunE: a.run(func(ctx context.Context, c *client, _ []string) error {
			raw, err := list[json.RawMessage](ctx, c, locationsPath)
			if err != nil {
				return err
			}
			t := table{header: []string{"LOCATION", "TRUSTED", "COVERS", "ID"}}
			for _, each := range raw {
				var l namedLocation
				if err := json.Unmarshal(each, &l); err != nil {
					return failure("check that the server has this program's version", "the server's named location cannot be read: %v", err)
				}
				t.add(l.DisplayName, yesNo(l.Trusted), l.covers(), l.ID)
			}
			return a.show(raw, t)
		}),
	}
}

// locationFlags are what create and update say of a location.
type locationFlags struct {
	ranges, countries []string
	trusted, unknown  bool
	name              string
}

func (f *locationFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.ranges, "range", nil, "range of addresses, such as 203.0.113.0/24; repeat it for several")
	cmd.Flags().StringArrayVar(&f.countries, "country", nil, "country by its two letters, such as JP; repeat it for several")
	cmd.Flags().BoolVar(&f.trusted, "trusted", false, "the ranges are trusted: they belong to AllTrusted")
	cmd.Flags().BoolVar(&f.unknown, "include-unknown", false, "with --country: also the addresses of which no country is known")
}

// body is what the flags that were given say.
func (f *locationFlags) body(cmd *cobra.Command) map[string]any {
	body := map[string]any{}
	given := func(flag string) bool { return cmd.Flags().Changed(flag) }
	if given("range") {
		ranges := []map[string]string{}
		for _, r := range f.ranges {
			kind := "#microsoft.graph.iPv4CidrRange"
			if strings.Contains(r, ":") {
				kind = "#microsoft.graph.iPv6CidrRange"
			}
			ranges = append(ranges, map[string]string{"@odata.type": kind, "cidrAddress": r})
		}
		body["ipRanges"] = ranges
	}
	if given("country") {
		body["countriesAndRegions"] = f.countries
	}
	if given("trusted") {
		body["isTrusted"] = f.trusted
	}
	if given("include-unknown") {
		body["includeUnknownCountriesAndRegions"] = f.unknown
	}
	return body
}

func (a *app) locationCreate() *cobra.Command {
	var f locationFlags
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a named location of address ranges or of countries", Args: arguments("NAME"),
		Example: "  boundgate location create Office --range 203.0.113.0/24 --range 2001:db8::/32 --trusted\n  boundgate location create Home --country JP",
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, args []string) error {
		if (len(f.ranges) == 0) == (len(f.countries) == 0 && !f.unknown) {
			return Usage(cmd, "give --range or --country, and not both")
		}
		body := f.body(cmd)
		body["displayName"], body["@odata.type"] = args[0], "#microsoft.graph.ipNamedLocation"
		if len(f.ranges) == 0 {
			body["@odata.type"] = "#microsoft.graph.countryNamedLocation"
		}
		var raw json.RawMessage
		if err := c.graph(ctx, http.MethodPost, locationsPath, body, &raw); err != nil {
			return err
		}
		var l namedLocation
		if err := json.Unmarshal(raw, &l); err != nil {
			return failure("check that the server has this program's version", "the server's named location cannot be read: %v", err)
		}
		return a.fields(raw, "Location", l.DisplayName, "Covers", l.covers(), "Trusted", yesNo(l.Trusted), "Id", l.ID)
	})
	f.add(cmd)
	return cmd
}

func (a *app) locationUpdate() *cobra.Command {
	var f locationFlags
	cmd := &cobra.Command{
		Use: "update LOCATION", Short: "Change a named location; what policies say with it changes with it", Args: arguments("LOCATION"),
		Example: "  boundgate location update Office --range 203.0.113.0/24 --range 198.51.100.0/24\n  boundgate location update Office --trusted=false",
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, args []string) error {
		body := f.body(cmd)
		if f.name != "" {
			body["displayName"] = f.name
		}
		if len(body) == 0 {
			return Usage(cmd, "nothing is to be changed")
		}
		id, err := idOf(ctx, c, locationsPath, "named location", args[0])
		if err != nil {
			return err
		}
		if err := c.graph(ctx, http.MethodPatch, locationsPath+path(id), body, nil); err != nil {
			return err
		}
		a.say("%s: changed", args[0])
		return nil
	})
	f.add(cmd)
	cmd.Flags().StringVar(&f.name, "name", "", "another name")
	return cmd
}

func (a *app) locationDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete LOCATION", Short: "Delete a named location that is not trusted and that no policy names", Args: arguments("LOCATION"),
		Example: "  boundgate location delete Office",
		RunE: a.run(func(ctx context.Context, c *client, args []string) error {
			id, err := idOf(ctx, c, locationsPath, "named location", args[0])
			if err != nil {
				return err
			}
			if err := c.graph(ctx, http.MethodDelete, locationsPath+path(id), nil, nil); err != nil {
				return err
			}
			a.say("%s: deleted", args[0])
			return nil
		}),
	}
}

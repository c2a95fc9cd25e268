package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"boundgate/internal/directory"
)

// The domains of the story's two organisations.
const (
	HomeDomain    = "contoso.example"
	PartnerDomain = "fabrikam.example"
)

// A Cast is the story's two organisations as the set-up made them: ids, people with their passwords, and the policy.
type Cast struct {
	Contoso, Fabrikam Organisation
	Policy            string // id of the token protection policy in Contoso
}

// An Organisation is a tenant of the story.
type Organisation struct {
	Tenant    string
	Workspace string
	Domain    string
	Admin     *administrator
	People    map[string]person // by first name
	ids       map[string]string // object ids, by first name and group name
}

// AdminCredentials returns the name and password of the organisation's administrator.
func (o Organisation) AdminCredentials() (name, password string) {
	return o.Admin.name, o.Admin.password
}

// The people of the story. Those of the pilot are in its group; Bob is there through a nested group.
var (
	contosoPeople  = []string{"alice", "bob", "carol", "dora", "erin"}
	fabrikamPeople = []string{"gina", "hugo"}
)

// Setup makes the two organisations on a server whose first administrator is given: people, groups, guests, licences, and a
// report-only token protection policy for a pilot group that leaves the break-glass account out.
func Setup(ctx context.Context, w World, adminName, adminPassword string) (*Cast, error) {
	c := &Cast{Contoso: Organisation{
		Domain: HomeDomain, Admin: w.administrator(person{adminName, adminPassword}), People: map[string]person{}, ids: map[string]string{},
	}}
	for _, step := range []func(context.Context, World) error{
		c.setupContoso, c.setupFabrikam, c.setupGuests, c.setupGroups, c.setupPolicy,
	} {
		if err := step(ctx, w); err != nil {
			return nil, fmt.Errorf("set up the organisations: %w", err)
		}
	}
	return c, nil
}

func (c *Cast) setupContoso(ctx context.Context, _ World) error {
	if err := c.Contoso.identify(ctx); err != nil {
		return err
	}
	var me struct {
		ID string `json:"id"`
	}
	if err := c.Contoso.Admin.graph(ctx, http.MethodGet, "/me", nil, &me); err != nil {
		return err
	}
	c.Contoso.ids["admin"] = me.ID
	return c.Contoso.addPeople(ctx, contosoPeople)
}

func (c *Cast) setupFabrikam(ctx context.Context, w World) error {
	boss := person{"admin@" + PartnerDomain, rand.Text()}
	body := map[string]any{
		"displayName": "Fabrikam", "domain": PartnerDomain,
		"administrator": map[string]any{
			"userPrincipalName": boss.name, "displayName": "Fabrikam Administrator",
			"passwordProfile": map[string]any{"password": boss.password},
		},
	}
	if err := c.Contoso.Admin.graph(ctx, http.MethodPost, "/boundgate/tenants", body, nil); err != nil {
		return err
	}
	c.Fabrikam = Organisation{Domain: PartnerDomain, Admin: w.administrator(boss), People: map[string]person{}, ids: map[string]string{}}
	if err := c.Fabrikam.identify(ctx); err != nil {
		return err
	}
	licence := map[string]any{"skuPartNumber": directory.SKUPartNumberP1, "prepaidUnits": map[string]any{"enabled": 25}}
	if err := c.Fabrikam.Admin.graph(ctx, http.MethodPost, "/subscribedSkus", licence, nil); err != nil {
		return err
	}
	return c.Fabrikam.addPeople(ctx, fabrikamPeople)
}

// identify learns the ids of the administrator's own tenant.
func (o *Organisation) identify(ctx context.Context) error {
	var reply struct {
		Value []struct {
			ID        string `json:"id"`
			Workspace string `json:"workspaceId"`
		} `json:"value"`
	}
	if err := o.Admin.graph(ctx, http.MethodGet, "/organization", nil, &reply); err != nil {
		return err
	}
	if len(reply.Value) != 1 {
		return fmt.Errorf("the server names %d organisations", len(reply.Value))
	}
	o.Tenant, o.Workspace = reply.Value[0].ID, reply.Value[0].Workspace
	return nil
}

func (o *Organisation) addPeople(ctx context.Context, names []string) error {
	for _, name := range names {
		p := person{name + "@" + o.Domain, rand.Text()}
		id, err := o.create(ctx, "/users", map[string]any{
			"userPrincipalName": p.name, "displayName": title(name), "accountEnabled": true,
			"passwordProfile": map[string]any{"password": p.password},
		})
		if err != nil {
			return err
		}
		o.People[name], o.ids[name] = p, id
	}
	return nil
}

// setupGuests makes Fabrikam's people guests of Contoso.
func (c *Cast) setupGuests(ctx context.Context, _ World) error {
	for _, name := range fabrikamPeople {
		id, err := c.Contoso.create(ctx, "/users", map[string]any{
			"userPrincipalName": name + "_fabrikam.example#EXT#@" + HomeDomain, "displayName": title(name) + " (Fabrikam)",
			"accountEnabled": true, "userType": "Guest",
			"homeTenantId": c.Fabrikam.Tenant, "homeUserId": c.Fabrikam.ids[name],
		})
		if err != nil {
			return err
		}
		c.Contoso.ids[name] = id
	}
	return nil
}

func (c *Cast) setupGroups(ctx context.Context, _ World) error {
	members := map[string][]string{
		"Pilot engineering":      {"bob", "dora"},
		"Token protection pilot": {"alice", "carol", "erin", "gina", "hugo", "Pilot engineering"},
		"Emergency access":       {"admin"},
	}
	for _, group := range []string{"Pilot engineering", "Token protection pilot", "Emergency access"} {
		id, err := c.Contoso.create(ctx, "/groups", map[string]any{"displayName": group})
		if err != nil {
			return err
		}
		c.Contoso.ids[group] = id
		for _, member := range members[group] {
			ref := map[string]any{"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" + c.Contoso.ids[member]}
			if err := c.Contoso.Admin.graph(ctx, http.MethodPost, "/groups/"+id+"/members/$ref", ref, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// setupPolicy makes the policy of the source's procedure, report-only.
func (c *Cast) setupPolicy(ctx context.Context, _ World) error {
	id, err := c.Contoso.create(ctx, "/identity/conditionalAccess/policies", map[string]any{
		"displayName": "TP01 - Token protection - Windows native apps",
		"state":       "enabledForReportingButNotEnforced",
		"conditions": map[string]any{
			"users": map[string]any{
				"includeGroups": []string{c.Contoso.ids["Token protection pilot"]},
				"excludeGroups": []string{c.Contoso.ids["Emergency access"]},
			},
			"applications": map[string]any{"includeApplications": []directory.AppID{
				directory.ExchangeOnline, directory.SharePointOnline, directory.TeamsServices,
			}},
			"platforms":      map[string]any{"includePlatforms": []string{"windows"}},
			"clientAppTypes": []string{"mobileAppsAndDesktopClients"},
		},
		"sessionControls": map[string]any{"secureSignInSession": map[string]any{"isEnabled": true}},
	})
	c.Policy = id
	return err
}

// create posts an object and returns its id.
func (o *Organisation) create(ctx context.Context, path string, body any) (string, error) {
	var reply struct {
		ID string `json:"id"`
	}
	err := o.Admin.graph(ctx, http.MethodPost, path, body, &reply)
	if err != nil {
		err = fmt.Errorf("create in %s: %w", path, err)
	}
	return reply.ID, err
}

// markDevice sets what an administrator decides of a device.
func (o *Organisation) markDevice(ctx context.Context, deviceID string, attributes map[string]any) error {
	return o.Admin.graph(ctx, http.MethodPatch, "/devices(deviceId='"+url.PathEscape(deviceID)+"')", attributes, nil)
}

func (c *Cast) patchPolicy(ctx context.Context, change map[string]any) error {
	return c.Contoso.Admin.graph(ctx, http.MethodPatch, "/identity/conditionalAccess/policies/"+c.Policy, change, nil)
}

func title(name string) string { return string(name[0]-'a'+'A') + name[1:] }

func codeText(code int) string { return strconv.Itoa(code) }

package cli

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

// A warning is what the server says beside a result.
type warning struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	Remedy   string `json:"remedy"`
	Target   string `json:"target"`
}

// annotated is what any answer may carry beside its object.
type annotated struct {
	Warnings []warning `json:"@boundgate.warnings,omitempty"`
}

type organization struct {
	ID          string         `json:"id"`
	DisplayName string         `json:"displayName"`
	Workspace   string         `json:"workspaceId"`
	Domains     []domain       `json:"verifiedDomains"`
	Settings    map[string]any `json:"settings"`
}

type domain struct {
	Name      string `json:"name"`
	IsInitial bool   `json:"isInitial"`
}

// object is any directory object of which only the name matters.
type object struct {
	Type        string `json:"@odata.type,omitempty"`
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	UPN         string `json:"userPrincipalName,omitempty"`
}

type user struct {
	ID              string    `json:"id"`
	UPN             string    `json:"userPrincipalName"`
	DisplayName     string    `json:"displayName"`
	Enabled         bool      `json:"accountEnabled"`
	Type            string    `json:"userType"`
	EmergencyAccess bool      `json:"emergencyAccess"`
	Created         time.Time `json:"createdDateTime"`
	HomeTenant      string    `json:"homeTenantId,omitempty"`
	PasswordProfile *struct {
		Password string `json:"password,omitempty"`
	} `json:"passwordProfile,omitempty"`
}

// path makes a path of escaped segments.
func path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}

// quoted writes an OData string literal.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// filtered adds a $filter to a path.
func filtered(path, filter string) string {
	if filter == "" {
		return path
	}
	return path + "?" + url.Values{"$filter": {filter}}.Encode()
}

func isGUID(s string) bool {
	_, err := uuid.Parse(s)
	return err == nil && len(s) == 36
}

// idOf returns the object id that a GUID or a display name stands for in a collection.
func idOf(ctx context.Context, c *client, collection, kind, key string) (string, error) {
	if isGUID(key) {
		return key, nil
	}
	found, err := list[object](ctx, c, filtered(collection, "displayName eq "+quoted(key)))
	if err != nil {
		return "", err
	}
	switch len(found) {
	case 0:
		return "", failure(fmt.Sprintf("run \"boundgate %s list\"", kind), "there is no %s named %q", kind, key)
	case 1:
		return found[0].ID, nil
	}
	return "", failure("name it by its id", "%d objects of kind %s are named %q", len(found), kind, key)
}

// userID returns the object id of a user who is named by id or user principal name.
func userID(ctx context.Context, c *client, key string) (string, error) {
	if isGUID(key) {
		return key, nil
	}
	var u user
	err := c.get(ctx, path("users", key), &u)
	return u.ID, err
}

// run makes a command's RunE from a function that works with a connected client.
func (a *app) run(f func(ctx context.Context, c *client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.connect()
		if err != nil {
			return err
		}
		return f(cmd.Context(), c, args)
	}
}

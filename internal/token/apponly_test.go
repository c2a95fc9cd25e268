package token

import (
	"slices"
	"testing"
	"time"

	"boundgate/internal/directory"
)

// An application's own token says that it is one and what it may do, and nothing of a person; a person's token carries no
// roles, whatever its subject says.
func TestTokensOfApplicationsAndOfPeople(t *testing.T) {
	issuer := newIssuer(t, memory{})
	v := &Verifier{Issuer: issuer, Now: func() time.Time { return at }}
	for _, tt := range []struct {
		name    string
		appOnly bool
		auth    ClientAuth
		roles   []string
		present []string
		absent  []string
	}{
		{"an application with a secret", true, ClientSecret, []string{"User.Read.All"}, []string{"idtyp", "roles"}, []string{"upn", "name", "preferred_username", "scp"}},
		{"a person", false, ClientPublic, nil, []string{"upn", "name", "preferred_username", "scp", "xms_cc"}, []string{"idtyp", "roles"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := subject()
			s.AppOnly, s.ClientAuth, s.Roles, s.Capabilities = tt.appOnly, tt.auth, []string{"User.Read.All"}, []string{"cp1"}
			text, _, err := issuer.AccessToken(V2, s, Audience{Resource: resource(t, directory.MicrosoftGraph), Scopes: []string{"User.Read"}}, at)
			if err != nil {
				t.Fatal(err)
			}
			got := claimsIn(t, text)
			for _, name := range tt.present {
				if got[name] == nil {
					t.Errorf("there is no %s in %v", name, got)
				}
			}
			for _, name := range tt.absent {
				if got[name] != nil {
					t.Errorf("%s is %v, want none", name, got[name])
				}
			}
			if got["azpacr"] != string(tt.auth) || got["sub"] != got["oid"] || got["oid"] != string(s.User) {
				t.Errorf("azpacr %v, sub %v, oid %v", got["azpacr"], got["sub"], got["oid"])
			}
			c, err := v.VerifyAccessToken(t.Context(), text, directory.MicrosoftGraph)
			if err != nil || c.AppOnly != tt.appOnly || !slices.Equal(c.Roles, tt.roles) || !slices.Equal(c.Capabilities, []string{"cp1"}) {
				t.Errorf("VerifyAccessToken = %+v, %v", c, err)
			}
		})
	}
}

package session

import (
	"time"

	"boundgate/internal/directory"
	"boundgate/internal/prt"
)

// A Browser is the record of one account that is signed in in a browser. The browser holds one cookie for all of them.
// It says who the person is and how that was proven, and never that a device was: single sign-on by a Primary Refresh
// Token leaves no such record.
type Browser struct {
	Hash prt.Hash `json:"-"` // of the cookie's text
	// Tenant is the home tenant of User.
	Tenant  directory.TenantID
	User    directory.ObjectID
	Session string // GUID of the sign-in
	Origin  Origin
	// Interaction is the id of the visit to the sign-in pages in which the person last proved who they are: in that visit,
	// and in no later one, the sign-in is fresh.
	Interaction string
	Persistent  bool // "stay signed in"
	IssuedAt    time.Time
	ExpiresAt   time.Time
	RevokedAt   time.Time // zero while signed in
}

// Lifetimes of browser sessions.
const (
	BrowserLifetime           = 24 * time.Hour
	PersistentBrowserLifetime = 90 * 24 * time.Hour
)

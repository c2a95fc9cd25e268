// Package audit is the directory audit row: who changed what, when, from what to what.
//
// A change and its row share a transaction; there is no change without a row.
package audit

import (
	"encoding/json"
	"time"

	"boundgate/internal/directory"
)

// An Actor is who makes a change: a signed-in administrator, or the service itself.
type Actor struct {
	Tenant        directory.TenantID `json:"tenantId,omitempty"`
	User          directory.ObjectID `json:"userId,omitempty"`
	UPN           string             `json:"userPrincipalName,omitempty"`
	App           directory.AppID    `json:"appId,omitempty"`
	IPAddress     string             `json:"ipAddress,omitempty"`
	CorrelationID string             `json:"correlationId,omitempty"`
	// Service names a part of this program that acts by itself, such as "set-up"; "" for people.
	Service string `json:"service,omitempty"`
}

// An Entry is one audit row. Before and After are JSON documents without secrets; nil for creations and deletions.
type Entry struct {
	ID         string
	Tenant     directory.TenantID
	At         time.Time
	Actor      Actor
	Activity   string // such as "Update conditional access policy"
	Category   string // such as "Policy", "UserManagement", "Device"
	TargetType string
	TargetID   string
	TargetName string
	Before     json.RawMessage
	After      json.RawMessage
	Reason     string // given by the administrator where a warning was overridden
}

// A Query selects audit rows, the newest first.
type Query struct {
	From, To time.Time // the zero time is no bound
	// After continues a listing behind the row with this id; "" starts with the newest row.
	After string
	Limit int
}

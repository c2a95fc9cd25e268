package registration

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"boundgate/internal/aadsts"
	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
)

// An attempt is one request as it is learnt about, for its audit row.
type attempt struct {
	at       time.Time
	activity string
	actor    audit.Actor
	tenant   directory.TenantID // "" until it is known; without a tenant there is no row
	who      string             // whom refusals are counted against: a user, or an address where nobody is signed in
	targetID string
	name     string
}

func newAttempt(at time.Time, activity string, from Source, name string) *attempt {
	return &attempt{
		at: at, activity: activity, name: shown(name),
		actor: audit.Actor{IPAddress: from.Address, CorrelationID: from.CorrelationID},
	}
}

// identify notes whose attempt it is. From here on it leaves a row.
func (a *attempt) identify(tenant directory.TenantID, who string) { a.tenant, a.who = tenant, who }

func (a *attempt) target(d device.Device) {
	a.targetID, a.name = string(d.ObjectID), shown(d.DisplayName)
}

// shown returns the part of a claimed name that a row may carry, whatever it is.
func shown(name string) string {
	name = strings.Map(func(r rune) rune {
		if misleading(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	if len(name) > maxNameBytes {
		name = strings.ToValidUTF8(name[:maxNameBytes], "")
	}
	return name
}

// A record is what audit rows keep of a registration.
type record struct {
	DeviceID              string               `json:"deviceId"`
	DisplayName           string               `json:"displayName"`
	OperatingSystem       string               `json:"operatingSystem"`
	OSVersion             string               `json:"operatingSystemVersion"`
	TrustType             device.TrustType     `json:"trustType"`
	Owner                 directory.ObjectID   `json:"owner,omitempty"`
	FreshCredentials      bool                 `json:"freshCredentials"`
	KeyProtection         device.KeyProtection `json:"keyProtection"`
	Method                device.Method        `json:"registrationMethod"`
	Registration          string               `json:"registrationId"`
	CertificateThumbprint string               `json:"certificateThumbprint"`
}

func recordOf(d *device.Device) (json.RawMessage, error) {
	if d == nil {
		return nil, nil
	}
	text, err := json.Marshal(record{
		d.ID, d.DisplayName, d.OperatingSystem, d.OperatingSystemVersion, d.TrustType, d.Owner, d.FreshCredentials,
		d.KeyProtection, d.Method, d.Registration, d.CertificateThumbprint,
	})
	if err != nil {
		return nil, fmt.Errorf("encode audit row: %w", err)
	}
	return text, nil
}

// done returns the audit row of what has happened, from before to after.
func (a *attempt) done(before, after *device.Device) (audit.Entry, error) {
	row := a.row()
	var err error
	if row.Before, err = recordOf(before); err != nil {
		return row, err
	}
	row.After, err = recordOf(after)
	return row, err
}

// A refusalRecord is what audit rows keep of a refused attempt.
type refusalRecord struct {
	Result  string `json:"result"`
	Code    int    `json:"code"`
	Message string `json:"message"`
	Cause   string `json:"cause,omitempty"`
}

const maxCauseBytes = 300

// refused returns the audit row of an attempt that came to nothing, with its cause.
func (a *attempt) refused(e *aadsts.Error) (audit.Entry, error) {
	r := refusalRecord{Result: "failure", Code: e.Code, Message: e.Message}
	if cause := e.Unwrap(); cause != nil {
		r.Cause = cause.Error()
		if len(r.Cause) > maxCauseBytes {
			r.Cause = strings.ToValidUTF8(r.Cause[:maxCauseBytes], "")
		}
	}
	text, err := json.Marshal(r)
	if err != nil {
		return audit.Entry{}, fmt.Errorf("encode audit row: %w", err)
	}
	row := a.row()
	row.Activity += " (refused)"
	row.After = text
	return row, nil
}

func (a *attempt) row() audit.Entry {
	return audit.Entry{
		ID: uuid.NewString(), Tenant: a.tenant, At: a.at, Actor: a.actor, Activity: a.activity, Category: "Device",
		TargetType: "Device", TargetID: a.targetID, TargetName: a.name,
	}
}

// conclude records a refusal and returns it as an *aadsts.Error. A success has its row already.
func (r *Registrar) conclude(ctx context.Context, a *attempt, err error) error {
	if err == nil {
		r.observe(0)
		return nil
	}
	refusal := aadsts.Of(err)
	r.observe(refusal.Code)
	level := slog.LevelInfo
	if refusal.HTTPStatus() >= 500 {
		level = slog.LevelError
	}
	r.Log.Log(ctx, level, "device registration refused", "activity", a.activity, "code", refusal.Code,
		"cause", refusal.Error(), "tenant", a.tenant, "correlation_id", a.actor.CorrelationID)
	if a.tenant == "" || refusal.HTTPStatus() >= 500 || refusal.Code == aadsts.TooManyRequests.Code {
		return refusal
	}
	r.attempts.add(a)
	row, err := a.refused(refusal)
	if err == nil {
		// A client that goes away must not leave its refusal unrecorded.
		err = r.Trail.AppendAudit(context.WithoutCancel(ctx), row)
	}
	if err != nil {
		return aadsts.ServerError.Because(fmt.Errorf("record refusal: %w", err))
	}
	return refusal
}

func (r *Registrar) observe(code int) {
	if r.Observe != nil {
		r.Observe(code)
	}
}

// The limits on refused attempts: so many of one user, or of one address where nobody is signed in, within one window.
// Each leaves an audit row, so this bounds what an attacker can write.
const (
	refusalWindow = time.Minute
	refusalLimit  = 20
	trackedKeys   = 10_000 // memory bound; beyond it a new window begins
)

// attempts counts refusals per tenant and sender. The zero value is empty.
type attempts struct {
	mu      sync.Mutex
	began   time.Time
	refused map[[2]string]int
}

func (c *attempts) tooMany(a *attempt) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(a.at)
	return c.refused[a.key()] >= refusalLimit
}

func (c *attempts) add(a *attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(a.at)
	c.refused[a.key()]++
}

func (c *attempts) turn(at time.Time) {
	if c.refused == nil || at.Sub(c.began) >= refusalWindow || len(c.refused) >= trackedKeys {
		c.began, c.refused = at, map[[2]string]int{}
	}
}

func (a *attempt) key() [2]string { return [2]string{string(a.tenant), a.who} }

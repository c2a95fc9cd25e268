package admin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
)

// AuditEntries returns rows of the caller's tenant, the newest first.
func (s *Service) AuditEntries(ctx context.Context, c Caller, q audit.Query) ([]audit.Entry, error) {
	if err := Authorize(c, ReadAudit); err != nil {
		return nil, err
	}
	rows, err := s.Store.AuditEntries(ctx, c.Tenant, q)
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	return rows, nil
}

// The views below are what audit rows keep of an object. They name their members one by one, so that a secret added to
// an object later does not reach the log by itself.

type userAudit struct {
	ID              directory.ObjectID `json:"id"`
	UPN             string             `json:"userPrincipalName"`
	DisplayName     string             `json:"displayName"`
	Enabled         bool               `json:"accountEnabled"`
	Type            directory.UserType `json:"userType"`
	EmergencyAccess bool               `json:"emergencyAccess"`
	HomeTenant      directory.TenantID `json:"homeTenantId,omitempty"`
	HomeUser        directory.ObjectID `json:"homeUserId,omitempty"`
}

func userView(u directory.User) userAudit {
	return userAudit{u.ID, u.UPN, u.DisplayName, u.Enabled, u.Type, u.EmergencyAccess, u.HomeTenant, u.HomeUser}
}

type sessionsView struct {
	ValidFrom time.Time `json:"signInSessionsValidFromDateTime"`
}

type groupAudit struct {
	ID          directory.ObjectID `json:"id"`
	DisplayName string             `json:"displayName"`
}

func groupView(g directory.Group) groupAudit { return groupAudit{g.ID, g.DisplayName} }

type memberAudit struct {
	ID   directory.ObjectID   `json:"id"`
	Kind directory.MemberKind `json:"kind"`
	Name string               `json:"name"`
}

func memberView(m Member) memberAudit {
	if m.Kind == directory.GroupMember {
		return memberAudit{m.Group.ID, m.Kind, m.Group.DisplayName}
	}
	return memberAudit{m.User.ID, m.Kind, m.User.UPN}
}

type roleView struct {
	Role directory.Role     `json:"roleTemplateId"`
	Name string             `json:"roleName"`
	User directory.ObjectID `json:"userId"`
}

type tenantAudit struct {
	ID          directory.TenantID `json:"id"`
	DisplayName string             `json:"displayName"`
	Domains     []directory.Domain `json:"domains"`
	Settings    directory.Settings `json:"settings"`
}

func tenantView(t directory.Tenant) tenantAudit {
	return tenantAudit{t.ID, t.DisplayName, slices.Clone(t.Domains), t.Settings}
}

// deviceAudit is what an audit row keeps of a device: the members that administration can change, and the key of a
// synchronised object by its digest.
type deviceAudit struct {
	ObjectID              directory.ObjectID `json:"id"`
	ID                    string             `json:"deviceId"`
	DisplayName           string             `json:"displayName"`
	TrustType             device.TrustType   `json:"trustType"`
	Owner                 directory.ObjectID `json:"owner,omitempty"`
	Enabled               bool               `json:"accountEnabled"`
	Edition               device.Edition     `json:"edition"`
	Method                device.Method      `json:"registrationMethod"`
	ProfileType           string             `json:"profileType"`
	SystemLabels          []string           `json:"systemLabels"`
	EnrollmentProfileName string             `json:"enrollmentProfileName"`
	Ownership             string             `json:"deviceOwnership"`
	Manufacturer          string             `json:"manufacturer"`
	Model                 string             `json:"model"`
	MDMAppID              string             `json:"mdmAppId"`
	IsCompliant           *bool              `json:"isCompliant"`
	IsManaged             *bool              `json:"isManaged"`
	ExtensionAttributes   [15]string         `json:"extensionAttributes"`
	RecordedOS            string             `json:"operatingSystem,omitempty"`
	RecordedOSVersion     string             `json:"operatingSystemVersion,omitempty"`
	SyncedSID             string             `json:"onPremisesSecurityIdentifier,omitempty"`
	SyncedKeySHA256       string             `json:"syncedKeySha256,omitempty"`
}

func deviceView(d device.Device) deviceAudit {
	v := deviceAudit{
		ObjectID: d.ObjectID, ID: d.ID, DisplayName: d.DisplayName, TrustType: d.TrustType, Owner: d.Owner, Enabled: d.Enabled,
		Edition: d.Edition, Method: d.Method, ProfileType: d.ProfileType, SystemLabels: d.SystemLabels,
		EnrollmentProfileName: d.EnrollmentProfileName, Ownership: d.Ownership, Manufacturer: d.Manufacturer, Model: d.Model,
		MDMAppID: d.MDMAppID, IsCompliant: d.IsCompliant, IsManaged: d.IsManaged, ExtensionAttributes: d.ExtensionAttributes,
		RecordedOS: d.RecordedOS, RecordedOSVersion: d.RecordedOSVersion, SyncedSID: d.SyncedSID,
	}
	if len(d.SyncedKey) > 0 {
		sum := sha256.Sum256(d.SyncedKey)
		v.SyncedKeySHA256 = hex.EncodeToString(sum[:])
	}
	return v
}

func sortMembers(list []Member) {
	slices.SortFunc(list, func(a, b Member) int {
		return cmp.Or(cmp.Compare(memberView(a).Name, memberView(b).Name), cmp.Compare(a.ID(), b.ID()))
	})
}

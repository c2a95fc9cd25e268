package graph

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"boundgate/internal/admin"
	"boundgate/internal/device"
)

// trustTypes are the join types in Graph's spelling, which differs from that of device filters in one letter.
var trustTypes = map[device.TrustType]string{device.Joined: "AzureAd", device.HybridJoined: "ServerAd", device.Registered: "Workplace"}

// deviceMembers is a device as Graph shows it, followed by what Boundgate knows besides. Of the operating system, what a
// synchronised object recorded stands before what the device says of itself.
func deviceMembers(d device.Device) members {
	extension := members{}
	for i, v := range d.ExtensionAttributes {
		extension[fmt.Sprintf("extensionAttribute%d", i+1)] = nullable(v)
	}
	system, version := d.OperatingSystem, d.OperatingSystemVersion
	if system == "" {
		system, version = d.RecordedOS, d.RecordedOSVersion
	}
	return members{
		"id": d.ObjectID, "deviceId": d.ID, "displayName": d.DisplayName, "operatingSystem": nullable(system),
		"operatingSystemVersion": nullable(version), "trustType": nullable(trustTypes[d.TrustType]), "accountEnabled": d.Enabled,
		"profileType": nullable(d.ProfileType), "systemLabels": list(d.SystemLabels), "physicalIds": list(d.PhysicalIDs),
		"enrollmentProfileName": nullable(d.EnrollmentProfileName), "deviceOwnership": nullable(d.Ownership),
		"manufacturer": nullable(d.Manufacturer), "model": nullable(d.Model), "mdmAppId": nullable(d.MDMAppID),
		"isCompliant": d.IsCompliant, "isManaged": d.IsManaged, "extensionAttributes": extension,
		"registrationDateTime": stamp(d.RegisteredAt), "approximateLastSignInDateTime": stamp(d.LastActivity),
		"onPremisesSecurityIdentifier": nullable(d.SyncedSID), "onPremisesSyncEnabled": synced(d),

		"ownerId": nullable(d.Owner), "edition": nullable(d.Edition), "registrationMethod": nullable(d.Method),
		"freshCredentials": d.FreshCredentials, "keyProtection": nullable(d.KeyProtection), "registered": len(d.DeviceKey) > 0,
	}
}

// synced is true for synchronised objects and null for others, as Graph has it.
func synced(d device.Device) any {
	if d.TrustType == device.HybridJoined {
		return true
	}
	return nil
}

func (q *request) deviceKey() admin.DeviceKey {
	return admin.DeviceKey{ObjectID: q.vars["id"], DeviceID: q.vars["deviceId"]}
}

func (h *handler) devices(q *request) error {
	devices, err := h.Admin.Devices(q.Context(), q.caller)
	if err != nil {
		return err
	}
	value := make([]members, len(devices))
	for i, d := range devices {
		value[i] = deviceMembers(d)
	}
	return q.filtered("devices", value, "id", "deviceId", "displayName", "trustType", "operatingSystem", "accountEnabled")
}

func (h *handler) device(q *request) error {
	d, err := h.Admin.Device(q.Context(), q.caller, q.deviceKey())
	if err != nil {
		return err
	}
	return q.entity(http.StatusOK, "devices", deviceMembers(d))
}

// devicePatch is what an administrator may set. What the device says of itself and what the server has concluded have no
// member here, so they are refused by name.
type devicePatch struct {
	Enabled           *bool                       `json:"accountEnabled"`
	Edition           optional[string]            `json:"edition"`
	Method            *string                     `json:"registrationMethod"`
	ProfileType       optional[string]            `json:"profileType"`
	SystemLabels      *[]string                   `json:"systemLabels"`
	EnrollmentProfile optional[string]            `json:"enrollmentProfileName"`
	Ownership         optional[string]            `json:"deviceOwnership"`
	Manufacturer      optional[string]            `json:"manufacturer"`
	Model             optional[string]            `json:"model"`
	MDMAppID          optional[string]            `json:"mdmAppId"`
	Compliant         optional[bool]              `json:"isCompliant"`
	Managed           optional[bool]              `json:"isManaged"`
	Extension         map[string]optional[string] `json:"extensionAttributes"`
}

func (b devicePatch) domain() (admin.DevicePatch, error) {
	p := admin.DevicePatch{Enabled: b.Enabled, Edition: cleared(b.Edition), Method: b.Method, ProfileType: cleared(b.ProfileType),
		SystemLabels: b.SystemLabels, EnrollmentProfileName: cleared(b.EnrollmentProfile), Ownership: cleared(b.Ownership),
		Manufacturer: cleared(b.Manufacturer), Model: cleared(b.Model), MDMAppID: cleared(b.MDMAppID),
		Compliant: triState(b.Compliant), Managed: triState(b.Managed)}
	for name, value := range b.Extension {
		number, ok := strings.CutPrefix(name, "extensionAttribute")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || number != strconv.Itoa(n) {
			return p, badRequest("/extensionAttributes/%s: there is no such member.", pointerToken(name))
		}
		if p.ExtensionAttributes == nil {
			p.ExtensionAttributes = map[int]string{}
		}
		p.ExtensionAttributes[n] = *cleared(value)
	}
	return p, nil
}

func triState(o optional[bool]) *admin.TriState {
	if !o.given {
		return nil
	}
	if o.value == nil {
		return &admin.TriState{}
	}
	return &admin.TriState{Known: true, Value: *o.value}
}

func (h *handler) updateDevice(q *request) error {
	var body devicePatch
	if err := q.read(&body); err != nil {
		return err
	}
	patch, err := body.domain()
	if err != nil {
		return err
	}
	if err := h.Admin.UpdateDevice(q.Context(), q.caller, q.deviceKey(), patch); err != nil {
		return err
	}
	return q.noContent()
}

func (h *handler) deleteDevice(q *request) error {
	if err := h.Admin.DeleteDevice(q.Context(), q.caller, q.deviceKey()); err != nil {
		return err
	}
	return q.noContent()
}

// createDevice serves POST /devices: the synchronised object of a hybrid join. userCertificate is the attribute that the
// on-premises directory keeps the computer's self-signed certificate in.
func (h *handler) createDevice(q *request) error {
	var body struct {
		DeviceID    string `json:"deviceId"`
		DisplayName string `json:"displayName"`
		System      string `json:"operatingSystem"`
		Version     string `json:"operatingSystemVersion"`
		Edition     string `json:"edition"`
		SID         string `json:"onPremisesSecurityIdentifier"`
		Certificate string `json:"userCertificate"`
	}
	if err := q.read(&body); err != nil {
		return err
	}
	d, err := h.Admin.CreateSyncedDevice(q.Context(), q.caller, admin.NewDevice{DeviceID: body.DeviceID, DisplayName: body.DisplayName,
		OperatingSystem: body.System, OperatingSystemVersion: body.Version, Edition: body.Edition, SID: body.SID, Certificate: body.Certificate})
	if err != nil {
		return err
	}
	return q.created("devices", "/devices/"+string(d.ObjectID), deviceMembers(d))
}

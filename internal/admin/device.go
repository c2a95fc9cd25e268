package admin

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"boundgate/internal/device"
	"boundgate/internal/directory"
)

// A DevicePatch changes the members that are not nil. What a device says of itself and what the server concludes (trust
// type, owner, keys, freshness of the registration) has no member here: no administrator may set it.
type DevicePatch struct {
	Enabled               *bool
	Edition               *string
	Method                *string
	ProfileType           *string
	SystemLabels          *[]string
	EnrollmentProfileName *string
	Ownership             *string
	Manufacturer          *string
	Model                 *string
	MDMAppID              *string
	// Compliant and Managed are three-valued: Known false makes the value unknown again.
	Compliant *TriState
	Managed   *TriState
	// ExtensionAttributes are those to change, by number from 1 to 15; "" clears one.
	ExtensionAttributes map[int]string
}

// A TriState is true, false or unknown.
type TriState struct{ Known, Value bool }

func (t TriState) pointer() *bool {
	if !t.Known {
		return nil
	}
	return &t.Value
}

// A NewDevice is the synchronised object that lets a computer hybrid join: what an on-premises directory knows of it.
type NewDevice struct {
	DeviceID               string // "" makes one
	DisplayName            string
	OperatingSystem        string // "Windows" or "Windows Server"
	OperatingSystemVersion string
	Edition                string
	SID                    string // of the computer account
	// Certificate is the computer's self-signed certificate, or its public key (SubjectPublicKeyInfo): PEM or base64 of DER.
	Certificate string
}

// Values that the members of a device may take.
var (
	editions  = []string{string(device.Client), string(device.Server), string(device.SurfaceHub), string(device.TeamsRooms)}
	methods   = []string{string(device.Interactive), string(device.Synchronised), string(device.BulkEnrolment), string(device.SelfDeploying), string(device.VMExtension), string(device.CloudPC), string(device.VirtualDesktop), string(device.PowerAutomate)}
	profiles  = []string{"", "RegisteredDevice", device.ProfileSecureVM, "Printer", "Shared", "IoT"}
	ownership = []string{"", "Company", "Personal", "unknown"}
	systems   = []string{"Windows", "Windows Server"}
)

// Devices returns the devices of the caller's tenant.
func (s *Service) Devices(ctx context.Context, c Caller) ([]device.Device, error) {
	if err := Authorize(c, ReadDirectory); err != nil {
		return nil, err
	}
	list, err := s.Store.Devices(ctx, c.Tenant)
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	return list, nil
}

// A DeviceKey names a device by its directory object or by the id in its certificate.
type DeviceKey struct{ ObjectID, DeviceID string }

// Device returns one device.
func (s *Service) Device(ctx context.Context, c Caller, key DeviceKey) (device.Device, error) {
	if err := Authorize(c, ReadDirectory); err != nil {
		return device.Device{}, err
	}
	return s.findDevice(ctx, c.Tenant, key)
}

func (s *Service) findDevice(ctx context.Context, tenant directory.TenantID, key DeviceKey) (device.Device, error) {
	if key.DeviceID != "" {
		id, ok := objectID(key.DeviceID)
		if !ok {
			return device.Device{}, device.ErrNotFound
		}
		return s.Store.DeviceByID(ctx, tenant, string(id))
	}
	id, ok := objectID(key.ObjectID)
	if !ok {
		return device.Device{}, device.ErrNotFound
	}
	return s.Store.DeviceByObjectID(ctx, tenant, id)
}

func (s *Service) deviceToChange(ctx context.Context, c Caller, key DeviceKey) (device.Device, error) {
	if err := Authorize(c, ManageDevices); err != nil {
		return device.Device{}, err
	}
	return s.findDevice(ctx, c.Tenant, key)
}

// UpdateDevice changes what an administrator decides about a device. Disabling it ends issuance to it at once (P06).
func (s *Service) UpdateDevice(ctx context.Context, c Caller, key DeviceKey, patch DevicePatch) error {
	defer s.oneAtATime()()
	before, err := s.deviceToChange(ctx, c, key)
	if err != nil {
		return err
	}
	after, err := applyDevice(before, patch)
	if err != nil {
		return err
	}
	entry, err := s.entry(c, deviceChange("Update device", after, deviceView(before), deviceView(after)))
	if err != nil {
		return err
	}
	if err := s.Store.UpdateDevice(ctx, after, entry); err != nil {
		return fmt.Errorf("update device: %w", err)
	}
	return nil
}

func applyDevice(d device.Device, patch DevicePatch) (device.Device, error) {
	var p problems
	set(&d.Enabled, patch.Enabled)
	if patch.Edition != nil {
		d.Edition = device.Edition(oneFrom(&p, "/edition", *patch.Edition, editions))
	}
	if patch.Method != nil {
		d.Method = device.Method(oneFrom(&p, "/registrationMethod", *patch.Method, methods))
	}
	if patch.ProfileType != nil {
		d.ProfileType = oneFrom(&p, "/profileType", *patch.ProfileType, profiles)
	}
	if patch.Ownership != nil {
		d.Ownership = oneFrom(&p, "/deviceOwnership", *patch.Ownership, ownership)
	}
	if patch.SystemLabels != nil {
		d.SystemLabels = slices.Clone(*patch.SystemLabels)
		checkList(&p, "/systemLabels", d.SystemLabels, func(p *problems, at, s string) { checkName(p, at, s) })
	}
	text(&p, "/enrollmentProfileName", &d.EnrollmentProfileName, patch.EnrollmentProfileName)
	text(&p, "/manufacturer", &d.Manufacturer, patch.Manufacturer)
	text(&p, "/model", &d.Model, patch.Model)
	text(&p, "/mdmAppId", &d.MDMAppID, patch.MDMAppID)
	if patch.Compliant != nil {
		d.IsCompliant = patch.Compliant.pointer()
	}
	if patch.Managed != nil {
		d.IsManaged = patch.Managed.pointer()
	}
	for n, value := range patch.ExtensionAttributes {
		if n < 1 || n > len(d.ExtensionAttributes) {
			p.add(fmt.Sprintf("/extensionAttributes/extensionAttribute%d", n), "There is no such attribute.", "Use extensionAttribute1 to extensionAttribute15.")
			continue
		}
		text(&p, fmt.Sprintf("/extensionAttributes/extensionAttribute%d", n), &d.ExtensionAttributes[n-1], &value)
	}
	return d, p.err()
}

func text(p *problems, pointer string, to, from *string) {
	if from == nil {
		return
	}
	checkText(p, pointer, *from)
	*to = *from
}

// oneFrom returns the value of the list that equals value but for case.
func oneFrom(p *problems, pointer, value string, list []string) string {
	for _, v := range list {
		if strings.EqualFold(v, value) {
			return v
		}
	}
	named := slices.DeleteFunc(slices.Clone(list), func(v string) bool { return v == "" })
	p.add(pointer, fmt.Sprintf("The value %q is unknown.", value), "Use one of "+strings.Join(named, ", ")+".")
	return ""
}

// DeleteDevice removes a device; its certificate and sessions end with it (P06).
func (s *Service) DeleteDevice(ctx context.Context, c Caller, key DeviceKey) error {
	d, err := s.deviceToChange(ctx, c, key)
	if err != nil {
		return err
	}
	entry, err := s.entry(c, deviceChange("Delete device", d, deviceView(d), nil))
	if err != nil {
		return err
	}
	if err := s.Store.DeleteDevice(ctx, c.Tenant, d.ID, entry); err != nil {
		return fmt.Errorf("delete device: %w", err)
	}
	return nil
}

// CreateSyncedDevice creates the object that a computer's hybrid join is matched to.
func (s *Service) CreateSyncedDevice(ctx context.Context, c Caller, n NewDevice) (device.Device, error) {
	if err := Authorize(c, ManageDevices); err != nil {
		return device.Device{}, err
	}
	d, err := s.syncedDevice(c.Tenant, n)
	if err != nil {
		return device.Device{}, err
	}
	entry, err := s.entry(c, deviceChange("Add device", d, nil, deviceView(d)))
	if err != nil {
		return device.Device{}, err
	}
	err = s.Store.CreateSyncedDevice(ctx, d, entry)
	if errors.Is(err, directory.ErrExists) {
		return device.Device{}, &ConflictError{Message: "The tenant has a device with this id.", Next: "Delete that device first, or leave deviceId out."}
	}
	if err != nil {
		return device.Device{}, fmt.Errorf("create device: %w", err)
	}
	return d, nil
}

var (
	sidForm       = regexp.MustCompile(`^S-1-5-21(-[0-9]{1,10}){4}$`)
	osVersionForm = regexp.MustCompile(`^10\.0\.[0-9]{4,6}(\.[0-9]{1,6})?$`)
)

func (s *Service) syncedDevice(tenant directory.TenantID, n NewDevice) (device.Device, error) {
	var p problems
	d := device.Device{
		ObjectID: directory.ObjectID(newID()), ID: newID(), Tenant: tenant, DisplayName: strings.TrimSpace(n.DisplayName),
		TrustType: device.HybridJoined, Method: device.Synchronised, Enabled: true, RegisteredAt: s.now(), SyncedSID: n.SID,
	}
	if n.DeviceID != "" {
		id, ok := objectID(n.DeviceID)
		if !ok {
			p.add("/deviceId", "The device id is not a GUID.", "Use the computer account's objectGUID.")
		}
		d.ID = string(id)
	}
	checkName(&p, "/displayName", d.DisplayName)
	d.RecordedOS = oneFrom(&p, "/operatingSystem", n.OperatingSystem, systems)
	d.RecordedOSVersion = n.OperatingSystemVersion
	if !osVersionForm.MatchString(n.OperatingSystemVersion) {
		p.add("/operatingSystemVersion", "This is not a version of Windows 10 or later.", "Write it like 10.0.22631.3593.")
	}
	d.OperatingSystem, d.OperatingSystemVersion = d.RecordedOS, d.RecordedOSVersion
	d.Edition = device.Edition(oneFrom(&p, "/edition", n.Edition, editions))
	if d.RecordedOS == "Windows Server" && d.Edition == device.Client {
		d.Edition = device.Server
	}
	if !sidForm.MatchString(n.SID) {
		p.add("/onPremisesSecurityIdentifier", "This is not the SID of a computer account.", "Write it like S-1-5-21-1004336348-1177238915-682003330-1234.")
	}
	key, err := parseSyncedKey(n.Certificate)
	if err != nil {
		p.add("/userCertificate", err.Error(), "Give the computer's self-signed certificate (userCertificate) or its public key, as PEM or base64 of DER.")
	}
	d.SyncedKey = key
	return d, p.err()
}

// parseSyncedKey returns the SubjectPublicKeyInfo in a certificate or public key.
func parseSyncedKey(text string) ([]byte, error) {
	const limit = 16 << 10
	if len(text) > limit {
		return nil, fmt.Errorf("the certificate is longer than %d bytes", limit)
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if block, _ := pem.Decode([]byte(text)); block != nil {
		der, err = block.Bytes, nil
		if strings.Contains(block.Type, "PRIVATE KEY") {
			return nil, errors.New("this is a private key, which must never leave the computer")
		}
	}
	if err != nil || len(der) == 0 {
		return nil, errors.New("this is neither PEM nor base64")
	}
	if cert, err := x509.ParseCertificate(der); err == nil {
		return cert.RawSubjectPublicKeyInfo, nil
	}
	if _, err := x509.ParsePKIXPublicKey(der); err != nil {
		return nil, errors.New("this is neither a certificate nor a public key")
	}
	return der, nil
}

func deviceChange(activity string, d device.Device, before, after any) change {
	return change{activity: activity, category: "Device", targetType: "Device",
		targetID: string(d.ObjectID), targetName: d.DisplayName, before: before, after: after}
}

package storetest

import (
	"fmt"
	"testing"
	"time"

	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
	"boundgate/internal/prt"
	"boundgate/internal/session"
)

// another is a device of mika beside the laptop.
func (w *world) another(name string) device.Device {
	d := w.laptop(contoso)
	d.ID, d.ObjectID, d.KeyThumbprint = string(of(contoso, name)), of(contoso, name+" object"), name
	return d
}

func (w *world) register(d device.Device, replaces bool, quota int, e journal.Effects) error {
	return w.db.Register(w.ctx, journal.Registration{Device: d, Replaces: replaces, Quota: quota}, e, w.entry(d.Tenant))
}

// P05, P08
func registrations(_ *testing.T, w *world) {
	laptop := w.laptop(contoso)
	for _, find := range []func() (device.Device, error){
		func() (device.Device, error) { return w.db.DeviceByID(w.ctx, contoso, laptop.ID) },
		func() (device.Device, error) { return w.db.DeviceByKey(w.ctx, contoso, laptop.KeyThumbprint) },
		func() (device.Device, error) { return w.db.DeviceByObjectID(w.ctx, contoso, laptop.ObjectID) },
	} {
		got, err := find()
		w.must(err)
		w.same("device", got, laptop)
	}
	sameKey := w.another("phone")
	sameKey.KeyThumbprint = laptop.KeyThumbprint
	w.want("a second device with one key", w.register(sameKey, false, 5, journal.Effects{}), directory.ErrExists)
	w.want("a second device with one id", w.register(laptop, false, 5, journal.Effects{}), directory.ErrExists)
	w.want("a device too many", w.register(w.another("phone"), false, 1, journal.Effects{}), device.ErrQuota)
	w.want("a replacement of nothing", w.register(w.another("phone"), true, 5, journal.Effects{}), device.ErrNotFound)

	// Neither another tenant's devices count, nor an object that has not joined yet.
	elsewhere, waiting := w.another("elsewhere"), w.another("waiting")
	elsewhere.Tenant, waiting.Registration = fabrikam, ""
	w.must(w.register(elsewhere, false, 5, journal.Effects{}))
	w.must(w.db.CreateSyncedDevice(w.ctx, waiting, w.entry(contoso)))
	w.must(w.register(w.another("watch"), false, 2, journal.Effects{}))
	for _, id := range []string{waiting.ID, w.another("watch").ID} {
		w.must(w.db.DeleteDevice(w.ctx, contoso, id, w.entry(contoso)))
	}

	// What a registration spends is spent with it or not at all.
	token, nonce := w.token(contoso), w.nonce()
	w.issue(journal.Effects{NewRefreshTokens: []session.RefreshToken{token}})
	spends := journal.Effects{SpendNonces: []journal.SpentNonce{nonce}, SpendTokens: []prt.Hash{token.Hash}, Subject: w.subject()}
	w.want("a registration that is refused", w.register(w.another("phone"), false, 1, spends), device.ErrQuota)
	spends.NewPRTs = []session.PRT{w.prt(contoso)}
	w.must(w.register(w.another("phone"), false, 2, spends))
	begun, err := w.db.PRT(w.ctx, spends.NewPRTs[0].Hash)
	w.must(err)
	w.same("session that began with the registration", begun, spends.NewPRTs[0])
	w.want("the same request again", w.register(w.another("tablet"), false, 5, spends), journal.ErrNonceSpent)

	// A new registration inherits no session, whatever its quota: the device is counted once.
	p := w.prt(contoso)
	w.issue(journal.Effects{NewPRTs: []session.PRT{p}})
	laptop.Registration, laptop.KeyThumbprint, laptop.RegisteredAt = "r2", "new key", w.now.Add(time.Minute)
	w.must(w.register(laptop, true, 2, journal.Effects{}))
	ended, err := w.db.PRT(w.ctx, p.Hash)
	w.must(err)
	if ended.RevokedAt.IsZero() {
		w.t.Error("the session of the registration before goes on")
	}
	_, err = w.db.DeviceByKey(w.ctx, contoso, w.laptop(contoso).KeyThumbprint)
	w.want("the key of the registration before", err, device.ErrNotFound)
	got, err := w.db.DeviceByKey(w.ctx, contoso, "new key")
	w.must(err)
	w.same("device after it registered anew", got, laptop)

	list, err := w.db.Devices(w.ctx, contoso)
	w.must(err)
	if len(list) != 2 {
		w.t.Errorf("%d devices, want laptop and phone", len(list))
	}
}

// P05, P06
func hybridJoin(_ *testing.T, w *world) {
	server := device.Device{ID: string(of(contoso, "server")), ObjectID: of(contoso, "server object"), Tenant: contoso, DisplayName: "SERVER-1",
		TrustType: device.HybridJoined, Enabled: true, Edition: device.Server, Method: device.Synchronised, SyncedKey: []byte("key"), SyncedSID: "S-1",
		RecordedOS: "Windows", RecordedOSVersion: "10.0.20348"}
	w.must(w.db.CreateSyncedDevice(w.ctx, server, w.entry(contoso)))
	joined := server
	joined.Registration, joined.KeyThumbprint, joined.DeviceKey, joined.OperatingSystem = "s1", "server key", []byte("device key"), "Windows"
	joined.RegisteredAt, joined.LastActivity = w.now.Add(time.Minute), w.now.Add(time.Minute)
	w.must(w.register(joined, true, 0, journal.Effects{})) // the quota is for people
	got, err := w.db.DeviceByKey(w.ctx, contoso, "server key")
	w.must(err)
	w.same("device after the join", got, joined)

	// Again, while an administrator decides about it: the join was prepared before.
	p := w.prt(contoso)
	p.Device, p.Registration = joined.ID, joined.Registration
	w.issue(journal.Effects{NewPRTs: []session.PRT{p}})
	labelled := joined
	labelled.SystemLabels, labelled.Edition = []string{device.LabelCloudPC}, device.TeamsRooms
	w.must(w.db.UpdateDevice(w.ctx, labelled, w.entry(contoso)))
	again := joined
	again.Registration, again.KeyThumbprint, again.SyncedSID, again.RecordedOSVersion = "s2", "second key", "S-2", "10.0.26100"
	w.must(w.register(again, true, 0, journal.Effects{}))
	want := labelled
	want.Registration, want.KeyThumbprint = again.Registration, again.KeyThumbprint
	got, err = w.db.DeviceByID(w.ctx, contoso, joined.ID)
	w.must(err)
	w.same("device after it joined again", got, want)
	ended, err := w.db.PRT(w.ctx, p.Hash)
	w.must(err)
	if ended.RevokedAt.IsZero() {
		w.t.Error("the session of the join before goes on")
	}

	disabled := want
	disabled.Enabled = false
	w.must(w.db.UpdateDevice(w.ctx, disabled, w.entry(contoso)))
	again.Registration = "s3"
	w.want("a join that was prepared before the device was disabled", w.register(again, true, 0, journal.Effects{}), journal.ErrChanged)
	got, err = w.db.DeviceByID(w.ctx, contoso, joined.ID)
	w.must(err)
	w.same("device that was disabled", got, disabled)

	thief := w.another("thief")
	thief.KeyThumbprint = again.KeyThumbprint
	w.want("another device with its key", w.register(thief, false, 5, journal.Effects{}), directory.ErrExists)
	replacing := w.laptop(contoso)
	replacing.KeyThumbprint = again.KeyThumbprint
	w.want("a device that registers anew with its key", w.register(replacing, true, 5, journal.Effects{}), directory.ErrExists)
}

// P08
func quotaOnce(_ *testing.T, w *world) {
	errs := together(20, func(n int) error { return w.register(w.another(fmt.Sprint("device ", n)), false, 5, journal.Effects{}) })
	registered := 1 // the laptop
	for _, err := range errs {
		if err == nil {
			registered++
		} else {
			w.want("a registration over the quota", err, device.ErrQuota)
		}
	}
	if registered != 5 {
		w.t.Errorf("%d devices registered at the same time, the quota is 5", registered)
	}
}

func updateDevice(_ *testing.T, w *world) {
	yes, laptop := true, w.laptop(contoso)
	active := w.use()
	active.At = w.now.Add(time.Minute)
	w.issue(journal.Effects{Device: active})
	w.issue(journal.Effects{Device: w.use()}) // of an earlier request, committed later

	change := device.Device{ID: laptop.ID, Tenant: contoso, Enabled: true, Edition: device.TeamsRooms, Method: device.BulkEnrolment,
		ProfileType: device.ProfileSecureVM, SystemLabels: []string{device.LabelCloudPC}, EnrollmentProfileName: "Kiosk", Ownership: "Company",
		Manufacturer: "Contoso", Model: "7", IsCompliant: &yes, ExtensionAttributes: [15]string{14: "x"},
		// What the registration made of the device is not an administrator's to change.
		Registration: "r9", Owner: of(contoso, "other"), TrustType: device.HybridJoined, KeyThumbprint: "other", DeviceKey: []byte("other"),
		FreshCredentials: false, OperatingSystem: "Linux", TransportKey: []byte("other")}
	w.must(w.db.UpdateDevice(w.ctx, change, w.entry(contoso)))

	want := laptop
	want.LastActivity = active.At
	want.Edition, want.Method, want.ProfileType, want.SystemLabels = change.Edition, change.Method, change.ProfileType, change.SystemLabels
	want.EnrollmentProfileName, want.Ownership, want.Manufacturer, want.Model = change.EnrollmentProfileName, change.Ownership, change.Manufacturer, change.Model
	want.IsCompliant, want.ExtensionAttributes = change.IsCompliant, change.ExtensionAttributes
	got, err := w.db.DeviceByID(w.ctx, contoso, laptop.ID)
	w.must(err)
	w.same("device", got, want)

	synced := device.Device{ID: string(of(contoso, "server")), ObjectID: of(contoso, "server object"), Tenant: contoso, DisplayName: "SERVER-1",
		TrustType: device.HybridJoined, Enabled: true, Edition: device.Server, Method: device.Synchronised, SyncedKey: []byte("key"), SyncedSID: "S-1"}
	w.must(w.db.CreateSyncedDevice(w.ctx, synced, w.entry(contoso)))
	got, err = w.db.DeviceByID(w.ctx, contoso, synced.ID)
	w.must(err)
	w.same("synchronised device", got, synced)
	w.want("the same object again", w.db.CreateSyncedDevice(w.ctx, synced, w.entry(contoso)), directory.ErrExists)
	_, err = w.db.DeviceByKey(w.ctx, contoso, "")
	w.want("a device that has no key yet, by no key", err, device.ErrNotFound)

	w.must(w.db.DeleteDevice(w.ctx, contoso, laptop.ID, w.entry(contoso)))
	_, err = w.db.DeviceByID(w.ctx, contoso, laptop.ID)
	w.want("a device that was deleted", err, device.ErrNotFound)
	w.want("delete it again", w.db.DeleteDevice(w.ctx, contoso, laptop.ID, w.entry(contoso)), device.ErrNotFound)
}

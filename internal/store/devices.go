package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
)

// The columns of a device hold what queries and conditions need; the document has all of it, and the columns win.
const deviceColumns = `tenant_id, id, object_id, registration, owner, enabled, key_thumbprint, last_activity, document`

func scanDevice(row scanner) (device.Device, error) {
	var c, d device.Device // as the columns say, and as the document says
	var document []byte
	var key sql.NullString
	var active int64
	if err := row.Scan(&c.Tenant, &c.ID, &c.ObjectID, &c.Registration, &c.Owner, &c.Enabled, &key, &active, &document); err != nil {
		return d, err
	}
	err := json.Unmarshal(document, &d)
	d.Tenant, d.ID, d.ObjectID, d.Registration, d.Owner, d.Enabled = c.Tenant, c.ID, c.ObjectID, c.Registration, c.Owner, c.Enabled
	d.KeyThumbprint, d.LastActivity = key.String, fromMicros(active)
	return d, err
}

func (db *DB) device(ctx context.Context, where string, args ...any) (device.Device, error) {
	d, err := scanDevice(db.read.QueryRowContext(ctx, `SELECT `+deviceColumns+` FROM devices WHERE `+where, args...))
	return d, absent("find device", err, device.ErrNotFound)
}

// DeviceByKey finds the device that holds the key with this thumbprint.
func (db *DB) DeviceByKey(ctx context.Context, tenant directory.TenantID, thumbprint string) (device.Device, error) {
	return db.device(ctx, `tenant_id = $1 AND key_thumbprint = $2`, tenant, thumbprint)
}

// DeviceByID finds a device by its device id.
func (db *DB) DeviceByID(ctx context.Context, tenant directory.TenantID, id string) (device.Device, error) {
	return db.device(ctx, `tenant_id = $1 AND id = $2`, tenant, id)
}

// DeviceByObjectID finds a device by its directory object.
func (db *DB) DeviceByObjectID(ctx context.Context, tenant directory.TenantID, id directory.ObjectID) (device.Device, error) {
	return db.device(ctx, `tenant_id = $1 AND object_id = $2`, tenant, id)
}

// Devices returns the tenant's devices.
func (db *DB) Devices(ctx context.Context, tenant directory.TenantID) ([]device.Device, error) {
	const query = `SELECT ` + deviceColumns + ` FROM devices WHERE tenant_id = $1 ORDER BY id`
	list, err := collect(ctx, db.read, scanDevice, query, tenant)
	return list, wrap("list devices", err)
}

// insertDevice adds a device.
func (tx *tx) insertDevice(ctx context.Context, d device.Device) error {
	document, err := json.Marshal(d)
	if err != nil {
		return wrap("encode device", err)
	}
	const query = `INSERT INTO devices (` + deviceColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	_, err = tx.ExecContext(ctx, query, d.Tenant, d.ID, d.ObjectID, d.Registration, d.Owner, d.Enabled, nullable(d.KeyThumbprint),
		micros(d.LastActivity), string(document))
	return conflict("register device", err)
}

// deviceNow reads a device as it is when the write runs.
func (tx *tx) deviceNow(ctx context.Context, tenant directory.TenantID, id string) (device.Device, error) {
	const query = `SELECT ` + deviceColumns + ` FROM devices WHERE tenant_id = $1 AND id = $2`
	d, err := scanDevice(tx.QueryRowContext(ctx, query, tenant, id))
	return d, absent("find device", err, device.ErrNotFound)
}

// replaceDevice writes a device in the place of what there is under its id.
func (tx *tx) replaceDevice(ctx context.Context, d device.Device) error {
	document, err := json.Marshal(d)
	if err != nil {
		return wrap("encode device", err)
	}
	const query = `
		UPDATE devices SET registration = $1, owner = $2, enabled = $3, key_thumbprint = $4, last_activity = $5, document = $6
		WHERE  tenant_id = $7 AND id = $8`
	result, err := tx.ExecContext(ctx, query, d.Registration, d.Owner, d.Enabled, nullable(d.KeyThumbprint), micros(d.LastActivity),
		string(document), d.Tenant, d.ID)
	if err != nil {
		return conflict("replace device", err)
	}
	err = must("replace device", result, nil)
	if errors.Is(err, directory.ErrNotFound) {
		return device.ErrNotFound
	}
	return err
}

// replaceRegistration gives a device a new registration. What an administrator decides about it stays as it is in the
// store: the registration was prepared from an earlier look, and must not take back what has been decided since.
func (tx *tx) replaceRegistration(ctx context.Context, d device.Device) error {
	kept, err := tx.deviceNow(ctx, d.Tenant, d.ID)
	if err != nil {
		return err
	}
	if !kept.Enabled {
		return journal.ErrChanged
	}
	d.ObjectID = kept.ObjectID
	d.SyncedKey, d.SyncedSID = kept.SyncedKey, kept.SyncedSID
	d.RecordedOS, d.RecordedOSVersion = kept.RecordedOS, kept.RecordedOSVersion
	return tx.replaceDevice(ctx, decided(d, kept))
}

// decided returns d with what an administrator decides about a device as it is in by.
func decided(d, by device.Device) device.Device {
	d.Enabled, d.Edition, d.Method, d.ProfileType = by.Enabled, by.Edition, by.Method, by.ProfileType
	d.SystemLabels, d.PhysicalIDs, d.EnrollmentProfileName = by.SystemLabels, by.PhysicalIDs, by.EnrollmentProfileName
	d.Ownership, d.Manufacturer, d.Model, d.MDMAppID = by.Ownership, by.Manufacturer, by.Model, by.MDMAppID
	d.IsCompliant, d.IsManaged, d.ExtensionAttributes = by.IsCompliant, by.IsManaged, by.ExtensionAttributes
	return d
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// UpdateDevice writes what an administrator decides about a device. What the registration has made of it (keys, owner,
// trust type, registration) stays as it is in the store. A device that is disabled loses its sessions for good (P06, P15).
func (db *DB) UpdateDevice(ctx context.Context, d device.Device, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		kept, err := tx.deviceNow(ctx, d.Tenant, d.ID)
		if err != nil {
			return err
		}
		if err := tx.replaceDevice(ctx, decided(kept, d)); err != nil || d.Enabled {
			return err
		}
		return tx.endDeviceSessions(ctx, d.Tenant, d.ID, micros(db.now()))
	})
}

// DeleteDevice removes a device; its sessions end with it.
func (db *DB) DeleteDevice(ctx context.Context, tenant directory.TenantID, id string, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		if err := tx.endDeviceSessions(ctx, tenant, id, micros(db.now())); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM devices WHERE tenant_id = $1 AND id = $2`, tenant, id)
		err = must("delete device", result, err)
		if errors.Is(err, directory.ErrNotFound) {
			return device.ErrNotFound
		}
		return err
	})
}

// CreateSyncedDevice adds the object of a computer that an on-premises directory knows; directory.ErrExists where there is
// one with the id.
func (db *DB) CreateSyncedDevice(ctx context.Context, d device.Device, row audit.Entry) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error { return tx.insertDevice(ctx, d) })
}

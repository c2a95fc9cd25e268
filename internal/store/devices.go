package store

import (
	"context"
	"encoding/json"
	"errors"

	"boundgate/internal/audit"
	"boundgate/internal/device"
	"boundgate/internal/directory"
)

// The columns of a device hold what queries and conditions need; the document has all of it, and the columns win.
const deviceColumns = `document, registration, owner, enabled, last_activity`

func scanDevice(row scanner) (device.Device, error) {
	var d device.Device
	var document []byte
	var registration string
	var owner directory.ObjectID
	var enabled bool
	var active int64
	if err := row.Scan(&document, &registration, &owner, &enabled, &active); err != nil {
		return d, err
	}
	err := json.Unmarshal(document, &d)
	d.Registration, d.Owner, d.Enabled, d.LastActivity = registration, owner, enabled, fromMicros(active)
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

// putDevice writes a device as it is given.
func (tx *tx) putDevice(ctx context.Context, d device.Device, replaces bool) error {
	document, err := json.Marshal(d)
	if err != nil {
		return wrap("encode device", err)
	}
	if replaces {
		const query = `
			UPDATE devices SET registration = $1, owner = $2, enabled = $3, key_thumbprint = $4, document = $5
			WHERE  tenant_id = $6 AND id = $7`
		result, err := tx.ExecContext(ctx, query, d.Registration, d.Owner, d.Enabled, nullable(d.KeyThumbprint), string(document), d.Tenant, d.ID)
		if isDuplicate(err) {
			return conflict("replace registration", err)
		}
		err = must("replace registration", result, err)
		if errors.Is(err, directory.ErrNotFound) {
			return device.ErrNotFound
		}
		return err
	}
	const query = `
		INSERT INTO devices (tenant_id, id, object_id, registration, owner, enabled, key_thumbprint, last_activity, document)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	_, err = tx.ExecContext(ctx, query, d.Tenant, d.ID, d.ObjectID, d.Registration, d.Owner, d.Enabled, nullable(d.KeyThumbprint),
		micros(d.LastActivity), string(document))
	return conflict("register device", err)
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
		const read = `SELECT ` + deviceColumns + ` FROM devices WHERE tenant_id = $1 AND id = $2`
		kept, err := scanDevice(tx.QueryRowContext(ctx, read, d.Tenant, d.ID))
		if err != nil {
			return absent("find device", err, device.ErrNotFound)
		}
		kept.Enabled, kept.Edition, kept.Method, kept.ProfileType = d.Enabled, d.Edition, d.Method, d.ProfileType
		kept.SystemLabels, kept.PhysicalIDs, kept.EnrollmentProfileName = d.SystemLabels, d.PhysicalIDs, d.EnrollmentProfileName
		kept.Ownership, kept.Manufacturer, kept.Model, kept.MDMAppID = d.Ownership, d.Manufacturer, d.Model, d.MDMAppID
		kept.IsCompliant, kept.IsManaged, kept.ExtensionAttributes = d.IsCompliant, d.IsManaged, d.ExtensionAttributes
		if err := tx.putDevice(ctx, kept, true); err != nil || kept.Enabled {
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
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error { return tx.putDevice(ctx, d, false) })
}

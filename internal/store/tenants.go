package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"boundgate/internal/audit"
	"boundgate/internal/directory"
)

// TenantByName finds a tenant by its id or one of its verified domains.
func (db *DB) TenantByName(ctx context.Context, name string) (directory.Tenant, error) {
	name = strings.ToLower(name)
	const query = `
		SELECT id, display_name, settings, created_at FROM tenants
		WHERE  id = $1 OR id = (SELECT tenant_id FROM domains WHERE name = $1 AND verified)
		ORDER  BY id = $1 DESC LIMIT 1` // nobody takes another's id for a domain
	t, err := scanTenant(db.read.QueryRowContext(ctx, query, name))
	if err != nil {
		return t, absent("find tenant", err, directory.ErrNotFound)
	}
	return db.withDomains(ctx, t)
}

// Tenant returns the tenant with this id.
func (db *DB) Tenant(ctx context.Context, id directory.TenantID) (directory.Tenant, error) {
	const query = `SELECT id, display_name, settings, created_at FROM tenants WHERE id = $1`
	t, err := scanTenant(db.read.QueryRowContext(ctx, query, id))
	if err != nil {
		return t, absent("read tenant", err, directory.ErrNotFound)
	}
	return db.withDomains(ctx, t)
}

// Tenants returns every tenant of the deployment, in the order in which they were made.
func (db *DB) Tenants(ctx context.Context) ([]directory.Tenant, error) {
	const query = `SELECT id, display_name, settings, created_at FROM tenants ORDER BY created_at, id`
	list, err := collect(ctx, db.read, scanTenant, query)
	if err != nil {
		return nil, wrap("list tenants", err)
	}
	for n := range list {
		if list[n], err = db.withDomains(ctx, list[n]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func scanTenant(row scanner) (directory.Tenant, error) {
	var t directory.Tenant
	var settings []byte
	var created int64
	if err := row.Scan(&t.ID, &t.DisplayName, &settings, &created); err != nil {
		return t, err
	}
	t.CreatedAt = fromMicros(created)
	return t, json.Unmarshal(settings, &t.Settings)
}

func (db *DB) withDomains(ctx context.Context, t directory.Tenant) (directory.Tenant, error) {
	const query = `SELECT name, verified, initial FROM domains WHERE tenant_id = $1 ORDER BY initial DESC, name`
	var err error
	t.Domains, err = collect(ctx, db.read, func(s scanner) (directory.Domain, error) {
		var d directory.Domain
		return d, s.Scan(&d.Name, &d.Verified, &d.Initial)
	}, query, t.ID)
	return t, wrap("read domains", err)
}

// operatorSecret names the tenant whose administrators may make further tenants.
const operatorSecret = "operator-tenant"

// FoundTenant makes a tenant with its domains, a workspace for its logs and everything else that it begins with, in one
// transaction. directory.ErrExists says that another tenant has verified one of its domains, or is the operator's already.
func (db *DB) FoundTenant(ctx context.Context, f directory.Founding, rows ...audit.Entry) error {
	settings, err := json.Marshal(f.Tenant.Settings)
	if err != nil {
		return wrap("encode settings", err)
	}
	licence, err := json.Marshal(f.Licence)
	if err != nil {
		return wrap("encode licence", err)
	}
	var operator []byte
	if f.Operator {
		if operator, err = db.sealer.Seal([]byte(f.Tenant.ID), "", "secrets", operatorSecret, "value"); err != nil {
			return fmt.Errorf("seal the operator's tenant: %w", err)
		}
	}
	return db.writes.write(ctx, func(ctx context.Context, tx *tx) error {
		if err := tx.found(ctx, f, string(settings), string(licence), operator); err != nil {
			return err
		}
		for _, row := range rows {
			if err := tx.audit(ctx, row); err != nil {
				return err
			}
		}
		return nil
	})
}

func (tx *tx) found(ctx context.Context, f directory.Founding, settings, licence string, operator []byte) error {
	t := f.Tenant
	const tenant = `INSERT INTO tenants (id, display_name, workspace_id, settings, created_at) VALUES ($1, $2, $3, $4, $5)`
	if _, err := tx.ExecContext(ctx, tenant, t.ID, t.DisplayName, uuid.NewString(), settings, micros(t.CreatedAt)); err != nil {
		return conflict("create tenant", err)
	}
	if err := tx.putDomains(ctx, t); err != nil {
		return err
	}
	if f.Administrator.ID != "" {
		if err := tx.insertUser(ctx, f.Administrator); err != nil {
			return err
		}
		if err := tx.assignRole(ctx, t.ID, directory.GlobalAdministrator, f.Administrator.ID); err != nil {
			return err
		}
	}
	if f.Licence != nil {
		const query = `INSERT INTO licences (tenant_id, sku_id, document) VALUES ($1, $2, $3)`
		if _, err := tx.ExecContext(ctx, query, t.ID, f.Licence.SKUID, licence); err != nil {
			return conflict("give a licence", err)
		}
	}
	if !f.Operator {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO secrets (name, value) VALUES ($1, $2)`, operatorSecret, operator)
	return conflict("name the operator's tenant", err)
}

// UpdateTenant changes a tenant's name, settings and domains.
func (db *DB) UpdateTenant(ctx context.Context, t directory.Tenant, row audit.Entry) error {
	settings, err := json.Marshal(t.Settings)
	if err != nil {
		return wrap("encode settings", err)
	}
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		const query = `UPDATE tenants SET display_name = $1, settings = $2 WHERE id = $3`
		result, err := tx.ExecContext(ctx, query, t.DisplayName, string(settings), t.ID)
		if err := must("update tenant", result, err); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM domains WHERE tenant_id = $1`, t.ID); err != nil {
			return wrap("update domains", err)
		}
		return tx.putDomains(ctx, t)
	})
}

func (tx *tx) putDomains(ctx context.Context, t directory.Tenant) error {
	for _, d := range t.Domains {
		const query = `INSERT INTO domains (name, tenant_id, verified, initial) VALUES ($1, $2, $3, $4)`
		if _, err := tx.ExecContext(ctx, query, strings.ToLower(d.Name), t.ID, d.Verified, d.Initial); err != nil {
			return conflict("add domain", err)
		}
	}
	return nil
}

// WorkspaceOf returns the id of the tenant's log workspace.
func (db *DB) WorkspaceOf(ctx context.Context, tenant directory.TenantID) (string, error) {
	var id string
	err := db.read.QueryRowContext(ctx, `SELECT workspace_id FROM tenants WHERE id = $1`, tenant).Scan(&id)
	return id, absent("find workspace", err, directory.ErrNotFound)
}

// TenantOfWorkspace returns the tenant that a log workspace belongs to.
func (db *DB) TenantOfWorkspace(ctx context.Context, workspace string) (directory.TenantID, error) {
	var id directory.TenantID
	err := db.read.QueryRowContext(ctx, `SELECT id FROM tenants WHERE workspace_id = $1`, strings.ToLower(workspace)).Scan(&id)
	return id, absent("find tenant of workspace", err, directory.ErrNotFound)
}

// Licences returns the tenant's licences.
func (db *DB) Licences(ctx context.Context, tenant directory.TenantID) ([]directory.Licence, error) {
	const query = `SELECT document FROM licences WHERE tenant_id = $1 ORDER BY sku_id`
	list, err := collect(ctx, db.read, scanDocument[directory.Licence], query, tenant)
	return list, wrap("read licences", err)
}

// SetLicence adds or changes a licence.
func (db *DB) SetLicence(ctx context.Context, tenant directory.TenantID, l directory.Licence, row audit.Entry) error {
	return db.putDocument(ctx, row, "set licence", `
		INSERT INTO licences (tenant_id, sku_id, document) VALUES ($1, $2, $3)
		ON CONFLICT (tenant_id, sku_id) DO UPDATE SET document = excluded.document`, tenant, l.SKUID, l)
}

// putDocument writes a JSON document under a tenant and a key.
func (db *DB) putDocument(ctx context.Context, row audit.Entry, what, query string, tenant directory.TenantID, key string, v any) error {
	document, err := json.Marshal(v)
	if err != nil {
		return wrap(what, err)
	}
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		_, err := tx.ExecContext(ctx, query, tenant, key, string(document))
		return conflict(what, err)
	})
}

// remove deletes the one row that a query names.
func (db *DB) remove(ctx context.Context, row audit.Entry, what, query string, args ...any) error {
	return db.change(ctx, row, func(ctx context.Context, tx *tx) error {
		result, err := tx.ExecContext(ctx, query, args...)
		return must(what, result, err)
	})
}

// Applications returns the clients that the tenant knows: those that come with the program, with the tenant's own entries
// in their place or beside them.
func (db *DB) Applications(ctx context.Context, tenant directory.TenantID) ([]directory.Application, error) {
	const query = `SELECT document FROM applications WHERE tenant_id = $1 ORDER BY app_id`
	own, err := collect(ctx, db.read, scanDocument[directory.Application], query, tenant)
	if err != nil {
		return nil, wrap("list applications", err)
	}
	return merge(directory.WellKnownApplications(), own, func(a directory.Application) directory.AppID { return a.AppID }), nil
}

// Application returns one client.
func (db *DB) Application(ctx context.Context, tenant directory.TenantID, id directory.AppID) (directory.Application, error) {
	const query = `SELECT document FROM applications WHERE tenant_id = $1 AND app_id = $2`
	a, err := scanDocument[directory.Application](db.read.QueryRowContext(ctx, query, tenant, id))
	err = absent("find application", err, directory.ErrNotFound)
	if errors.Is(err, directory.ErrNotFound) {
		if known, ok := db.catalog.applications[id]; ok {
			return known, nil
		}
	}
	return a, err
}

// PutApplication adds or changes a client.
func (db *DB) PutApplication(ctx context.Context, tenant directory.TenantID, a directory.Application, row audit.Entry) error {
	return db.putDocument(ctx, row, "put application", `
		INSERT INTO applications (tenant_id, app_id, document) VALUES ($1, $2, $3)
		ON CONFLICT (tenant_id, app_id) DO UPDATE SET document = excluded.document`, tenant, string(a.AppID), a)
}

// DeleteApplication removes the tenant's own entry for a client.
func (db *DB) DeleteApplication(ctx context.Context, tenant directory.TenantID, id directory.AppID, row audit.Entry) error {
	return db.remove(ctx, row, "delete application", `DELETE FROM applications WHERE tenant_id = $1 AND app_id = $2`, tenant, id)
}

// Resources returns what tokens can be asked for in the tenant.
func (db *DB) Resources(ctx context.Context, tenant directory.TenantID) ([]directory.Resource, error) {
	own, err := db.ownResources(ctx, tenant)
	if err != nil {
		return nil, err
	}
	list := merge(directory.WellKnownResources(), own, func(r directory.Resource) directory.AppID { return r.AppID })
	for n := range list {
		list[n] = inTenant(tenant, list[n])
	}
	return list, nil
}

func (db *DB) ownResources(ctx context.Context, tenant directory.TenantID) ([]directory.Resource, error) {
	const query = `SELECT document FROM resources WHERE tenant_id = $1 ORDER BY app_id`
	own, err := collect(ctx, db.read, scanDocument[directory.Resource], query, tenant)
	return own, wrap("list resources", err)
}

// ResourceNamed finds the resource that a client names.
func (db *DB) ResourceNamed(ctx context.Context, tenant directory.TenantID, identifier string) (directory.Resource, error) {
	own, err := db.ownResources(ctx, tenant)
	if err != nil {
		return directory.Resource{}, err
	}
	for _, list := range [][]directory.Resource{own, db.catalog.resources} {
		for _, r := range list {
			if r.Names(identifier) {
				return inTenant(tenant, r), nil
			}
		}
	}
	return directory.Resource{}, directory.ErrNotFound
}

// PutResource adds or changes a resource.
func (db *DB) PutResource(ctx context.Context, tenant directory.TenantID, r directory.Resource, row audit.Entry) error {
	return db.putDocument(ctx, row, "put resource", `
		INSERT INTO resources (tenant_id, app_id, document) VALUES ($1, $2, $3)
		ON CONFLICT (tenant_id, app_id) DO UPDATE SET document = excluded.document`, tenant, string(r.AppID), r)
}

// DeleteResource removes the tenant's own entry for a resource.
func (db *DB) DeleteResource(ctx context.Context, tenant directory.TenantID, id directory.AppID, row audit.Entry) error {
	return db.remove(ctx, row, "delete resource", `DELETE FROM resources WHERE tenant_id = $1 AND app_id = $2`, tenant, id)
}

// catalog holds what comes with the program.
type catalog struct {
	applications map[directory.AppID]directory.Application
	resources    []directory.Resource
}

func newCatalog() *catalog {
	c := &catalog{applications: map[directory.AppID]directory.Application{}, resources: directory.WellKnownResources()}
	for _, a := range directory.WellKnownApplications() {
		c.applications[a.AppID] = a
	}
	return c
}

// inTenant gives a resource its object id in a tenant: the same at each look, without a row for each.
func inTenant(tenant directory.TenantID, r directory.Resource) directory.Resource {
	if space, err := uuid.Parse(string(tenant)); err == nil && r.ObjectID == "" {
		r.ObjectID = directory.ObjectID(uuid.NewSHA1(space, []byte(r.AppID)).String())
	}
	return r
}

// merge returns base with the entries of own in the place of those with the same key, and the others behind.
func merge[K comparable, T any](base, own []T, key func(T) K) []T {
	at := map[K]int{}
	for n, v := range base {
		at[key(v)] = n
	}
	for _, v := range own {
		if n, ok := at[key(v)]; ok {
			base[n] = v
			continue
		}
		base = append(base, v)
	}
	return base
}

-- +goose Up

-- Named locations, which policies name.
CREATE TABLE named_locations (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id        TEXT NOT NULL,
    document  TEXT NOT NULL, -- JSON
    PRIMARY KEY (tenant_id, id)
);

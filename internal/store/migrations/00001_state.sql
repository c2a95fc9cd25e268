-- +goose Up

-- What belongs to the whole deployment: sealed secrets and numbers.
CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL -- sealed
);
CREATE TABLE numbers (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE tenants (
    id             TEXT PRIMARY KEY,
    display_name   TEXT   NOT NULL,
    workspace_id   TEXT   NOT NULL UNIQUE,
    settings       TEXT   NOT NULL, -- JSON
    policy_version BIGINT NOT NULL DEFAULT 0,
    created_at     BIGINT NOT NULL  -- microseconds since 1970, as all times
);
CREATE TABLE domains (
    tenant_id TEXT    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name      TEXT    NOT NULL, -- lower case
    verified  BOOLEAN NOT NULL,
    initial   BOOLEAN NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
CREATE UNIQUE INDEX domains_verified ON domains (name) WHERE verified; -- anyone may claim a name, one tenant has it
CREATE TABLE licences (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    sku_id    TEXT NOT NULL,
    document  TEXT NOT NULL, -- JSON
    PRIMARY KEY (tenant_id, sku_id)
);

CREATE TABLE users (
    tenant_id           TEXT    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id                  TEXT    NOT NULL,
    upn                 TEXT    NOT NULL, -- lower case
    display_name        TEXT    NOT NULL,
    enabled             BOOLEAN NOT NULL,
    type                TEXT    NOT NULL,
    emergency_access    BOOLEAN NOT NULL,
    password_hash       TEXT    NOT NULL,
    password_changed_at BIGINT  NOT NULL,
    sessions_valid_from BIGINT  NOT NULL,
    home_tenant         TEXT    NOT NULL,
    home_user           TEXT    NOT NULL,
    created_at          BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, upn)
);
CREATE UNIQUE INDEX users_by_home ON users (tenant_id, home_tenant, home_user) WHERE home_tenant <> '';

CREATE TABLE groups (
    tenant_id    TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id           TEXT   NOT NULL,
    display_name TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE TABLE group_members (
    tenant_id TEXT NOT NULL,
    group_id  TEXT NOT NULL,
    member_id TEXT NOT NULL,
    kind      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, group_id, member_id),
    FOREIGN KEY (tenant_id, group_id) REFERENCES groups (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX group_members_by_member ON group_members (tenant_id, member_id, group_id);
CREATE TABLE role_assignments (
    tenant_id TEXT NOT NULL,
    role      TEXT NOT NULL,
    user_id   TEXT NOT NULL,
    PRIMARY KEY (tenant_id, role, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX role_assignments_by_user ON role_assignments (tenant_id, user_id, role);

CREATE TABLE applications (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    app_id    TEXT NOT NULL,
    document  TEXT NOT NULL, -- JSON
    PRIMARY KEY (tenant_id, app_id)
);
CREATE TABLE resources (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    app_id    TEXT NOT NULL,
    document  TEXT NOT NULL, -- JSON
    PRIMARY KEY (tenant_id, app_id)
);

CREATE TABLE devices (
    tenant_id      TEXT    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id             TEXT    NOT NULL, -- device id
    object_id      TEXT    NOT NULL,
    registration   TEXT    NOT NULL, -- '' for a synchronised object that has not joined
    owner          TEXT    NOT NULL,
    enabled        BOOLEAN NOT NULL,
    key_thumbprint TEXT,             -- NULL before registration
    last_activity  BIGINT  NOT NULL,
    document       TEXT    NOT NULL, -- JSON of all else
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, object_id),
    UNIQUE (tenant_id, key_thumbprint)
);
CREATE INDEX devices_by_owner ON devices (tenant_id, owner);

CREATE TABLE policies (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id        TEXT NOT NULL,
    document  TEXT NOT NULL, -- JSON
    PRIMARY KEY (tenant_id, id)
);
CREATE TABLE policy_versions (
    tenant_id  TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    version    BIGINT NOT NULL, -- the tenant's policy_version that it came with
    document   TEXT,            -- NULL for a deletion
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id, version)
);

CREATE TABLE audit (
    sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT   NOT NULL,
    tenant_id TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    document  TEXT   NOT NULL, -- JSON
    UNIQUE (tenant_id, id)
);
CREATE INDEX audit_by_tenant ON audit (tenant_id, sequence);

-- Sessions. Texts of tokens are not kept, only their hashes.
CREATE TABLE prts (
    hash         BLOB PRIMARY KEY,
    session_id   TEXT    NOT NULL,
    tenant_id    TEXT    NOT NULL,
    user_id      TEXT    NOT NULL,
    device_id    TEXT    NOT NULL,
    registration TEXT    NOT NULL,
    session_key  BLOB    NOT NULL, -- sealed
    kdf          INTEGER NOT NULL,
    origin       TEXT    NOT NULL, -- JSON
    issued_at    BIGINT  NOT NULL,
    expires_at   BIGINT  NOT NULL,
    revoked_at   BIGINT  NOT NULL DEFAULT 0
);
CREATE INDEX prts_by_session ON prts (tenant_id, session_id, issued_at);
CREATE INDEX prts_by_user ON prts (tenant_id, user_id);
CREATE INDEX prts_by_device ON prts (tenant_id, device_id);
CREATE INDEX prts_by_expiry ON prts (expires_at);
CREATE TABLE refresh_tokens (
    hash         BLOB PRIMARY KEY,
    family       TEXT    NOT NULL,
    tenant_id    TEXT    NOT NULL,
    user_id      TEXT    NOT NULL,
    client_id    TEXT    NOT NULL,
    home_tenant  TEXT    NOT NULL,
    home_user    TEXT    NOT NULL,
    session_id   TEXT    NOT NULL,
    device_id    TEXT    NOT NULL,
    registration TEXT    NOT NULL,
    origin       TEXT    NOT NULL, -- JSON
    interactive  BOOLEAN NOT NULL,
    upgraded_at  BIGINT  NOT NULL DEFAULT 0,
    issued_at    BIGINT  NOT NULL,
    expires_at   BIGINT  NOT NULL,
    spent_at     BIGINT  NOT NULL DEFAULT 0,
    revoked_at   BIGINT  NOT NULL DEFAULT 0
);
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_by_home_user ON refresh_tokens (home_tenant, home_user);
-- Of guests and of bound tokens only: every index is a page to write when a token is issued.
CREATE INDEX refresh_tokens_by_guest ON refresh_tokens (tenant_id, user_id) WHERE home_tenant <> tenant_id;
CREATE INDEX refresh_tokens_by_device ON refresh_tokens (home_tenant, device_id) WHERE device_id <> '';
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
CREATE TABLE spent_nonces (
    id         BLOB PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX spent_nonces_by_expiry ON spent_nonces (expires_at);

-- Sign-in rows that wait to be moved to the log store, and where each writer's chain stands.
CREATE TABLE intake (
    sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
    writer    TEXT   NOT NULL,
    seq       BIGINT NOT NULL,
    hash      BLOB   NOT NULL,
    canonical BLOB   NOT NULL
);
CREATE TABLE chains (
    writer TEXT PRIMARY KEY,
    seq    BIGINT NOT NULL,
    hash   BLOB   NOT NULL
);

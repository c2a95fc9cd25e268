-- +goose Up

-- Second factors of people.
CREATE TABLE factors (
    tenant_id    TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    user_id      TEXT   NOT NULL,
    kind         TEXT   NOT NULL,
    display_name TEXT   NOT NULL,
    secret       BLOB   NOT NULL, -- sealed; empty for a passkey
    credential   TEXT   NOT NULL, -- JSON; '' for a TOTP
    last_step    BIGINT NOT NULL,
    sign_count   BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX factors_by_user ON factors (tenant_id, user_id);

-- What people, or an administrator for everybody, have agreed that an application may do.
CREATE TABLE consents (
    tenant_id   TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    id          TEXT   NOT NULL,
    user_id     TEXT   NOT NULL, -- '' for everybody
    client_id   TEXT   NOT NULL,
    resource_id TEXT   NOT NULL,
    scopes      TEXT   NOT NULL, -- separated by blanks
    at          BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, client_id, resource_id, user_id)
);

-- +goose Up

-- Accounts that are signed in in a browser: one cookie, of which the hash is kept, holds them all.
CREATE TABLE browser_sessions (
    hash       BLOB   NOT NULL,
    tenant_id  TEXT   NOT NULL, -- home
    user_id    TEXT   NOT NULL,
    document   TEXT   NOT NULL, -- JSON
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (hash, tenant_id, user_id)
);
CREATE INDEX browser_sessions_by_user ON browser_sessions (tenant_id, user_id);
CREATE INDEX browser_sessions_by_expiry ON browser_sessions (expires_at);

-- Authorization codes live for a minute and work once.
CREATE TABLE codes (
    hash       BLOB PRIMARY KEY,
    document   TEXT   NOT NULL, -- JSON
    expires_at BIGINT NOT NULL,
    spent_at   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX codes_by_expiry ON codes (expires_at);

-- Device authorization requests. An answer is there once.
CREATE TABLE device_codes (
    hash       BLOB PRIMARY KEY,
    user_code  BLOB    NOT NULL UNIQUE, -- hash
    document   TEXT    NOT NULL, -- JSON
    expires_at BIGINT  NOT NULL,
    answered   BOOLEAN NOT NULL DEFAULT FALSE,
    approval   TEXT    NOT NULL DEFAULT '', -- JSON; '' where nobody has approved
    spent_at   BIGINT  NOT NULL DEFAULT 0
);
CREATE INDEX device_codes_by_expiry ON device_codes (expires_at);

-- Of the redirect URI that a refresh token's session began with; '' where there was none.
ALTER TABLE refresh_tokens ADD COLUMN platform TEXT NOT NULL DEFAULT '';
-- What it was asked for with: a redemption that names nothing means that.
ALTER TABLE refresh_tokens ADD COLUMN resource TEXT NOT NULL DEFAULT '';
ALTER TABLE refresh_tokens ADD COLUMN scope TEXT NOT NULL DEFAULT '';

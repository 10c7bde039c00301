-- Tokens of people and programs, and the sessions of the console that begin with one. Only
-- hashes are kept. A session with link set is a sign-in link: it is replaced by a real
-- session when it is used, once.
-- +goose Up
CREATE TABLE tokens (
    id           uuid PRIMARY KEY,
    hash         bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    name         text NOT NULL,
    role         text NOT NULL CHECK (role IN ('viewer', 'developer', 'operator', 'admin')),
    created_by   text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    last_used_at timestamptz
);
CREATE TABLE sessions (
    hash         bytea PRIMARY KEY CHECK (length(hash) = 32),
    token_id     uuid NOT NULL REFERENCES tokens ON DELETE CASCADE,
    link         boolean NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);
CREATE INDEX sessions_token ON sessions (token_id);

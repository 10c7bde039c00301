-- Sign-ins of the command line that wait for somebody to approve them in the console. token_id
-- is that of who has. A token that came from another one ends with it.
-- +goose Up
CREATE TABLE devices (
    hash       bytea PRIMARY KEY CHECK (length(hash) = 32),
    user_code  text NOT NULL UNIQUE,
    name       text NOT NULL,
    address    text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    token_id   uuid REFERENCES tokens ON DELETE CASCADE
);
CREATE INDEX devices_token ON devices (token_id);
ALTER TABLE tokens ADD COLUMN parent_id uuid REFERENCES tokens ON DELETE CASCADE;

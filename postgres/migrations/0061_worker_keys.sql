-- Tokens with which workers join, and the keys of the workers that have.
-- +goose Up
ALTER TABLE tokens DROP CONSTRAINT tokens_role_check;
ALTER TABLE tokens ADD CONSTRAINT tokens_role_check CHECK (role IN ('viewer', 'developer', 'operator', 'admin', 'worker')) NOT VALID;
ALTER TABLE tokens VALIDATE CONSTRAINT tokens_role_check;
-- Of a token for workers: how many may still join, and whether an operator must approve each.
ALTER TABLE tokens ADD COLUMN uses_left integer CHECK (uses_left >= 0);
ALTER TABLE tokens ADD COLUMN needs_approval boolean NOT NULL DEFAULT false;
CREATE TABLE worker_keys (
    worker_id   uuid PRIMARY KEY,
    public_key  text NOT NULL UNIQUE,
    name        text NOT NULL,
    address     text NOT NULL,
    token_id    uuid NOT NULL,
    joined_at   timestamptz NOT NULL DEFAULT now(),
    approved_at timestamptz,
    approved_by text,
    -- A revoked key stays, so that its worker cannot join again with it.
    revoked_at  timestamptz
);

-- What was answered to a request with an Idempotency-Key. A row without a reply
-- is a request that is being answered, or was when its service died: the next
-- try goes on with the same record.
-- +goose Up
CREATE TABLE idempotency_keys (
    operation  text NOT NULL,
    key        text NOT NULL,
    request    bytea NOT NULL, -- SHA-256 of the body
    record     uuid NOT NULL,  -- the identifier of what is created
    status     integer,
    reply      bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (operation, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

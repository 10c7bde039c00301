-- Who asked for what, and with which outcome. A change and its row are written in one
-- transaction. Executions and runs show who started and cancelled them; NULL where access
-- control was off. The new columns of executions and runs have no default: no rewrite.
-- +goose Up
CREATE TABLE audit (
    id          uuid PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    kind        text NOT NULL,
    token_id    uuid,
    name        text NOT NULL,
    role        text,
    address     text NOT NULL,
    operation   text NOT NULL,
    resource    text,
    resource_id text,
    outcome     text NOT NULL,
    request_id  text NOT NULL
);
CREATE INDEX audit_age ON audit (at);
CREATE INDEX audit_token ON audit (token_id, id) WHERE token_id IS NOT NULL;
CREATE INDEX audit_resource ON audit (resource_id, id) WHERE resource_id IS NOT NULL;
ALTER TABLE executions ADD COLUMN started_by text, ADD COLUMN cancelled_by text;
ALTER TABLE runs ADD COLUMN cancelled_by text;

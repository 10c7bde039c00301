-- Hooks, and the events that they have received.
-- +goose Up
CREATE TABLE hooks (
    id          uuid PRIMARY KEY,
    pipeline_id uuid NOT NULL REFERENCES pipelines ON DELETE CASCADE,
    -- A hodei.HookSpec.
    spec        jsonb NOT NULL,
    -- Its place in the definition of the pipeline; null of one that is not part of it.
    position    integer,
    -- The last delivery without a valid signature, of which nothing else is kept.
    refused_at  timestamptz,
    refusal     text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX hooks_of_pipeline ON hooks (pipeline_id, id DESC);

CREATE TABLE hook_deliveries (
    id            uuid PRIMARY KEY,
    hook_id       uuid NOT NULL REFERENCES hooks ON DELETE CASCADE,
    sender_id     text,
    -- The SHA-256 of the event where its sender signs no id: the same event again, under
    -- whatever id, starts nothing.
    digest        bytea,
    event         text NOT NULL,
    sender        text,
    status        text NOT NULL CONSTRAINT hook_deliveries_status CHECK (status IN ('BLOCKED', 'IGNORED', 'REFUSED', 'STARTED')),
    reason        text,
    message       text,
    ref           text,
    commit        text,
    run_id        uuid,
    run_number    integer,
    redelivery_of uuid,
    approved_by   text,
    -- What was received, for a redelivery.
    body          bytea NOT NULL,
    received_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX hook_deliveries_of_hook ON hook_deliveries (hook_id, id DESC);
CREATE UNIQUE INDEX hook_deliveries_once ON hook_deliveries (hook_id, sender_id) WHERE sender_id IS NOT NULL AND redelivery_of IS NULL;
CREATE UNIQUE INDEX hook_deliveries_digest ON hook_deliveries (hook_id, digest) WHERE digest IS NOT NULL AND redelivery_of IS NULL;

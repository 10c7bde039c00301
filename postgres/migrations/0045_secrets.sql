-- Values that commands receive and that no reply contains, encrypted under a key that is
-- not in the database. A deleted secret keeps its row, without the value, so that no
-- version is used twice.
-- +goose Up
CREATE TABLE secrets (
    id          uuid PRIMARY KEY,
    name        text NOT NULL,
    -- The pipeline whose jobs may use it, null for all.
    pipeline_id uuid REFERENCES pipelines ON DELETE CASCADE,
    version     integer NOT NULL DEFAULT 0,
    -- The key, see package seal, and what it encrypted; null for a deleted secret.
    key_id      text,
    sealed      bytea,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    used_at     timestamptz
);
CREATE UNIQUE INDEX secrets_name ON secrets (name, coalesce(pipeline_id, '00000000-0000-0000-0000-000000000000'));
CREATE INDEX secrets_pipeline ON secrets (pipeline_id) WHERE pipeline_id IS NOT NULL;

-- The versions that the command received, by name.
ALTER TABLE executions ADD COLUMN secret_versions jsonb;

-- Caches: files that jobs have left for later runs of their pipeline, as blobs.
-- +goose Up
CREATE TABLE caches (
    id           uuid PRIMARY KEY,
    pipeline_id  uuid NOT NULL REFERENCES pipelines ON DELETE CASCADE,
    -- The pull request of a fork, whose runs alone use it; '' for all runs of the pipeline.
    scope        text NOT NULL,
    key          text COLLATE "C" NOT NULL CHECK (key <> ''),
    paths        text[] NOT NULL,
    -- Of the paths: a cache of other paths is another one.
    paths_sha256 bytea NOT NULL CHECK (length(paths_sha256) = 32),
    blob_id      uuid NOT NULL REFERENCES blobs,
    files        integer NOT NULL CHECK (files >= 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    used_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (pipeline_id, paths_sha256, scope, key)
);
CREATE INDEX caches_of_pipeline ON caches (pipeline_id, id DESC);
CREATE INDEX caches_of_blob ON caches (blob_id);
CREATE INDEX caches_used ON caches (used_at);

-- What a pipeline has beside its jobs: hodei.Settings. A job of a definition has a key,
-- unique in its pipeline; one made over REST may have none.
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE pipelines ADD COLUMN IF NOT EXISTS settings jsonb NOT NULL DEFAULT '{}';
DROP INDEX CONCURRENTLY IF EXISTS jobs_key;
CREATE UNIQUE INDEX CONCURRENTLY jobs_key ON jobs (pipeline_id, (spec->>'key')) WHERE spec ? 'key';

-- A concurrency key belongs to its pipeline. The key is first, so that services of the older
-- version, which look for the key alone, still use the index during an upgrade.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS runs_of_key;
CREATE INDEX CONCURRENTLY runs_of_key ON runs (concurrency_key, pipeline_id, id) WHERE completed_at IS NULL AND concurrency_key IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS runs_live;

-- An attempt of a job starts one run. The changes that parents have not taken notice of
-- are few at any time.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS runs_of_parent;
CREATE UNIQUE INDEX CONCURRENTLY runs_of_parent ON runs (parent_run_id, parent_key, parent_attempt) WHERE parent_run_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS runs_parent_due;
CREATE INDEX CONCURRENTLY runs_parent_due ON runs (parent_run_id) WHERE parent_due;

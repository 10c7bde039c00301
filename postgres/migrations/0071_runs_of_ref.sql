-- The last run of a ref that completed or failed, at the end of each run that may have
-- recovered. The first run of a ref would read all runs of its pipeline otherwise.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS runs_of_ref;
CREATE INDEX CONCURRENTLY runs_of_ref ON runs (pipeline_id, coalesce(ref, ''), number DESC) WHERE status IN ('COMPLETED', 'FAILED', 'TIMED_OUT');

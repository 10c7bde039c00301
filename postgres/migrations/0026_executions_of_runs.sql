-- A job of a run has one execution for each attempt. The ends that runs have not taken
-- notice of are few at any time.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS executions_of_run;
CREATE UNIQUE INDEX CONCURRENTLY executions_of_run ON executions (run_id, job_key, attempt) WHERE run_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS executions_run_due;
CREATE INDEX CONCURRENTLY executions_run_due ON executions (run_id) WHERE run_due;

-- An execution whose results a later run reuses stays as long as that run.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS run_jobs_reused;
CREATE INDEX CONCURRENTLY run_jobs_reused ON run_jobs (reused_execution_id) WHERE reused_execution_id IS NOT NULL;

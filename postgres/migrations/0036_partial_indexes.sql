-- An execution without a job or a pipeline, or without a worker yet, has no entry in the
-- index of these. Each of its three row versions had one. An interrupted migration is
-- repeated as a whole; until its end the former index serves.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS executions_of_job_next;
CREATE INDEX CONCURRENTLY executions_of_job_next ON executions (job_id, id DESC) WHERE job_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS executions_of_job;
ALTER INDEX executions_of_job_next RENAME TO executions_of_job;
DROP INDEX CONCURRENTLY IF EXISTS executions_of_pipeline_next;
CREATE INDEX CONCURRENTLY executions_of_pipeline_next ON executions (pipeline_id, id DESC) WHERE pipeline_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS executions_of_pipeline;
ALTER INDEX executions_of_pipeline_next RENAME TO executions_of_pipeline;
DROP INDEX CONCURRENTLY IF EXISTS executions_of_worker_next;
CREATE INDEX CONCURRENTLY executions_of_worker_next ON executions (worker_id, id DESC) WHERE worker_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS executions_of_worker;
ALTER INDEX executions_of_worker_next RENAME TO executions_of_worker;

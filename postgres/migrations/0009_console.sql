-- What ended lately, and what repeats an execution: neither must be looked for
-- in the whole record. The indexes are built while executions are written.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS executions_ended;
CREATE INDEX CONCURRENTLY executions_ended ON executions (completed_at, status) WHERE completed_at IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS executions_retries;
CREATE INDEX CONCURRENTLY executions_retries ON executions (retry_of) WHERE retry_of IS NOT NULL;

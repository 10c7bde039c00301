-- Runs that have ended by the time of their end, for retention, which deletes the oldest.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS runs_ended_at;
CREATE INDEX CONCURRENTLY runs_ended_at ON runs (completed_at, id) WHERE completed_at IS NOT NULL;

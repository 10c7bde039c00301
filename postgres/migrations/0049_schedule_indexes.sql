-- What a schedule started and has not ended, or has not been counted.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS runs_of_schedule;
CREATE INDEX CONCURRENTLY runs_of_schedule ON runs (schedule_id) WHERE schedule_id IS NOT NULL AND completed_at IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS runs_fire_due;
CREATE INDEX CONCURRENTLY runs_fire_due ON runs (schedule_id) WHERE fire_due;
DROP INDEX CONCURRENTLY IF EXISTS executions_of_schedule;
CREATE INDEX CONCURRENTLY executions_of_schedule ON executions (schedule_id)
    WHERE schedule_id IS NOT NULL AND (completed_at IS NULL OR retry_at IS NOT NULL);
DROP INDEX CONCURRENTLY IF EXISTS executions_fire_due;
CREATE INDEX CONCURRENTLY executions_fire_due ON executions (schedule_id) WHERE fire_due;

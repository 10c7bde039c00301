-- Executions that are held, by the time at which they are let go.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS executions_held;
CREATE INDEX CONCURRENTLY executions_held ON executions (not_before) WHERE held AND status = 'PENDING';

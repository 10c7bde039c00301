-- A delivery is PENDING until its run is created. The table has at most 1000 rows for each
-- hook, so the check of its rows is short.
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE hook_deliveries DROP CONSTRAINT hook_deliveries_status, ADD CONSTRAINT hook_deliveries_status
    CHECK (status IN ('BLOCKED', 'IGNORED', 'PENDING', 'REFUSED', 'STARTED'));
DROP INDEX CONCURRENTLY IF EXISTS hook_deliveries_pending;
CREATE INDEX CONCURRENTLY hook_deliveries_pending ON hook_deliveries (id) WHERE status = 'PENDING';

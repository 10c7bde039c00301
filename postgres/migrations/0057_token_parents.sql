-- The tokens that came from another one.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS tokens_parent;
CREATE INDEX CONCURRENTLY tokens_parent ON tokens (parent_id) WHERE parent_id IS NOT NULL;

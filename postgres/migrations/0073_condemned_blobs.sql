-- Condemned content is deleted by used_at, which a failed deletion sets: a blob that the store
-- cannot delete comes after the others.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS blobs_condemned;
CREATE INDEX CONCURRENTLY blobs_condemned ON blobs (used_at) WHERE state = 'CONDEMNED';

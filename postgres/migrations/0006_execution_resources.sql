-- What an execution took of its machine; NULL until it has ended, and where the
-- system did not tell. No default, so no row is rewritten.
-- +goose Up
ALTER TABLE executions ADD COLUMN resources jsonb;

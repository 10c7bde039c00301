-- The outcome of the tests in the files of an artifact: a hodei.TestReport. Without a default,
-- so the table is not rewritten.
-- +goose Up
ALTER TABLE artifacts ADD COLUMN report jsonb;

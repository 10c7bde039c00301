-- How many bytes of output are recorded; NULL leaves it to the worker.
-- +goose Up
ALTER TABLE jobs ADD COLUMN log_limit bigint;
ALTER TABLE executions ADD COLUMN log_limit bigint;

-- Runs and executions that must not start before a time. An execution is held until then.
-- +goose Up
ALTER TABLE runs ADD COLUMN not_before timestamptz;
ALTER TABLE executions ADD COLUMN not_before timestamptz,
    ADD COLUMN held boolean NOT NULL DEFAULT false;

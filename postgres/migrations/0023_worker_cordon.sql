-- A cordon outlives the worker's process. Whether a worker is dedicated is its own
-- setting, recorded as it registers.
-- +goose Up
ALTER TABLE workers
    ADD COLUMN IF NOT EXISTS cordoned boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS dedicated boolean NOT NULL DEFAULT false;

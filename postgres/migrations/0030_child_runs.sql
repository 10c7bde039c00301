-- A job of a run may start a run of another pipeline: one for each attempt. The child has
-- the flag parent_due while its parent has not taken notice of a change that it waits
-- for, as executions.run_due.
-- +goose Up
ALTER TABLE runs
    ADD COLUMN parent_run_id  uuid REFERENCES runs ON DELETE SET NULL,
    ADD COLUMN parent_key     text,
    ADD COLUMN parent_attempt integer,
    ADD COLUMN parent_waits   boolean NOT NULL DEFAULT false,
    ADD COLUMN parent_due     boolean NOT NULL DEFAULT false;

ALTER TABLE run_jobs ADD COLUMN child_run_id uuid, ADD COLUMN message text;

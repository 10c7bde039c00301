-- A run whose step failed by itself is not looked at before then, so that it holds up no other.
-- Without a default, so the table is not rewritten.
-- +goose Up
ALTER TABLE runs ADD COLUMN put_off_until timestamptz;

-- The number of the worker's word that the recorded status comes from. A word
-- with a lower number, which another instance received late, does not replace
-- the status. A new incarnation counts from 0.
-- +goose Up
ALTER TABLE workers ADD COLUMN word bigint NOT NULL DEFAULT 0;

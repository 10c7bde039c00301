-- Chunks of logs are packed before they come here: what Postgres is sent, writes
-- and keeps is a tenth and less of what it was. Where size is not 0, lines is a
-- zstd frame of so many bytes of NDJSON, which Postgres need not try to compress.
-- +goose Up
ALTER TABLE execution_logs ADD COLUMN size integer NOT NULL DEFAULT 0;
ALTER TABLE execution_logs ALTER COLUMN lines SET STORAGE EXTERNAL;

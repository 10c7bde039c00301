-- Files: content under its SHA-256, and the artifacts of executions, which refer to it.
-- +goose Up
CREATE TABLE blobs (
    -- Also the name of the content in the store.
    id      uuid PRIMARY KEY,
    sha256  bytea NOT NULL CHECK (length(sha256) = 32),
    size    bigint NOT NULL CHECK (size >= 0),
    -- CONDEMNED: nothing refers to it and nothing will, and the store is to delete it.
    state   text NOT NULL CONSTRAINT blobs_state CHECK (state IN ('UPLOADING', 'STORED', 'CONDEMNED')),
    -- Who uploads it: no other writes to it before it is verified.
    owner   text NOT NULL,
    -- The last time that it was asked for, which protects it until something refers to it.
    used_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX blobs_stored ON blobs (sha256) WHERE state = 'STORED';
CREATE UNIQUE INDEX blobs_uploading ON blobs (sha256, owner) WHERE state = 'UPLOADING';
CREATE INDEX blobs_used ON blobs (used_at) WHERE state <> 'CONDEMNED';
CREATE INDEX blobs_condemned ON blobs (id) WHERE state = 'CONDEMNED';

CREATE TABLE artifacts (
    id           uuid PRIMARY KEY,
    execution_id uuid NOT NULL REFERENCES executions ON DELETE CASCADE,
    name         text NOT NULL,
    blob_id      uuid NOT NULL REFERENCES blobs,
    files        integer NOT NULL CHECK (files >= 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    UNIQUE (execution_id, name)
);
CREATE INDEX artifacts_of_blob ON artifacts (blob_id);
CREATE INDEX artifacts_expire ON artifacts (expires_at) WHERE expires_at IS NOT NULL;

-- The key with which the access service proves to the others who uses a connection to NATS.
-- +goose Up
CREATE TABLE caller_key (
    id   boolean PRIMARY KEY DEFAULT true CHECK (id),
    key  bytea NOT NULL CHECK (length(key) = 32)
);
INSERT INTO caller_key (key) VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

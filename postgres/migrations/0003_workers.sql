-- Workers. Slots and load are the worker's own word, in the WORKERS bucket;
-- BUSY and AVAILABLE are told apart by it.
-- +goose Up
CREATE TABLE workers (
    id             uuid PRIMARY KEY,
    name           text,
    type           text NOT NULL,
    labels         jsonb NOT NULL,
    status         text NOT NULL CONSTRAINT workers_status
                   CHECK (status IN ('AVAILABLE', 'BUSY', 'DRAINING', 'OFFLINE', 'TERMINATED', 'TERMINATING')),
    total_capacity integer NOT NULL CHECK (total_capacity >= 1),
    incarnation    text NOT NULL DEFAULT '',
    version        text,
    registered_at  timestamptz NOT NULL DEFAULT now(),
    last_seen_at   timestamptz
);

-- Pipelines and their jobs. A job's status and times are those of its latest
-- execution, so they are not stored here.
-- +goose Up
CREATE TABLE pipelines (
    id          uuid PRIMARY KEY,
    name        text NOT NULL,
    description text,
    status      text NOT NULL CONSTRAINT pipelines_status CHECK (status IN ('ACTIVE', 'CREATED')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE jobs (
    id              uuid PRIMARY KEY,
    pipeline_id     uuid NOT NULL REFERENCES pipelines ON DELETE CASCADE,
    name            text,
    description     text,
    type            text,
    command         jsonb NOT NULL,
    environment     jsonb NOT NULL,
    priority        smallint NOT NULL CHECK (priority BETWEEN 0 AND 10),
    requirements    jsonb NOT NULL,
    timeout_seconds double precision,
    retries         jsonb,
    working_dir     text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX jobs_of_pipeline ON jobs (pipeline_id, id DESC);

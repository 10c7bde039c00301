-- Runs of pipelines. A run keeps its definition in its jobs: their specifications are
-- those of the moment when it was created.
-- +goose Up
ALTER TABLE pipelines ADD COLUMN last_run_number integer NOT NULL DEFAULT 0;

CREATE TABLE runs (
    id                  uuid PRIMARY KEY,
    pipeline_id         uuid NOT NULL REFERENCES pipelines ON DELETE CASCADE,
    number              integer NOT NULL CHECK (number >= 1),
    status              text NOT NULL CONSTRAINT runs_status
                        CHECK (status IN ('CANCELLED', 'COMPLETED', 'FAILED', 'PENDING', 'RUNNING', 'TIMED_OUT')),
    reason              text,
    trigger             jsonb NOT NULL,
    params              jsonb NOT NULL,
    ref                 text,
    commit              text,
    rerun_of            uuid,
    warnings            integer NOT NULL DEFAULT 0,
    -- How far the run is, see hodei.RunPlan.
    plan                jsonb NOT NULL,
    concurrency_key     text,
    cancel_requested_at timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    started_at          timestamptz,
    completed_at        timestamptz,
    -- When the run must be looked at, beside the ends of its executions.
    due_at              timestamptz,
    -- Counts the changes of the run and its jobs.
    revision            bigint NOT NULL DEFAULT 0,
    CONSTRAINT runs_ended CHECK ((status IN ('PENDING', 'RUNNING')) = (completed_at IS NULL)),
    CONSTRAINT runs_due CHECK (due_at IS NULL OR completed_at IS NULL),
    UNIQUE (pipeline_id, number)
);
CREATE INDEX runs_of_pipeline ON runs (pipeline_id, id DESC);
CREATE INDEX runs_due_at ON runs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX runs_live ON runs (concurrency_key, id) WHERE completed_at IS NULL AND concurrency_key IS NOT NULL;

CREATE TABLE run_jobs (
    run_id              uuid NOT NULL REFERENCES runs ON DELETE CASCADE,
    key                 text NOT NULL,
    job                 text NOT NULL,
    position            integer NOT NULL,
    name                text,
    leg                 jsonb,
    needs               text[] NOT NULL,
    finally             boolean NOT NULL,
    status              text NOT NULL CONSTRAINT run_jobs_status
                        CHECK (status IN ('BLOCKED', 'CANCELLED', 'COMPLETED', 'FAILED', 'PENDING', 'RUNNING', 'SKIPPED', 'TIMED_OUT', 'WAITING')),
    reason              text,
    job_id              uuid,
    execution_id        uuid,
    attempt             integer NOT NULL,
    reused_execution_id uuid,
    outputs             jsonb,
    approval            jsonb,
    warning             boolean NOT NULL,
    started_at          timestamptz,
    completed_at        timestamptz,
    plan                jsonb NOT NULL,
    spec                jsonb NOT NULL,
    PRIMARY KEY (run_id, key)
);

ALTER TABLE executions ADD COLUMN run_id uuid,
    ADD COLUMN run_number integer,
    ADD COLUMN job_key text,
    ADD COLUMN outputs jsonb,
    -- The execution has ended, no retry follows, and its run has not taken notice.
    ADD COLUMN run_due boolean NOT NULL DEFAULT false;

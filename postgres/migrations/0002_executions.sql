-- Executions. Identifiers are UUIDv7, so id DESC is newest first.
-- +goose Up
CREATE TABLE executions (
    id                  uuid PRIMARY KEY,
    job_id              uuid REFERENCES jobs ON DELETE CASCADE,
    pipeline_id         uuid REFERENCES pipelines ON DELETE CASCADE,
    status              text NOT NULL CONSTRAINT executions_status
                        CHECK (status IN ('CANCELLED', 'COMPLETED', 'FAILED', 'PENDING', 'RUNNING', 'TIMED_OUT')),
    reason              text,
    worker_id           uuid,
    worker_type         text,
    -- The process of the worker that was given it; another process of the same
    -- worker cannot be running it.
    worker_incarnation  text,
    command             jsonb NOT NULL,
    environment         jsonb NOT NULL,
    priority            smallint NOT NULL CHECK (priority BETWEEN 0 AND 10),
    requirements        jsonb NOT NULL,
    timeout_seconds     double precision,
    retries             jsonb,
    working_dir         text,
    exit_code           integer,
    signal              text,
    attempt             integer NOT NULL CHECK (attempt >= 1),
    retry_of            uuid,
    created_at          timestamptz NOT NULL DEFAULT now(),
    scheduled_at        timestamptz,
    started_at          timestamptz,
    completed_at        timestamptz,
    cancel_requested_at timestamptz,
    -- Of the whole log, known once the execution has ended.
    log_count           bigint NOT NULL DEFAULT 0,
    log_digest          bigint NOT NULL DEFAULT 0,
    -- The partition of execution_logs that holds the log.
    log_day             date NOT NULL,
    CONSTRAINT executions_assigned CHECK (status <> 'RUNNING' OR worker_id IS NOT NULL),
    CONSTRAINT executions_ended CHECK ((status IN ('PENDING', 'RUNNING')) = (completed_at IS NULL))
);
CREATE INDEX executions_of_job ON executions (job_id, id DESC);
CREATE INDEX executions_of_pipeline ON executions (pipeline_id, id DESC);
CREATE INDEX executions_of_worker ON executions (worker_id, id DESC);
CREATE INDEX executions_pending ON executions (priority DESC, id) WHERE status = 'PENDING';
CREATE INDEX executions_running ON executions (worker_id) WHERE status = 'RUNNING';

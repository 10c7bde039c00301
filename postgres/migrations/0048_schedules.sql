-- Schedules, and what became of each of their planned times.
-- +goose Up
CREATE TABLE schedules (
    id           uuid PRIMARY KEY,
    pipeline_id  uuid NOT NULL REFERENCES pipelines ON DELETE CASCADE,
    job_id       uuid REFERENCES jobs ON DELETE CASCADE,
    -- A hodei.ScheduleSpec.
    spec         jsonb NOT NULL,
    -- Its place in the definition of the pipeline; null of one that is not part of it.
    position     integer,
    paused       boolean NOT NULL,
    pause_reason text,
    -- The first planned time that a pause prevented.
    paused_from  timestamptz,
    anchor       timestamptz NOT NULL,
    next_at      timestamptz,
    -- When it must be looked at: next_at and its jitter, or earlier.
    due_at       timestamptz,
    failures     integer NOT NULL DEFAULT 0,
    -- The number of its fires, by which old ones are deleted now and then.
    fired        bigint NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT schedules_paused CHECK (NOT paused OR next_at IS NULL)
);
CREATE INDEX schedules_due_at ON schedules (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX schedules_of_pipeline ON schedules (pipeline_id, id DESC);
CREATE INDEX schedules_of_job ON schedules (job_id, id DESC) WHERE job_id IS NOT NULL;

-- The key lets a planned time fire once.
CREATE TABLE schedule_fires (
    schedule_id  uuid NOT NULL REFERENCES schedules ON DELETE CASCADE,
    planned_at   timestamptz NOT NULL,
    kind         text NOT NULL,
    status       text NOT NULL CONSTRAINT schedule_fires_status CHECK (status IN ('SKIPPED', 'STARTED', 'WAITING')),
    reason       text,
    message      text,
    decided_at   timestamptz,
    run_id       uuid,
    run_number   integer,
    execution_id uuid,
    outcome      text,
    count        integer NOT NULL DEFAULT 1,
    PRIMARY KEY (schedule_id, planned_at)
);
CREATE INDEX schedule_fires_waiting ON schedule_fires (schedule_id, planned_at) WHERE status = 'WAITING';

-- fire_due: it has ended, and its schedule has not taken notice.
ALTER TABLE runs ADD COLUMN schedule_id uuid GENERATED ALWAYS AS (substr(trigger->>'schedule_id', 7)::uuid) STORED,
    ADD COLUMN fire_due boolean NOT NULL DEFAULT false;
ALTER TABLE executions ADD COLUMN schedule_id uuid,
    ADD COLUMN planned_at timestamptz,
    ADD COLUMN fire_due boolean NOT NULL DEFAULT false;

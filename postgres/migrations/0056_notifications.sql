-- Messages about changes of runs, and what became of them. The ids have no foreign keys: a
-- message outlives its run, and a change of a run waits for no lock of a pipeline.
-- +goose Up
CREATE TABLE notifications (
    id           uuid PRIMARY KEY,
    -- Orders the messages of a target.
    seq          bigint GENERATED ALWAYS AS IDENTITY,
    pipeline_id  uuid NOT NULL,
    run_id       uuid,
    event        text NOT NULL,
    kind         text NOT NULL,
    address      text NOT NULL,
    -- The address as it is shown.
    target       text NOT NULL,
    -- The name of the secret that signs.
    secret       text NOT NULL,
    -- Identifies the target.
    queue        text NOT NULL,
    -- A hodei.Notice.
    notice       jsonb NOT NULL,
    status       text NOT NULL DEFAULT 'PENDING' CONSTRAINT notifications_status CHECK (status IN ('DELIVERED', 'FAILED', 'PENDING')),
    attempts     integer NOT NULL DEFAULT 0,
    error        text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    attempted_at timestamptz,
    -- The next attempt; while one is made, when it is known to be lost.
    due_at       timestamptz DEFAULT now(),
    -- No attempt is made later.
    expires_at   timestamptz NOT NULL DEFAULT now() + interval '1 day',
    completed_at timestamptz,
    CONSTRAINT notifications_end CHECK ((status = 'PENDING') = (completed_at IS NULL) AND (due_at IS NULL) = (completed_at IS NOT NULL))
);
CREATE INDEX notifications_open ON notifications (queue, seq) WHERE status = 'PENDING';
CREATE INDEX notifications_of_pipeline ON notifications (pipeline_id, id DESC);
CREATE INDEX notifications_of_run ON notifications (run_id, id DESC) WHERE run_id IS NOT NULL;
CREATE INDEX notifications_ended ON notifications (completed_at) WHERE status <> 'PENDING';

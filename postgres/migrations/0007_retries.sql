-- An execution that is to be followed by another one, and when. The new one is
-- made in the statement that takes this away, so there is never a second.
-- +goose Up
ALTER TABLE executions ADD COLUMN retry_at timestamptz,
    ADD CONSTRAINT executions_retry CHECK (retry_at IS NULL OR status IN ('FAILED', 'TIMED_OUT'));
CREATE INDEX executions_retry ON executions (retry_at) WHERE retry_at IS NOT NULL;

-- What ended lately, and what repeats an execution: neither must be looked for
-- in the whole record.
-- +goose Up
CREATE INDEX executions_ended ON executions (completed_at, status) WHERE completed_at IS NOT NULL;
CREATE INDEX executions_retries ON executions (retry_of) WHERE retry_of IS NOT NULL;

-- Whether the log of an execution could not be completed, or is not what its
-- worker sent. A constant default rewrites no row.
-- +goose Up
ALTER TABLE executions ADD COLUMN log_damaged boolean NOT NULL DEFAULT false;

-- A token may be limited to pipelines. The ids have no foreign key: without the pipelines
-- that are deleted, the last of them would leave a token without a limit.
-- +goose Up
ALTER TABLE tokens ADD COLUMN pipelines uuid[] CHECK (cardinality(pipelines) > 0);

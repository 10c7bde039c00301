-- Logs, in chunks of lines as their worker cut them, partitioned by the UTC day
-- on which the execution was made, so that one log is in one partition and
-- retention drops a table. Partitions are made by the partition keeper.
-- +goose Up
CREATE TABLE execution_logs (
    day            date   NOT NULL,
    execution_id   uuid   NOT NULL,
    first_sequence bigint NOT NULL,
    last_sequence  bigint NOT NULL CHECK (last_sequence >= first_sequence),
    digest         bigint NOT NULL,
    -- NDJSON, one line of output each, exactly as the worker wrote it.
    lines          bytea  NOT NULL,
    PRIMARY KEY (day, execution_id, first_sequence)
) PARTITION BY RANGE (day);

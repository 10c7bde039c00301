-- What a job and an execution run is one document, as it is in requests, replies and
-- events. What SQL compares is generated from it. The steps before the index are one
-- statement: an interrupted migration leaves all of them, or none.
-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM information_schema.columns
               WHERE table_schema = current_schema() AND table_name = 'executions' AND column_name = 'spec') THEN
        RETURN;
    END IF;
    ALTER TABLE jobs ALTER COLUMN command TYPE jsonb USING jsonb_build_object(
        'command', command, 'environment', environment, 'priority', priority, 'requirements', requirements,
        'timeout_seconds', timeout_seconds, 'retries', retries, 'working_dir', working_dir, 'log_limit', log_limit);
    ALTER TABLE jobs RENAME COLUMN command TO spec;
    ALTER TABLE jobs DROP COLUMN environment, DROP COLUMN priority, DROP COLUMN requirements,
        DROP COLUMN timeout_seconds, DROP COLUMN retries, DROP COLUMN working_dir, DROP COLUMN log_limit,
        ADD CONSTRAINT jobs_priority CHECK ((spec->>'priority')::smallint BETWEEN 0 AND 10);

    ALTER TABLE executions ALTER COLUMN command TYPE jsonb USING jsonb_build_object(
        'command', command, 'environment', environment, 'priority', priority, 'requirements', requirements,
        'timeout_seconds', timeout_seconds, 'retries', retries, 'working_dir', working_dir, 'log_limit', log_limit);
    ALTER TABLE executions RENAME COLUMN command TO spec;
    ALTER TABLE executions DROP COLUMN environment, DROP COLUMN priority, DROP COLUMN requirements,
        DROP COLUMN timeout_seconds, DROP COLUMN retries, DROP COLUMN working_dir, DROP COLUMN log_limit,
        ADD COLUMN priority smallint NOT NULL GENERATED ALWAYS AS ((spec->>'priority')::smallint) STORED
            CHECK (priority BETWEEN 0 AND 10),
        ADD COLUMN slots integer NOT NULL
            GENERATED ALWAYS AS (greatest(1, (spec->'requirements'->>'capacity')::integer)) STORED;
END $$;
-- +goose StatementEnd
DROP INDEX CONCURRENTLY IF EXISTS executions_pending;
CREATE INDEX CONCURRENTLY executions_pending ON executions (priority DESC, id) WHERE status = 'PENDING';

-- The column has the name that the number has on the wire: the revision of the worker's
-- report from which the recorded status comes.
-- +goose Up
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM information_schema.columns
               WHERE table_schema = current_schema() AND table_name = 'workers' AND column_name = 'word') THEN
        ALTER TABLE workers RENAME COLUMN word TO revision;
    END IF;
END $$;
-- +goose StatementEnd

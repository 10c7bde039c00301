-- Where the definition of a run comes from. A constant default rewrites no row.
-- +goose Up
ALTER TABLE runs ADD COLUMN definition text NOT NULL DEFAULT 'applied'
    CONSTRAINT runs_definition CHECK (definition IN ('applied', 'repository'));

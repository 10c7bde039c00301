-- A slug is what people call a pipeline by; it is accepted wherever the id is.
-- +goose Up
ALTER TABLE pipelines ADD COLUMN IF NOT EXISTS slug text
    CONSTRAINT pipelines_slug CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$')
    CONSTRAINT pipelines_slug_unique UNIQUE;

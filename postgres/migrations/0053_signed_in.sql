-- The sign-in of a person with an OIDC provider makes a token whose text nobody has, for its
-- session: subject is the issuer and the person there.
-- +goose Up
ALTER TABLE tokens ADD COLUMN subject text;

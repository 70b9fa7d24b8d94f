-- Revoking a node: its keys link no more, and of each of its sites what came by then is the last that counts.

ALTER TABLE sites ADD COLUMN accepted_seq bigint CHECK (accepted_seq >= 0);
COMMENT ON COLUMN sites.accepted_seq IS 'the last changeset that counts, once the writer''s key is revoked; later ones are quarantined';

CREATE TABLE revoked_keys (
    public_key bytea PRIMARY KEY CHECK (length(public_key) = 32),
    node bigint NOT NULL,
    revoked_at timestamptz NOT NULL,
    reason text NOT NULL
);

-- Identity: tokens that let a gate enrol, and the certificates that were issued.

-- A token is kept by a hash of its secret only. It is taken once, by one key: the same key may ask again for the
-- certificate whose delivery it missed.
CREATE TABLE enrol_tokens (
    secret_hash bytea PRIMARY KEY CHECK (length(secret_hash) = 32),
    gate bigint NOT NULL CHECK (gate > 0),
    terminal text NOT NULL,
    gate_code text NOT NULL,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > made_at),
    used_at timestamptz,
    used_by_key bytea CHECK ((used_by_key IS NULL) = (used_at IS NULL)),
    used_from text
);
COMMENT ON COLUMN enrol_tokens.used_from IS 'the address that the certificate was asked from';

-- Every certificate that a hub issued by itself. Those of `hub ca issue` are not here: that command needs no database.
CREATE TABLE certificates (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node bigint NOT NULL,
    terminal text,
    public_key bytea NOT NULL CHECK (length(public_key) = 32),
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL CHECK (not_after > not_before),
    issued_at timestamptz NOT NULL,
    reason text NOT NULL CHECK (reason IN ('enrolled', 'renewed', 'rotated'))
);
CREATE INDEX certificates_node ON certificates (node, not_after DESC);

-- A hub whose database was behind: what it must remember until gates know better. See hub/src/recovery.rs.

CREATE TABLE recovery (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    is_due boolean NOT NULL DEFAULT false,
    revision_floor bigint NOT NULL DEFAULT 0 CHECK (revision_floor >= 0),
    changesets bigint NOT NULL DEFAULT 0 CHECK (changesets >= 0),
    noticed_at timestamptz
);
COMMENT ON TABLE recovery IS 'one row';
COMMENT ON COLUMN recovery.is_due IS 'a step back was noticed since the last settling';
COMMENT ON COLUMN recovery.revision_floor IS 'no card revision below it is given any more';
COMMENT ON COLUMN recovery.changesets IS 'changesets of the hub''s own sites that came back from gates, ever';
COMMENT ON COLUMN recovery.noticed_at IS 'when the last of them came';
INSERT INTO recovery DEFAULT VALUES;

CREATE TABLE restatements (card text PRIMARY KEY);
COMMENT ON TABLE restatements IS 'cards whose settled states gates may hold from the lost time: stated anew with the next settling';

-- Logs are cut at the front: changesets up to sites.floor_seq are gone. Rules: ../../README.md.

-- The chain at floor_seq, from which what is left is verified; NULL while nothing is cut.
ALTER TABLE sites ADD COLUMN floor_chain BLOB;

-- Bytes of the bodies in the journal up to the head.
ALTER TABLE sites ADD COLUMN journal_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE sites SET journal_bytes = coalesce((
    SELECT sum(length(j.body)) FROM journal AS j WHERE j.site = ordinal AND j.seq <= head_seq
), 0);

-- When which part of a log was held: by `at_ms`, in the hub's time, everything up to `seq` was.
CREATE TABLE held_marks (
    site  INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (site, seq)
) STRICT, WITHOUT ROWID;

-- Changesets that were cut while `unapplied` or `quarantine` named a change of theirs.
CREATE TABLE kept_bodies (
    site INTEGER NOT NULL,
    seq  INTEGER NOT NULL,
    body BLOB    NOT NULL,
    PRIMARY KEY (site, seq)
) STRICT, WITHOUT ROWID;

-- When the card was issued, once the fact that says so is cut.
ALTER TABLE cards ADD COLUMN registered_ms INTEGER;

-- How often a change was tried again: the least tried come first.
ALTER TABLE quarantine ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;

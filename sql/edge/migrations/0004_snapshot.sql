-- Snapshots: derived rows that come instead of logs which nobody serves any more. Rules: ../../README.md.

-- What opened a site whose first changeset is cut, for those who get its rows in a snapshot.
ALTER TABLE sites ADD COLUMN opening BLOB;

-- The snapshot that is being gathered (state 0) or taken over (state 1); no row when there is none.
CREATE TABLE snapshot (
    id       INTEGER PRIMARY KEY CHECK (id = 0),
    state    INTEGER NOT NULL,
    gathered BLOB    NOT NULL -- from whom, how far, and the sum so far, encoded
) STRICT;

-- Of it: bases of sites (kind 0), coverage (1), fare versions (2), rows of shared tables (3), encoded.
CREATE TABLE snapshot_parts (
    kind    INTEGER NOT NULL,
    key     BLOB    NOT NULL,
    content BLOB    NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

-- Of it: cards as the hub settled them.
CREATE TABLE snapshot_cards (
    card       TEXT    NOT NULL PRIMARY KEY,
    revision   INTEGER NOT NULL,
    facts      INTEGER NOT NULL,
    facts_hash BLOB    NOT NULL,
    state      BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

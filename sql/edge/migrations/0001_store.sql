-- The gate's own tables. Rules: ../../README.md.

-- Writers' logs known here. `ordinal` stands for the 16-byte id in all other tables.
CREATE TABLE sites (
    ordinal       INTEGER PRIMARY KEY,
    site          BLOB    NOT NULL UNIQUE,
    role          INTEGER NOT NULL,           -- 0 gate, 1 hub decisions, 2 hub settled
    terminal      TEXT,                       -- of a gate's site
    node          INTEGER NOT NULL,
    public_key    BLOB    NOT NULL,
    own           INTEGER NOT NULL DEFAULT 0, -- 1: opened by this database
    floor_seq     INTEGER NOT NULL DEFAULT 0, -- changesets up to here are pruned
    head_seq      INTEGER NOT NULL,
    head_chain    BLOB    NOT NULL,
    stamp_ms      INTEGER NOT NULL,           -- time of the last changeset's last change
    stamp_counter INTEGER NOT NULL,
    last_arrival  INTEGER NOT NULL            -- highest facts_by_card.arrival when the head moved
) STRICT;

-- Every changeset as it travels. A signature covers the log up to its row; bodies in between need none.
CREATE TABLE journal (
    site      INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    body      BLOB    NOT NULL,
    signature BLOB,
    PRIMARY KEY (site, seq)
) STRICT, WITHOUT ROWID;

-- Changes kept for a later version: a kind, table or column this one does not know.
CREATE TABLE unapplied (
    site   INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    change INTEGER NOT NULL,
    reason TEXT    NOT NULL,
    PRIMARY KEY (site, seq, change)
) STRICT, WITHOUT ROWID;

-- Changes that verified but cannot be applied. `change` is -1 for a whole changeset.
CREATE TABLE quarantine (
    site   INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    change INTEGER NOT NULL,
    reason TEXT    NOT NULL,
    PRIMARY KEY (site, seq, change)
) STRICT, WITHOUT ROWID;

-- What the hub said about a site, held or not: settled states cover it up to covered_seq; nothing is expected
-- after closed_seq.
CREATE TABLE watermarks (
    site        BLOB    NOT NULL PRIMARY KEY,
    covered_seq INTEGER NOT NULL DEFAULT 0,
    closed_seq  INTEGER
) STRICT, WITHOUT ROWID;

-- Facts of a card in the order of their arrival here. Taps are spread out for the fold and the views.
CREATE TABLE facts_by_card (
    card           TEXT    NOT NULL,
    arrival        INTEGER NOT NULL,
    site           INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    change         INTEGER NOT NULL,
    kind           INTEGER NOT NULL, -- 0 tap, else a hub's fact; its content is in the journal
    at_ms          INTEGER NOT NULL,
    at_counter     INTEGER NOT NULL,
    direction      INTEGER,          -- 0 entry, 1 exit
    accepted       INTEGER,
    reason         INTEGER,          -- tap_reasons.code
    terminal       TEXT,
    gate           INTEGER,
    uncertainty_ms INTEGER,
    fare_version   INTEGER,
    hold           INTEGER,          -- hundredths of a rupiah
    quoted         INTEGER,          -- hundredths of a rupiah
    charged        INTEGER,          -- own exits: what they took from the balance known then; hundredths
    origin         TEXT,             -- own exits: where the journey known then began
    PRIMARY KEY (card, arrival)
) STRICT, WITHOUT ROWID;

-- Cards as the hub settled them: one writer, so a plain table. `state` is the encoded resumable fold state;
-- the columns after it are read from it, for the views.
CREATE TABLE cards (
    id            INTEGER PRIMARY KEY,
    card          TEXT    NOT NULL UNIQUE,
    revision      INTEGER NOT NULL,
    facts         INTEGER NOT NULL,
    facts_hash    BLOB    NOT NULL,
    state         BLOB    NOT NULL,
    balance       INTEGER NOT NULL, -- hundredths of a rupiah
    held          INTEGER NOT NULL, -- hundredths of a rupiah
    status        INTEGER NOT NULL, -- card_statuses.code
    trip_terminal TEXT,
    updated_ms    INTEGER NOT NULL
) STRICT;

-- Whole fare tables (D-22). `fact` is what travels; `routes` spells it out for the views:
-- [[origin code, destination code, price in hundredths], ...].
CREATE TABLE fare_versions (
    version           INTEGER PRIMARY KEY,
    effective_from_ms INTEGER NOT NULL,
    created_ms        INTEGER NOT NULL,
    hash              BLOB    NOT NULL,
    fact              BLOB    NOT NULL,
    routes            TEXT    NOT NULL
) STRICT;

-- The newest heartbeat of each node.
CREATE TABLE heartbeats (
    node       INTEGER PRIMARY KEY,
    at_ms      INTEGER NOT NULL,
    at_counter INTEGER NOT NULL,
    heartbeat  BLOB    NOT NULL
) STRICT;

-- Replicated tables (CRRs): what people edit in place. No constraint but the primary key, no checked reference
-- (D-13), a default for every column that is NOT NULL, because columns arrive one by one.

-- R-34 with its columns. Terminals are retired, never deleted (D-12).
CREATE TABLE terminals (
    id        INTEGER PRIMARY KEY NOT NULL,
    code      TEXT    NOT NULL DEFAULT '',
    name      TEXT    NOT NULL DEFAULT '',
    location  TEXT,
    latitude  REAL,
    longitude REAL,
    is_active INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX terminals_by_code ON terminals (code);

-- R-12. Liveness is not kept here: it follows from the age of heartbeats (D-45).
CREATE TABLE gates (
    id          INTEGER PRIMARY KEY NOT NULL,
    terminal_id INTEGER NOT NULL DEFAULT 0,
    gate_code   TEXT    NOT NULL DEFAULT '',
    type        TEXT    NOT NULL DEFAULT 'bidirectional', -- entry, exit, bidirectional
    status      TEXT    NOT NULL DEFAULT 'online',        -- online, maintenance, error, removed
    mode        TEXT    NOT NULL DEFAULT 'normal',        -- normal, closed, free_flow
    address     TEXT    NOT NULL DEFAULT '',
    public_key  BLOB
) STRICT;

-- R-33 with its columns.
CREATE TABLE system_config (
    key        TEXT    PRIMARY KEY NOT NULL,
    value      TEXT    NOT NULL DEFAULT '',
    updated_at INTEGER NOT NULL DEFAULT 0 -- seconds since 1970
) STRICT;

-- A gate's own denials (T-27). One writer per row: `declared_by` denies in the row where it is `written_by` too;
-- the hub lifts in a row of its own that names it. `denial` counts the denials of a card by one gate, so that a
-- card can be denied again after a lift.
CREATE TABLE deny_list (
    card        TEXT    NOT NULL,
    declared_by INTEGER NOT NULL,
    written_by  INTEGER NOT NULL,
    denial      INTEGER NOT NULL DEFAULT 0,
    lifted      INTEGER NOT NULL DEFAULT 0,
    reason      TEXT    NOT NULL DEFAULT '',
    at_ms       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (card, declared_by, written_by)
) STRICT;

-- transaction_service_db: the system of record (D-30). Everything else is rebuilt from it.
--
-- What arrived is immutable (D-21): changesets and facts are inserted, never changed. Money is booked in double entry
-- (domain 4.2). What the fold says is a cache with its watermark, the card's revision.
--
-- Ids are made where things happen, never drawn from a sequence (D-14): a fact is (site, seq, index), an entry is
-- (card, revision, line). The identity columns here only keep an order of arrival.
--
-- Amounts are NUMERIC(15,2) (D-20). Sums of amounts are NUMERIC(20,2), which holds every sum the program can make, so
-- that no settling can fail on a sum. Times of facts are milliseconds since 1970 as stamped (D-43), columns `_ms`;
-- times of this database are timestamptz.
--
-- References between tables are not checked by the database: what is written together is written in one transaction,
-- and `hub` audits the rest (D-02, I-08).

-- Logs ---------------------------------------------------------------------------------------------------------------

-- Who writes which log, and how far it is stored. The moved head is the acknowledgement.
CREATE TABLE sites (
    site uuid PRIMARY KEY,
    node bigint NOT NULL,
    role text NOT NULL CHECK (role IN ('gate', 'decisions', 'settled')),
    terminal text CHECK ((terminal IS NOT NULL) = (role = 'gate')),
    public_key bytea NOT NULL,
    head_seq bigint NOT NULL,
    head_chain bytea NOT NULL,
    closed_seq bigint,
    reopened bigint NOT NULL DEFAULT 0,
    opened_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 60);
CREATE INDEX sites_node ON sites (node);
COMMENT ON COLUMN sites.closed_seq IS 'last changeset by a SiteClosed fact; cleared when the site writes on';
COMMENT ON COLUMN sites.reopened IS 'how often the site wrote on after it was closed: CLONED_NODE (T-35)';

-- Every changeset as it travelled. Bodies are served to peers as they are.
CREATE TABLE changesets (
    site uuid NOT NULL,
    seq bigint NOT NULL,
    body bytea NOT NULL,
    chain bytea NOT NULL,
    signature bytea,
    arrived_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (site, seq)
);
-- Bodies are small and read back whole: compressing them costs more than it saves.
ALTER TABLE changesets ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON COLUMN changesets.signature IS 'over the chain up to here; only where a run ended';

-- Changesets that wait to be settled, in the order of their arrival.
CREATE TABLE arrivals (
    arrival bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site uuid NOT NULL,
    seq bigint NOT NULL
);

-- Up to where a site's facts are in the settled states. Beside `sites`, so that settling never waits for ingest.
CREATE TABLE coverage (
    site uuid PRIMARY KEY,
    covered_seq bigint NOT NULL
) WITH (fillfactor = 60);

-- Every fact that was taken: content as it travelled, and the columns a person looks for.
CREATE TABLE facts (
    site uuid NOT NULL,
    seq bigint NOT NULL,
    index integer NOT NULL,
    at_ms bigint NOT NULL,
    at_counter bigint NOT NULL,
    kind text NOT NULL,
    card text,
    -- Taps.
    direction text,
    terminal text,
    gate bigint,
    accepted boolean,
    reason text,
    hold numeric(15,2),
    quoted numeric(15,2),
    uncertainty_ms bigint,
    -- Taps: the version the gate used. Fare versions: their number.
    fare_version bigint,
    -- Card status.
    status text,
    status_version bigint,
    -- Top-ups, adjustments, refunds, write-offs.
    amount numeric(15,2),
    content bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (site, seq, index)
);
CREATE INDEX facts_card ON facts (card, at_ms) WHERE card IS NOT NULL;
-- What decisions ask about a card or the fares, without reading its taps.
CREATE INDEX facts_decided ON facts (card, kind) WHERE kind <> 'tap';
CREATE INDEX facts_fares ON facts (fare_version) WHERE kind = 'fare_version';
COMMENT ON TABLE facts IS 'gates'' observations and the hub''s decisions; united by (site, seq, index) (D-14)';

-- Payments by their channel's reference (T-30). Bytes, because a reference is any text.
CREATE TABLE top_ups (
    site uuid NOT NULL,
    seq bigint NOT NULL,
    index integer NOT NULL,
    arrival bigint GENERATED ALWAYS AS IDENTITY,
    reference bytea NOT NULL,
    card text NOT NULL,
    amount numeric(15,2) NOT NULL,
    PRIMARY KEY (site, seq, index)
);
CREATE INDEX top_ups_reference ON top_ups (reference, arrival);

-- What was not believed ----------------------------------------------------------------------------------------------

-- Changes whose writer had no right to them (T-36): stored in their changeset, never folded.
CREATE TABLE quarantine (
    site uuid NOT NULL,
    seq bigint NOT NULL,
    index integer NOT NULL,
    reason text NOT NULL,
    content bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (site, seq, index)
);

-- Runs that did not verify: the first 1,024 as evidence, all of them counted.
CREATE TABLE refused (
    refusal bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site uuid NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    reason text NOT NULL,
    run bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE refused_count (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    runs bigint NOT NULL
);
INSERT INTO refused_count (runs) VALUES (0);

-- Money --------------------------------------------------------------------------------------------------------------

-- `card:<id>` is what is owed to a holder; the others belong to the operator (domain 4.2).
CREATE TABLE accounts (
    account text PRIMARY KEY,
    card text,
    balance numeric(20,2) NOT NULL DEFAULT 0,
    entries bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 60);
COMMENT ON COLUMN accounts.balance IS 'credits less debits of all postings: a cache, audited against them';

-- Service days: 03:00 to 03:00 Asia/Jakarta (D-49). What is booked late belongs to the open day (T-40).
CREATE TABLE accounting_days (
    service_day date PRIMARY KEY,
    opened_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz
);

-- The journal: append-only. What is no longer so is booked back, never removed.
CREATE TABLE transfers (
    card text NOT NULL,
    revision bigint NOT NULL,
    line bigint NOT NULL,
    rule text NOT NULL,
    debit text NOT NULL,
    credit text NOT NULL CHECK (credit <> debit),
    amount numeric(15,2) NOT NULL CHECK (amount > 0),
    reversal boolean NOT NULL,
    fact_site uuid NOT NULL,
    fact_seq bigint NOT NULL,
    fact_index integer NOT NULL,
    exit_site uuid,
    exit_seq bigint,
    exit_index integer,
    service_day date NOT NULL,
    booked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (card, revision, line)
);
CREATE INDEX transfers_day ON transfers USING brin (service_day);
COMMENT ON COLUMN transfers.debit IS 'the account that gives, as booked; in a reversal that is the one that had received';
COMMENT ON COLUMN transfers.fact_site IS 'the fact behind it; for a completed journey its entry, with the exit beside it';

-- Holds: a pending transfer from the card to fare revenue that moves no posted balance (D-27, domain 4.2). Zero holds
-- make none (D-11).
CREATE TABLE pending_transfers (
    card text NOT NULL,
    revision bigint NOT NULL,
    tap_site uuid NOT NULL,
    tap_seq bigint NOT NULL,
    tap_index integer NOT NULL,
    terminal text NOT NULL,
    entered_ms bigint NOT NULL,
    hold numeric(15,2) NOT NULL CHECK (hold > 0),
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'posted', 'voided')),
    resolved_revision bigint CHECK ((resolved_revision IS NULL) = (state = 'pending')),
    posted numeric(15,2) CHECK ((posted IS NOT NULL) = (state = 'posted')),
    PRIMARY KEY (card, revision)
) WITH (fillfactor = 80);
-- I-03: at most one open hold per card.
CREATE UNIQUE INDEX pending_transfers_open ON pending_transfers (card) WHERE state = 'pending';
COMMENT ON COLUMN pending_transfers.revision IS 'the card''s revision that opened the hold';
COMMENT ON COLUMN pending_transfers.posted IS 'what of the fare the hold covered';

-- Two lines per posted transfer; they sum to 0 (I-02).
CREATE VIEW postings AS
    SELECT card, revision, line, rule, debit AS account, -amount AS amount, reversal, service_day, booked_at
    FROM transfers
    UNION ALL
    SELECT card, revision, line, rule, credit, amount, reversal, service_day, booked_at
    FROM transfers;

-- Cards --------------------------------------------------------------------------------------------------------------

-- What the fold says of each card, with the watermark it was computed at (D-21). Gates get the same states.
CREATE TABLE card_states (
    card text PRIMARY KEY,
    revision bigint NOT NULL,
    facts bigint NOT NULL,
    facts_hash bytea NOT NULL,
    fare_version bigint NOT NULL,
    state bytea NOT NULL,
    balance numeric(20,2) NOT NULL,
    held numeric(20,2) NOT NULL,
    status text NOT NULL CHECK (status IN ('active', 'suspended', 'blocked', 'closed')), -- D-07
    trip_terminal text,
    trip_entry_ms bigint,
    trip_hold numeric(15,2),
    order_ms bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 60);
COMMENT ON COLUMN card_states.state IS 'the complete resumable state of the fold, encoded as it travels';
COMMENT ON COLUMN card_states.order_ms IS 'stamp of the last fact covered: a fare version from later on cannot concern the card';

-- Transitions that were told, for cards that are folded again (I-12).
CREATE TABLE announced (
    card text NOT NULL,
    tap_site uuid NOT NULL,
    tap_seq bigint NOT NULL,
    tap_index integer NOT NULL,
    transition text NOT NULL,
    PRIMARY KEY (card, tap_site, tap_seq, tap_index, transition)
);

-- Fare versions that price (D-22): those of settled changesets.
CREATE TABLE fare_versions (
    version bigint PRIMARY KEY,
    effective_from_ms bigint NOT NULL,
    orphan_policy text NOT NULL CHECK (orphan_policy IN ('release', 'charge_max', 'charge_min')), -- D-26
    hash bytea NOT NULL,
    fact bytea NOT NULL,
    settled_at timestamptz NOT NULL DEFAULT now()
);

-- Shared tables ------------------------------------------------------------------------------------------------------

-- The merged cells of the replicated tables: for each row its columns, and the row itself as column '-1' where
-- cr-sqlite keeps a record of it. An even causal length is a deleted row.
CREATE TABLE rows (
    table_name text NOT NULL,
    key bytea NOT NULL,
    column_name text NOT NULL,
    causal_length bigint NOT NULL,
    col_version bigint NOT NULL,
    value_type text NOT NULL CHECK (value_type IN ('null', 'integer', 'real', 'text', 'blob')),
    value_integer bigint,
    value_real double precision,
    value_text text,
    value_blob bytea,
    PRIMARY KEY (table_name, key, column_name)
);
COMMENT ON COLUMN rows.key IS 'packed as crsql_pack_columns does';
COMMENT ON COLUMN rows.value_blob IS 'a blob; or the bytes of a text that holds NUL, which value_text cannot';

-- Telling ------------------------------------------------------------------------------------------------------------

-- Events in the order of their commit, without gaps. A consumer keeps the position it has reached.
CREATE TABLE outbox (
    position bigint PRIMARY KEY,
    event_key text NOT NULL UNIQUE,
    name text NOT NULL,
    card text,
    revision bigint,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE outbox_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    position bigint NOT NULL
) WITH (fillfactor = 20);
INSERT INTO outbox_head (position) VALUES (0);
COMMENT ON TABLE outbox_head IS 'its lock is held from numbering to commit, so positions appear in order';

-- The hub's own sites ------------------------------------------------------------------------------------------------

-- Who settles. Every statement of a settler is fenced by the term.
CREATE TABLE settler_lease (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    holder text NOT NULL,
    term bigint NOT NULL,
    until timestamptz NOT NULL
);
INSERT INTO settler_lease (holder, term, until) VALUES ('', 0, '-infinity');

-- Where the two sites of the term stand: numbering and chain, no sequences.
CREATE TABLE hub_sites (
    role text PRIMARY KEY CHECK (role IN ('decisions', 'settled')),
    term bigint NOT NULL,
    open bytea NOT NULL,
    head_seq bigint NOT NULL,
    head_chain bytea NOT NULL,
    last_ms bigint NOT NULL,
    last_counter bigint NOT NULL
);

-- What people decided through any hub process, until the settler numbers it.
CREATE TABLE decision_requests (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    idempotency_key text UNIQUE,
    request_hash bytea NOT NULL,
    decisions json NOT NULL,
    override_lead_time boolean NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'taken', 'refused')),
    outcome jsonb CHECK ((outcome IS NULL) = (state = 'pending')),
    settled_at timestamptz
);
CREATE INDEX decision_requests_pending ON decision_requests (id) WHERE state = 'pending';

-- Liveness -----------------------------------------------------------------------------------------------------------

-- The newest heartbeat of each node: its frontier, its open sites, and when it was last heard (D-45).
CREATE TABLE heartbeats (
    node bigint PRIMARY KEY,
    public_key bytea NOT NULL,
    t_ms bigint NOT NULL,
    t_counter bigint NOT NULL,
    beat bytea NOT NULL,
    heard_ms bigint NOT NULL
) WITH (fillfactor = 60);
COMMENT ON COLUMN heartbeats.t_ms IS 'by the node''s clock: it has stated everything up to here';
COMMENT ON COLUMN heartbeats.heard_ms IS 'by the hub''s clock';

-- For people ---------------------------------------------------------------------------------------------------------

-- Taps with readable times.
CREATE VIEW taps AS
    SELECT to_timestamp(at_ms / 1000.0) AS at, card, direction, terminal, gate, accepted, reason, hold, quoted,
           fare_version, site, seq, index
    FROM facts
    WHERE kind = 'tap';

-- Changesets that wait, by site.
CREATE VIEW unsettled AS
    SELECT site, count(*) AS changesets, min(seq) AS first_seq, max(seq) AS last_seq
    FROM arrivals
    GROUP BY site;

-- R-11 to R-14: the source design's terminals, gates, fares and balance_holds, all projections of
-- transaction_service_db: terminals and gates of the merged shared tables, fares of the published versions, holds of
-- the journeys. Departures:
--  * Nothing is deleted by cascade; terminals and gates are retired (D-12): is_active = false, status = 'removed'.
--  * A code is null once a retired terminal or gate has given it up to another (D-12).
--  * Ids of terminals and gates are those of the network, not serials (D-14).
--  * Indexes on a column that UNIQUE indexes already, and on a constant one, are left out or given columns that
--    tell rows apart (D-12).
--  * All money has one width, NUMERIC(15,2) (D-20).

CREATE TYPE gate_type_enum AS ENUM ('entry', 'exit', 'bidirectional');
-- `removed` is a gate taken away (D-12).
CREATE TYPE gate_status_enum AS ENUM ('online', 'offline', 'maintenance', 'error', 'removed');
CREATE TYPE hold_status_enum AS ENUM ('held', 'charged', 'released');

-- A code is unique at the end of each transaction, so that two terminals can exchange theirs in one.
CREATE TABLE terminals (
    id         INTEGER PRIMARY KEY,
    name       VARCHAR(100) NOT NULL,
    code       VARCHAR(10) UNIQUE DEFERRABLE INITIALLY DEFERRED,
    location   TEXT,
    latitude   DECIMAL(10,8),
    longitude  DECIMAL(11,8),
    is_active  BOOLEAN NOT NULL DEFAULT true,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT check_terminal_code CHECK (code ~ '^[A-Z]{1,3}$')
);

-- status and last_heartbeat are derived (D-45): a gate stated to be online that has not been heard for two minutes, or
-- never, is offline. What people stated is in stated_status.
CREATE TABLE gates (
    id             BIGINT PRIMARY KEY,
    terminal_id    INTEGER NOT NULL REFERENCES terminals(id),
    gate_code      VARCHAR(20),
    gate_type      gate_type_enum NOT NULL,
    status         gate_status_enum NOT NULL DEFAULT 'offline',
    stated_status  gate_status_enum NOT NULL DEFAULT 'online',
    mode           TEXT NOT NULL DEFAULT 'normal', -- normal, closed, free_flow
    last_heartbeat TIMESTAMP WITH TIME ZONE,       -- null: never heard
    created_at     TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
    updated_at     TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT unique_gate_per_terminal UNIQUE (terminal_id, gate_code) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT check_stated_status CHECK (stated_status <> 'offline')
);

-- Rows of the shared tables that the tables above do not take, with the reason: columns arrive one by one and
-- unchecked (D-13). Looked at again with every change.
CREATE TABLE rejected_rows (
    table_name TEXT NOT NULL,
    row_key    TEXT NOT NULL,
    reason     TEXT NOT NULL,
    since      TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (table_name, row_key)
);

-- One row per route and fare version (D-22): a version is published whole, and what is in force is the highest version
-- among those that have begun. effective_until follows from the later versions, is_active from the time of the last
-- look; a query that has to be exact compares the times.
CREATE TABLE fares (
    id                      BIGSERIAL PRIMARY KEY,
    version                 INTEGER NOT NULL,
    origin_terminal_id      INTEGER NOT NULL REFERENCES terminals(id),
    destination_terminal_id INTEGER NOT NULL REFERENCES terminals(id),
    price                   NUMERIC(15,2) NOT NULL,
    is_active               BOOLEAN NOT NULL DEFAULT false,
    effective_from          TIMESTAMP WITH TIME ZONE NOT NULL,
    effective_until         TIMESTAMP WITH TIME ZONE,
    created_at              TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
    updated_at              TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT unique_fare_per_version UNIQUE (version, origin_terminal_id, destination_terminal_id),
    CONSTRAINT check_price_positive CHECK (price >= 0),
    CONSTRAINT check_different_terminals CHECK (origin_terminal_id != destination_terminal_id)
);

-- One row per journey that began with an entry.
--  * hold_amount is the highest fare from the entry's terminal (D-23) and may be 0 (D-11); hold_reason names no
--    destination, which nobody knows at the entry.
--  * final_amount may exceed the hold (D-28); it is what the ledger took for the journey, later corrections included.
--  * expires_at makes a hold a candidate for release, no more (D-24): the ledger decides.
--  * transaction_reference follows from the entry's fact id (D-14); nothing is allocated.
--  * terminal_id is null only while the terminal's row has not arrived; terminal_code is what the fact names.
--  * The rule that the source's sample follows is checked: held, charged and released have their columns (R-14).
CREATE TABLE balance_holds (
    id                    BIGSERIAL PRIMARY KEY,
    user_id               BIGINT NOT NULL, -- soft reference to users.id of user_service_db (D-02)
    terminal_id           INTEGER REFERENCES terminals(id),
    hold_amount           NUMERIC(15,2) NOT NULL,
    final_amount          NUMERIC(15,2),
    status                hold_status_enum NOT NULL DEFAULT 'held',
    transaction_reference VARCHAR(100) UNIQUE NOT NULL,
    hold_reason           VARCHAR(255) DEFAULT 'Trip fare hold',
    expires_at            TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at            TIMESTAMP WITH TIME ZONE NOT NULL,
    released_at           TIMESTAMP WITH TIME ZONE,
    updated_at            TIMESTAMP WITH TIME ZONE NOT NULL,
    card_id               VARCHAR(50) NOT NULL,
    terminal_code         VARCHAR(10) NOT NULL,
    entry_fact            VARCHAR(64) NOT NULL,               -- site:seq:index
    captured              NUMERIC(15,2) NOT NULL DEFAULT 0.00, -- taken for the completed journey
    forfeited             NUMERIC(15,2) NOT NULL DEFAULT 0.00, -- taken for the journey without an exit
    completed             BOOLEAN NOT NULL DEFAULT false,
    position              BIGINT NOT NULL,                     -- the last event of the outbox shown here

    CONSTRAINT check_hold_amount_positive CHECK (hold_amount >= 0),
    CONSTRAINT check_final_amount_positive CHECK (final_amount IS NULL OR final_amount >= 0),
    CONSTRAINT check_hold_status CHECK (
        CASE status
            WHEN 'held' THEN final_amount IS NULL AND released_at IS NULL
            WHEN 'charged' THEN final_amount IS NOT NULL AND released_at IS NOT NULL
            ELSE final_amount IS NULL AND released_at IS NOT NULL
        END
    )
);

CREATE INDEX idx_terminals_active ON terminals(is_active);

CREATE INDEX idx_gates_terminal_status ON gates(terminal_id, status);
CREATE INDEX idx_gates_heartbeat ON gates(last_heartbeat) WHERE status = 'online';

CREATE INDEX idx_fares_route ON fares(origin_terminal_id, destination_terminal_id);
CREATE INDEX idx_fares_active ON fares(origin_terminal_id, destination_terminal_id) WHERE is_active;
CREATE INDEX idx_fares_dates ON fares(effective_from, effective_until);

CREATE INDEX idx_balance_holds_user_status ON balance_holds(user_id, status);
CREATE INDEX idx_balance_holds_terminal ON balance_holds(terminal_id, status);
CREATE INDEX idx_balance_holds_expires ON balance_holds(expires_at) WHERE status = 'held';
-- Few rows each: what is open, and what waits for its terminal.
CREATE INDEX idx_balance_holds_open ON balance_holds(card_id) WHERE status = 'held';
CREATE INDEX idx_balance_holds_waiting ON balance_holds(terminal_code) WHERE terminal_id IS NULL;

CREATE TABLE projection_checkpoint (
    name       TEXT PRIMARY KEY,
    position   BIGINT NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO projection_checkpoint (name, position) VALUES ('terminals', 0);

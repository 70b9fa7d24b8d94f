-- R-10: the source design's `users`, one row per card, filled from transaction_service_db by the projection and, for
-- the person behind the card, by the hub's registration. Departures:
--  * status: one enum everywhere, with `closed` (D-07).
--  * full_name may be null: a card can be anonymous, card and person are separate (D-44).
--  * balance, status and the trip are what the fold made of facts, with the revision they stand at (D-21); nobody
--    edits them here.
--  * registered_at and updated_at come from facts, not from the clock of the writer (D-12); null while no fact is
--    known of the card.
--  * demographics as the analytics of R-17 need them.
--  * The index on card_id is left out: UNIQUE has one already (D-12).
CREATE TYPE user_status_enum AS ENUM ('active', 'suspended', 'blocked', 'closed');

CREATE TABLE users (
    id                       BIGSERIAL PRIMARY KEY, -- one writer, so no replica can collide (D-14)
    card_id                  VARCHAR(50) UNIQUE NOT NULL,
    full_name                VARCHAR(255),
    email                    VARCHAR(255),
    phone                    VARCHAR(20),
    demographics             JSONB, -- age_group, gender, membership
    balance                  NUMERIC(15,2) NOT NULL DEFAULT 0.00,
    status                   user_status_enum NOT NULL DEFAULT 'active',
    current_trip_terminal_id INTEGER, -- soft reference to terminals.id of terminal_service_db (D-02)
    -- The same terminal by its code, which is what facts name: not null while travelling, even when the id is not
    -- known yet.
    current_trip_terminal    VARCHAR(10),
    trip_started_at          TIMESTAMP WITH TIME ZONE,
    trip_hold                NUMERIC(15,2),
    registered_at            TIMESTAMP WITH TIME ZONE, -- the card's issue
    updated_at               TIMESTAMP WITH TIME ZONE, -- the card's last settled fact
    revision                 BIGINT NOT NULL DEFAULT 0, -- of the settled state shown here; 0: none yet
    person_revision          BIGINT NOT NULL DEFAULT 0, -- counts the edits of the person's columns
    person_updated_at        TIMESTAMP WITH TIME ZONE,

    CONSTRAINT check_card_id_format CHECK (card_id ~ '^[A-Z0-9]{8,20}$'),
    CONSTRAINT check_trip_is_whole CHECK (
        (current_trip_terminal IS NULL) = (trip_started_at IS NULL)
        AND (current_trip_terminal IS NULL) = (trip_hold IS NULL)
        AND (current_trip_terminal IS NOT NULL OR current_trip_terminal_id IS NULL)
    )
);

CREATE INDEX idx_users_status ON users(status);
-- Who is travelling: few rows.
CREATE INDEX idx_users_travelling ON users(current_trip_terminal) WHERE current_trip_terminal IS NOT NULL;

-- How far this database follows the outbox of transaction_service_db. Moved in the transaction that applies.
CREATE TABLE projection_checkpoint (
    name       TEXT PRIMARY KEY,
    position   BIGINT NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO projection_checkpoint (name, position) VALUES ('users', 0);

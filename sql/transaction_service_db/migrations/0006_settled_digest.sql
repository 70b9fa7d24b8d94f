-- The digest of everything that is settled, kept along: see sync-protocol/src/digest/settled.rs. A database from
-- before gets its row with the next settling, which then reads all card states once.
CREATE TABLE settled_digest (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    cards bigint NOT NULL CHECK (cards >= 0),
    lanes bytea NOT NULL CHECK (length(lanes) = 2048)
) WITH (fillfactor = 50);

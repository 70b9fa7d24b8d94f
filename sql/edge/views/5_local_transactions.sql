-- R-35: the source design's `local_transactions`: every tap of this terminal, denied ones too, as audit trail.
-- Departures: `id` is local to this gate (D-14); amount is exact decimal text (D-20); `synced` follows from what
-- the hub's settled states cover (D-41).
DROP VIEW IF EXISTS local_transactions;
CREATE VIEW local_transactions AS
SELECT
    t.arrival AS id,
    (SELECT c.id FROM cards AS c WHERE c.card = t.card) AS user_id,
    t.terminal_id,
    CASE t.direction WHEN 0 THEN 'checkin' ELSE 'checkout' END
        || CASE WHEN t.accepted THEN '' ELSE '_denied' END AS action_type,
    CASE t.direction WHEN 0 THEN t.hold_text ELSE t.fare_text END AS amount,
    t.at_ms / 1000 AS timestamp,
    t.fact_id AS reference_id,
    t.covered AS synced
FROM taps AS t;

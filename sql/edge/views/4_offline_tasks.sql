-- R-32: the source design's `offline_tasks`: accepted taps of this terminal, pending until the hub's settled
-- states cover them (D-41). Nothing is ever queued or cleared, so `processing` and `failed` do not occur.
-- Departures: `id` is the fact's (D-14); user_id is NULL for a card unknown here (D-40, D-44); estimated_fare is
-- exact decimal text, the hold on entry (D-20, D-23); the time in full is in the payload (D-43).
DROP VIEW IF EXISTS offline_tasks;
CREATE VIEW offline_tasks AS
SELECT
    t.fact_id AS id,
    CASE t.direction WHEN 0 THEN 'checkin' ELSE 'checkout' END AS task_type,
    (SELECT c.id FROM cards AS c WHERE c.card = t.card) AS user_id,
    t.terminal_id,
    CASE t.direction
        WHEN 0 THEN t.terminal_id
        ELSE (SELECT min(o.id) FROM terminals AS o WHERE o.code = t.origin)
    END AS checkin_terminal_id,
    CASE t.direction WHEN 1 THEN t.terminal_id END AS checkout_terminal_id,
    CASE t.direction WHEN 0 THEN t.hold_text ELSE t.fare_text END AS estimated_fare,
    json_object(
        'card', t.card, 'gate', t.gate, 'reason', t.reason, 'fare_version', t.fare_version,
        'at_ms', t.at_ms, 'at_counter', t.at_counter
    ) AS payload,
    t.at_ms / 1000 AS timestamp,
    CASE WHEN t.covered THEN 'processed' ELSE 'pending' END AS status,
    0 AS attempts
FROM taps AS t
WHERE t.accepted;

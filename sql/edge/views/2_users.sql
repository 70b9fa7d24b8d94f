-- R-30: the source design's `users`, one row per card that the hub settled and this gate holds.
-- Departures: `id` is local to this gate (D-14); name, e-mail and phone are not stored on gates and read NULL
-- (D-44); `balance` is exact decimal text, not REAL (D-20), and like current_trip_terminal_id the hub's settled
-- value with this terminal's uncovered taps put on it (D-21, D-40); status knows blocked and closed (D-07);
-- times come from facts, not from the clock of the reader (D-12).
DROP VIEW IF EXISTS users;
CREATE VIEW users AS
SELECT
    id,
    card AS card_id,
    NULL AS full_name,
    NULL AS email,
    NULL AS phone,
    CASE WHEN balance < 0 THEN '-' ELSE '' END || printf('%d.%02d', abs(balance) / 100, abs(balance) % 100) AS balance,
    status,
    CASE last_direction
        WHEN 0 THEN last_terminal_id
        WHEN 1 THEN NULL
        ELSE (SELECT min(t.id) FROM terminals AS t WHERE t.code = trip_terminal)
    END AS current_trip_terminal_id,
    registered_at,
    updated_ms / 1000 AS updated_at
FROM (
    SELECT
        c.id,
        c.card,
        c.balance - coalesce((
            SELECT sum(t.fare) FROM taps AS t
            WHERE t.card = c.card AND NOT t.covered AND t.accepted AND t.direction = 1
        ), 0) AS balance,
        (SELECT s.name FROM card_statuses AS s WHERE s.code = c.status) AS status,
        c.trip_terminal,
        (
            SELECT t.direction FROM taps AS t
            WHERE t.card = c.card AND NOT t.covered AND t.accepted
            ORDER BY t.arrival DESC LIMIT 1
        ) AS last_direction,
        (
            SELECT t.terminal_id FROM taps AS t
            WHERE t.card = c.card AND NOT t.covered AND t.accepted
            ORDER BY t.arrival DESC LIMIT 1
        ) AS last_terminal_id,
        coalesce(
            (SELECT min(f.at_ms) FROM facts_by_card AS f WHERE f.card = c.card AND f.kind = 1),
            c.registered_ms
        ) / 1000 AS registered_at,
        c.updated_ms
    FROM cards AS c
);

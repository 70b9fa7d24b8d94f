-- Cards as they are settled; never back to an older revision.
INSERT INTO users AS u (
    id, card_id, balance, status, current_trip_terminal, current_trip_terminal_id, trip_started_at, trip_hold,
    registered_at, updated_at, revision
)
SELECT
    coalesce(known.id, nextval('users_id_seq')), -- a known card uses up no number
    n.card,
    n.balance::numeric / 100,
    n.status::user_status_enum,
    n.trip_terminal,
    n.trip_terminal_id,
    TIMESTAMPTZ 'epoch' + n.trip_started_ms * INTERVAL '1 millisecond',
    n.trip_hold::numeric / 100,
    TIMESTAMPTZ 'epoch' + n.registered_ms * INTERVAL '1 millisecond',
    TIMESTAMPTZ 'epoch' + n.updated_ms * INTERVAL '1 millisecond',
    n.revision
FROM unnest(
    $1::text[], $2::bigint[], $3::text[], $4::text[], $5::integer[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[]
) AS n (
    card, balance, status, trip_terminal, trip_terminal_id, trip_started_ms, trip_hold, registered_ms, updated_ms,
    revision
)
LEFT JOIN users AS known ON known.card_id = n.card
ORDER BY n.card
ON CONFLICT (card_id) DO UPDATE SET
    balance = EXCLUDED.balance,
    status = EXCLUDED.status,
    current_trip_terminal = EXCLUDED.current_trip_terminal,
    current_trip_terminal_id = EXCLUDED.current_trip_terminal_id,
    trip_started_at = EXCLUDED.trip_started_at,
    trip_hold = EXCLUDED.trip_hold,
    registered_at = LEAST(u.registered_at, EXCLUDED.registered_at),
    updated_at = EXCLUDED.updated_at,
    revision = EXCLUDED.revision
WHERE EXCLUDED.revision >= u.revision

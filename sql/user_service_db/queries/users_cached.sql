-- What the cache shows of the cards $1.
SELECT
    id,
    card_id,
    balance::text AS balance,
    status::text AS status,
    full_name,
    (extract(epoch FROM updated_at))::bigint AS updated_at,
    revision,
    person_revision,
    current_trip_terminal,
    (extract(epoch FROM trip_started_at))::bigint AS trip_started_at,
    trip_hold::text AS trip_hold
FROM users
WHERE card_id = ANY($1::text[]) AND revision > 0
ORDER BY id

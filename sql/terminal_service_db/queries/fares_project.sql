-- The routes of one version ($1) between terminals that are known.
WITH given AS (
    SELECT o.id AS origin, d.id AS destination, n.price::numeric / 100 AS price
    FROM unnest($2::text[], $3::text[], $4::bigint[]) AS n (origin, destination, price)
    JOIN terminals AS o ON o.code = n.origin
    JOIN terminals AS d ON d.code = n.destination
),
gone AS (
    DELETE FROM fares AS f
    WHERE f.version = $1 AND NOT EXISTS (
        SELECT FROM given AS g WHERE g.origin = f.origin_terminal_id AND g.destination = f.destination_terminal_id
    )
)
INSERT INTO fares AS f (
    id, version, origin_terminal_id, destination_terminal_id, price, effective_from, created_at, updated_at
)
SELECT
    coalesce(known.id, nextval('fares_id_seq')), $1, g.origin, g.destination, g.price,
    TIMESTAMPTZ 'epoch' + $5::bigint * INTERVAL '1 millisecond',
    TIMESTAMPTZ 'epoch' + $6::bigint * INTERVAL '1 millisecond',
    TIMESTAMPTZ 'epoch' + $6::bigint * INTERVAL '1 millisecond'
FROM given AS g
LEFT JOIN fares AS known
    ON known.version = $1 AND known.origin_terminal_id = g.origin AND known.destination_terminal_id = g.destination
ORDER BY g.origin, g.destination
ON CONFLICT (version, origin_terminal_id, destination_terminal_id) DO UPDATE SET
    price = EXCLUDED.price,
    effective_from = EXCLUDED.effective_from,
    updated_at = EXCLUDED.updated_at
WHERE (f.price, f.effective_from) IS DISTINCT FROM (EXCLUDED.price, EXCLUDED.effective_from)

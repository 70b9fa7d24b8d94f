-- Status and last heartbeat from when each gate was last heard (D-45): gates $1, heard at $2; now is $3; silent for
-- more than $4 milliseconds is offline.
UPDATE gates AS g SET status = d.status, last_heartbeat = d.last_heartbeat
FROM (
    SELECT
        known.id,
        greatest(known.last_heartbeat, TIMESTAMPTZ 'epoch' + n.heard_ms * INTERVAL '1 millisecond')
            AS last_heartbeat,
        CASE
            WHEN known.stated_status <> 'online' THEN known.stated_status
            WHEN n.heard_ms >= $3::bigint - $4::bigint THEN 'online'
            ELSE 'offline'
        END AS status
    FROM gates AS known
    LEFT JOIN unnest($1::bigint[], $2::bigint[]) AS n (id, heard_ms) ON n.id = known.id
) AS d
WHERE d.id = g.id AND (g.status, g.last_heartbeat) IS DISTINCT FROM (d.status, d.last_heartbeat)

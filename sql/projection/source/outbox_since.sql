-- The position before the first of the last $2 events that is younger than $1 milliseconds.
SELECT coalesce(min(position) - 1, (SELECT coalesce(max(position), 0) FROM outbox))
FROM (SELECT position, created_at FROM outbox ORDER BY position DESC LIMIT $2) AS recent
WHERE created_at > CURRENT_TIMESTAMP - $1::bigint * INTERVAL '1 millisecond'

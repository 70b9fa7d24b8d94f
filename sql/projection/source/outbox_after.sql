SELECT position, name, card, revision, payload, (extract(epoch FROM created_at) * 1000)::bigint AS created_ms
FROM outbox
WHERE position > $1
ORDER BY position
LIMIT $2

SELECT position, event_key, name, card, revision, payload::text
FROM outbox
WHERE position > $1
ORDER BY position
LIMIT $2

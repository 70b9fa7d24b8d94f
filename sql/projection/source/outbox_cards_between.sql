-- The cards of the next $3 events after $1 and up to $2, and the last position looked at.
SELECT coalesce(array_agg(DISTINCT card) FILTER (WHERE card IS NOT NULL), '{}') AS cards, max(position) AS position
FROM (
    SELECT card, position FROM outbox WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3
) AS batch

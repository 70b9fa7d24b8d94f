SELECT DISTINCT ON (reference) reference, site, seq, index, card, (amount * 100)::bigint AS amount
FROM top_ups
WHERE reference = ANY ($1::bytea[])
ORDER BY reference, arrival

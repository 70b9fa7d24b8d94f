SELECT t.card, t.reference
FROM top_ups t
JOIN coverage c ON c.site = t.site AND t.seq <= c.covered_seq
WHERE t.reference = ANY ($1::bytea[])

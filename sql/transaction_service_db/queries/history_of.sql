SELECT f.site, f.seq, f.index, f.at_ms, f.at_counter, f.content, f.hash, f.card
FROM facts f
JOIN coverage c ON c.site = f.site AND f.seq <= c.covered_seq
WHERE f.card = ANY ($1::text[])
ORDER BY f.card, f.at_ms, f.at_counter, f.site, f.seq, f.index

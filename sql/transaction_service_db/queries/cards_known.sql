SELECT c.card,
       EXISTS (SELECT 1 FROM facts f WHERE f.card = c.card) AS known,
       (SELECT max(f.status_version) FROM facts f WHERE f.card = c.card AND f.kind = 'card_status') AS status_version,
       issued.site, issued.seq, issued.index
FROM unnest($1::text[]) AS c (card)
LEFT JOIN LATERAL (
    SELECT f.site, f.seq, f.index
    FROM facts f
    WHERE f.card = c.card AND f.kind = 'card_issued'
    ORDER BY f.at_ms, f.at_counter, f.site, f.seq, f.index
    LIMIT 1
) issued ON true

SELECT s.site, q.seq, q.change, q.reason, q.attempts
FROM quarantine AS q
JOIN sites AS s ON s.ordinal = q.site
ORDER BY q.site, q.seq, q.change
LIMIT ?1

SELECT j.site, j.seq, j.body
FROM sites AS s
JOIN journal AS j ON j.site = s.ordinal AND j.seq > s.head_seq
WHERE s.own
ORDER BY j.site, j.seq

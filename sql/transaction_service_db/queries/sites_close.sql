UPDATE sites s
SET closed_seq = CASE WHEN s.head_seq <= closed.last_seq THEN closed.last_seq END
FROM unnest($1::uuid[], $2::bigint[]) AS closed (site, last_seq)
WHERE s.site = closed.site

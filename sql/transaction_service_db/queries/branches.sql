SELECT b.site, s.node, s.head_seq, b.run, b.times,
       (extract(epoch FROM b.first_seen_at) * 1000)::bigint,
       (extract(epoch FROM b.last_seen_at) * 1000)::bigint,
       (extract(epoch FROM b.decided_at) * 1000)::bigint,
       coalesce(c.covered_seq, 0)
FROM site_branches AS b
JOIN sites AS s ON s.site = b.site
LEFT JOIN coverage AS c ON c.site = b.site
ORDER BY b.first_seen_at, b.site, b.last_chain

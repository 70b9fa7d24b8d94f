SELECT f.site, f.seq, f.index, f.at_ms, f.at_counter, f.content, f.hash
FROM unnest($1::uuid[], $2::bigint[]) AS wanted (site, seq)
JOIN facts f ON f.site = wanted.site AND f.seq = wanted.seq
ORDER BY f.site, f.seq, f.index

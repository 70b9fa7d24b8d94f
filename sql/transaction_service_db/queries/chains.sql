SELECT c.site, c.seq, c.chain
FROM unnest($1::uuid[], $2::bigint[]) AS wanted (site, seq)
JOIN changesets c USING (site, seq)

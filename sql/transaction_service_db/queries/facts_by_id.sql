SELECT f.site, f.seq, f.index, f.at_ms, f.at_counter, f.content, f.hash
FROM unnest($1::uuid[], $2::bigint[], $3::integer[]) AS wanted (site, seq, index)
JOIN facts f USING (site, seq, index)

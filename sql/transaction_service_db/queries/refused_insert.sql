INSERT INTO refused (site, first_seq, last_seq, reason, run)
SELECT site, first_seq, last_seq, reason, run
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[])
    WITH ORDINALITY AS r (site, first_seq, last_seq, reason, run, place)
ORDER BY place

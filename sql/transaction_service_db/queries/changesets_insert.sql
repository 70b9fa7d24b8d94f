WITH new AS (
    SELECT *
    FROM unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::boolean[])
        WITH ORDINALITY AS c (site, seq, body, chain, signature, settles, place)
), stored AS (
    INSERT INTO changesets (site, seq, body, chain, signature)
    SELECT site, seq, body, chain, signature FROM new
)
INSERT INTO arrivals (site, seq)
SELECT site, seq FROM new WHERE settles ORDER BY place

INSERT INTO coverage (site, covered_seq)
SELECT * FROM unnest($1::uuid[], $2::bigint[])
ON CONFLICT (site) DO UPDATE SET covered_seq = excluded.covered_seq

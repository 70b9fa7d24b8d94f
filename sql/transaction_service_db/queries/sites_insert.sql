-- A site that another process opened meanwhile is left alone; the count of rows tells.
INSERT INTO sites (site, node, role, terminal, public_key, head_seq, head_chain)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bytea[], $6::bigint[], $7::bytea[])
ON CONFLICT (site) DO NOTHING

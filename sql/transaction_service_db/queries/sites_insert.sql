-- A site that another process opened meanwhile is left alone; the count of rows tells.
INSERT INTO sites (site, node, role, terminal, public_key, head_seq, head_chain, accepted_seq)
SELECT n.*, CASE WHEN r.public_key IS NOT NULL THEN 0 END
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bytea[], $6::bigint[], $7::bytea[])
         AS n (site, node, role, terminal, public_key, head_seq, head_chain)
LEFT JOIN revoked_keys AS r ON r.public_key = n.public_key
ON CONFLICT (site) DO NOTHING

INSERT INTO quarantine (site, seq, index, reason, content)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::integer[], $4::text[], $5::bytea[])
ON CONFLICT DO NOTHING

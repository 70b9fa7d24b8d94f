INSERT INTO fare_versions (version, effective_from_ms, orphan_policy, hash, fact)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bytea[], $5::bytea[])

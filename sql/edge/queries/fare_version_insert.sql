INSERT INTO fare_versions (version, effective_from_ms, created_ms, hash, fact, routes)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (version) DO NOTHING

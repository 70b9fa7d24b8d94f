SELECT fact, (extract(epoch FROM settled_at) * 1000)::bigint AS settled_ms FROM fare_versions ORDER BY version

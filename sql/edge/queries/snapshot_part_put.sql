INSERT INTO snapshot_parts (kind, key, content) VALUES (?1, ?2, ?3)
ON CONFLICT (kind, key) DO UPDATE SET content = excluded.content

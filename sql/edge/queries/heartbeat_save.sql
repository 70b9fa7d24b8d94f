INSERT INTO heartbeats (node, at_ms, at_counter, heartbeat) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (node) DO UPDATE SET
    at_ms = excluded.at_ms, at_counter = excluded.at_counter, heartbeat = excluded.heartbeat
WHERE (excluded.at_ms, excluded.at_counter) > (at_ms, at_counter)

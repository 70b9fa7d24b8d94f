INSERT INTO gates (id, mode) VALUES (?1, ?2)
ON CONFLICT (id) DO UPDATE SET mode = excluded.mode

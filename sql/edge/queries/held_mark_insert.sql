INSERT INTO held_marks (site, seq, at_ms) VALUES (?1, ?2, ?3)
ON CONFLICT (site, seq) DO NOTHING

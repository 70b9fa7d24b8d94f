INSERT INTO quarantine (site, seq, change, reason) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (site, seq, change) DO UPDATE SET reason = excluded.reason

INSERT INTO journal (site, seq, body, signature) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (site, seq) DO UPDATE SET body = excluded.body, signature = excluded.signature

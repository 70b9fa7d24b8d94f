INSERT INTO journal (site, seq, body, signature) VALUES (?1, ?2, ?3, ?4)

INSERT INTO unapplied (site, seq, change, reason) VALUES (?1, ?2, ?3, ?4)

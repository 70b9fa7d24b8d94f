SELECT site, seq, change FROM quarantine ORDER BY attempts, site, seq, change LIMIT ?1

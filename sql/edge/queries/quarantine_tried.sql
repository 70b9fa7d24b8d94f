UPDATE quarantine SET attempts = attempts + 1 WHERE site = ?1 AND seq = ?2 AND change = ?3

DELETE FROM unapplied WHERE site = ?1 AND seq = ?2 AND change = ?3

DELETE FROM unapplied WHERE site = ?1 AND seq > ?2

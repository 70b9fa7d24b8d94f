DELETE FROM quarantine WHERE site = ?1 AND seq > ?2

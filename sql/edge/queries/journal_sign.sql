UPDATE journal SET signature = ?3 WHERE site = ?1 AND seq = ?2

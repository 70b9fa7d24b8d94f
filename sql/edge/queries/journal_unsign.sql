UPDATE journal SET signature = NULL WHERE site = ?1 AND seq = ?2

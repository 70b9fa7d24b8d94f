UPDATE sites SET opening = ?2 WHERE ordinal = ?1

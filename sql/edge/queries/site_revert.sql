UPDATE sites SET head_seq = ?2, head_chain = ?3, journal_bytes = 0 WHERE ordinal = ?1

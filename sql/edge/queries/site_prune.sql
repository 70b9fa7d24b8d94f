UPDATE sites SET floor_seq = ?2, floor_chain = ?3, journal_bytes = ?4 WHERE ordinal = ?1

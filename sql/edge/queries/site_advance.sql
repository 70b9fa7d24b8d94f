UPDATE sites
SET head_seq = ?2, head_chain = ?3, stamp_ms = ?4, stamp_counter = ?5, last_arrival = ?6, journal_bytes = ?7
WHERE ordinal = ?1

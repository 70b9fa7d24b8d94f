INSERT INTO sites
    (site, role, terminal, node, public_key, own, head_seq, head_chain, stamp_ms, stamp_counter, last_arrival,
     journal_bytes)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)

INSERT INTO hub_sites (role, term, open, head_seq, head_chain, last_ms, last_counter)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (role) DO UPDATE
SET term = excluded.term, open = excluded.open, head_seq = excluded.head_seq, head_chain = excluded.head_chain,
    last_ms = excluded.last_ms, last_counter = excluded.last_counter

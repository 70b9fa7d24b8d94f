-- The fence: the lease of this term is locked until the commit, and prolonged. No rows: another term settles.
WITH lease AS (
    UPDATE settler_lease
    SET until = clock_timestamp() + make_interval(secs => $2)
    WHERE term = $1
    RETURNING term
)
SELECT h.role, h.open, h.head_seq, h.head_chain, h.last_ms, h.last_counter
FROM lease
JOIN hub_sites h USING (term)

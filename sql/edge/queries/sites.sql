SELECT
    ordinal, site, role, terminal, node, public_key, own, floor_seq, head_seq, head_chain,
    stamp_ms, stamp_counter, last_arrival, floor_chain, journal_bytes
FROM sites
ORDER BY ordinal

SELECT
    site, seq, change, kind, at_ms, at_counter, direction, accepted, terminal, gate, uncertainty_ms, fare_version,
    hold, quoted
FROM facts_by_card
WHERE card = ?1
ORDER BY arrival

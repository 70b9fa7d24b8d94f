INSERT INTO facts_by_card (
    card, arrival, site, seq, change, kind, at_ms, at_counter, direction, accepted, reason, terminal, gate,
    uncertainty_ms, fare_version, hold, quoted, charged, origin
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)

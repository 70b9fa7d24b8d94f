INSERT INTO cards (card, revision, facts, facts_hash, state, balance, held, status, trip_terminal, updated_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (card) DO UPDATE SET
    revision = excluded.revision, facts = excluded.facts, facts_hash = excluded.facts_hash,
    state = excluded.state, balance = excluded.balance, held = excluded.held, status = excluded.status,
    trip_terminal = excluded.trip_terminal, updated_ms = excluded.updated_ms
WHERE excluded.revision > revision

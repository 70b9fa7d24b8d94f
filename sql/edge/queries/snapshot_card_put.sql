INSERT INTO snapshot_cards (card, revision, facts, facts_hash, state) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (card) DO UPDATE SET
    revision = excluded.revision, facts = excluded.facts, facts_hash = excluded.facts_hash, state = excluded.state

SELECT card, revision, facts, facts_hash, state FROM snapshot_cards ORDER BY card LIMIT ?1

SELECT card, revision, facts, facts_hash, state FROM cards ORDER BY card

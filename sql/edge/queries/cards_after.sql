SELECT card, revision, facts, facts_hash, state FROM cards WHERE card > ?1 ORDER BY card LIMIT ?2

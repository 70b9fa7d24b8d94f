SELECT card, revision, facts, facts_hash, state FROM snapshot_cards WHERE card = ?1

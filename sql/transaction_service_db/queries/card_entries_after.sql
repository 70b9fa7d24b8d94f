SELECT card, revision, state, fare_version, facts, facts_hash FROM card_states WHERE card > $1 ORDER BY card LIMIT $2

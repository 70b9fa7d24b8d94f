SELECT card, revision, state, fare_version, facts, facts_hash FROM card_states WHERE card = ANY ($1::text[])

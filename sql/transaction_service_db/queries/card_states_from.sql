-- Reads the whole table: only when a fare version is settled.
SELECT card, revision, state, fare_version, facts, facts_hash FROM card_states WHERE order_ms >= $1

INSERT INTO card_states (
    card, revision, facts, facts_hash, fare_version, state, balance, held, status,
    trip_terminal, trip_entry_ms, trip_hold, order_ms
)
SELECT card, revision, facts, facts_hash, fare_version, state, balance::numeric / 100, held::numeric / 100, status,
       trip_terminal, trip_entry_ms, trip_hold::numeric / 100, order_ms
FROM unnest(
    $1::text[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bigint[], $8::bigint[],
    $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[]
) AS s (
    card, revision, facts, facts_hash, fare_version, state, balance, held, status,
    trip_terminal, trip_entry_ms, trip_hold, order_ms
)
ON CONFLICT (card) DO UPDATE
SET revision = excluded.revision, facts = excluded.facts, facts_hash = excluded.facts_hash,
    fare_version = excluded.fare_version, state = excluded.state, balance = excluded.balance,
    held = excluded.held, status = excluded.status, trip_terminal = excluded.trip_terminal,
    trip_entry_ms = excluded.trip_entry_ms, trip_hold = excluded.trip_hold, order_ms = excluded.order_ms,
    updated_at = now()

SELECT id, request_hash, state, outcome::text FROM decision_requests WHERE idempotency_key = $1

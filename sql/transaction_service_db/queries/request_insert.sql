INSERT INTO decision_requests (idempotency_key, request_hash, decisions, override_lead_time, requested_by)
VALUES ($1, $2, $3::json, $4, $5)
ON CONFLICT (idempotency_key) DO NOTHING
RETURNING id

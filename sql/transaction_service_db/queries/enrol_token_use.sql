UPDATE enrol_tokens
SET used_at = to_timestamp($2::bigint / 1000.0), used_by_key = $3, used_from = $4
WHERE secret_hash = $1 AND used_at IS NULL

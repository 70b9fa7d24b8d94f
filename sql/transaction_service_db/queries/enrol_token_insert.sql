INSERT INTO enrol_tokens (secret_hash, gate, terminal, gate_code, made_at, expires_at)
VALUES ($1, $2, $3, $4, to_timestamp($5::bigint / 1000.0), to_timestamp($6::bigint / 1000.0))

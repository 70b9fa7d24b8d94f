SELECT gate, terminal, gate_code, (extract(epoch FROM expires_at) * 1000)::bigint AS expires_ms,
       (extract(epoch FROM used_at) * 1000)::bigint AS used_ms, used_by_key
FROM enrol_tokens
WHERE secret_hash = $1
FOR UPDATE

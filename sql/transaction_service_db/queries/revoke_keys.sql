-- Every key that the node is known by. One that was revoked before stays as it is.
WITH known AS (
    SELECT public_key FROM sites WHERE node = $1 AND role = 'gate'
    UNION SELECT public_key FROM certificates WHERE node = $1
    UNION SELECT public_key FROM heartbeats WHERE node = $1
    UNION SELECT unnest($4::bytea[])
), revoked AS (
    INSERT INTO revoked_keys (public_key, node, revoked_at, reason)
    SELECT public_key, $1, to_timestamp($2::bigint / 1000.0), $3 FROM known
    ON CONFLICT (public_key) DO NOTHING
)
SELECT public_key FROM known ORDER BY public_key

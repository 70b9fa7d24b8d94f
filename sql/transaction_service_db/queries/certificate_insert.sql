INSERT INTO certificates (node, terminal, public_key, not_before, not_after, issued_at, reason)
VALUES ($1, $2, $3, to_timestamp($4::bigint / 1000.0), to_timestamp($5::bigint / 1000.0),
        to_timestamp($6::bigint / 1000.0), $7)

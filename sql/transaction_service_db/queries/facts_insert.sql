INSERT INTO facts (
    site, seq, index, at_ms, at_counter, kind, card, direction, terminal, gate, accepted, reason, hold, quoted,
    uncertainty_ms, fare_version, status, status_version, amount, content, hash
)
SELECT
    site, seq, index, at_ms, at_counter, kind, card, direction, terminal, gate, accepted, reason,
    hold::numeric / 100, quoted::numeric / 100,
    uncertainty_ms, fare_version, status, status_version, amount::numeric / 100, content, hash
FROM unnest(
    $1::uuid[], $2::bigint[], $3::integer[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::bigint[], $11::boolean[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[],
    $16::bigint[], $17::text[], $18::bigint[], $19::bigint[], $20::bytea[], $21::bytea[]
) AS f (
    site, seq, index, at_ms, at_counter, kind, card, direction, terminal, gate, accepted, reason, hold, quoted,
    uncertainty_ms, fare_version, status, status_version, amount, content, hash
)

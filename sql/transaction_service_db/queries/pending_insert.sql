INSERT INTO pending_transfers (
    card, revision, tap_site, tap_seq, tap_index, terminal, entered_ms, hold, state, resolved_revision, posted
)
SELECT card, revision, tap_site, tap_seq, tap_index, terminal, entered_ms, hold::numeric / 100, state,
       resolved_revision, posted::numeric / 100
FROM unnest(
    $1::text[], $2::bigint[], $3::uuid[], $4::bigint[], $5::integer[], $6::text[], $7::bigint[], $8::bigint[],
    $9::text[], $10::bigint[], $11::bigint[]
) AS p (
    card, revision, tap_site, tap_seq, tap_index, terminal, entered_ms, hold, state, resolved_revision, posted
)

-- Booked in the service day of $15, or in the first open one after it (D-49, T-40).
WITH day AS (
    INSERT INTO accounting_days (service_day)
    SELECT greatest(
        ((to_timestamp($15::bigint / 1000.0) AT TIME ZONE 'Asia/Jakarta') - interval '3 hours')::date,
        (SELECT max(service_day) + 1 FROM accounting_days WHERE closed_at IS NOT NULL)
    )
    ON CONFLICT (service_day) DO UPDATE SET service_day = excluded.service_day
    RETURNING service_day
)
INSERT INTO transfers (
    card, revision, line, rule, debit, credit, amount, reversal,
    fact_site, fact_seq, fact_index, exit_site, exit_seq, exit_index, service_day
)
SELECT t.card, t.revision, t.line, t.rule, t.debit, t.credit, t.amount::numeric / 100, t.reversal,
       t.fact_site, t.fact_seq, t.fact_index, t.exit_site, t.exit_seq, t.exit_index, day.service_day
FROM day, unnest(
    $1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::boolean[],
    $9::uuid[], $10::bigint[], $11::integer[], $12::uuid[], $13::bigint[], $14::integer[]
) AS t (
    card, revision, line, rule, debit, credit, amount, reversal,
    fact_site, fact_seq, fact_index, exit_site, exit_seq, exit_index
)

INSERT INTO balance_holds AS h (
    id, transaction_reference, entry_fact, card_id, user_id, terminal_code, terminal_id, hold_amount, captured, forfeited,
    completed, status, final_amount, created_at, expires_at, released_at, updated_at, position
)
SELECT
    coalesce(known.id, nextval('balance_holds_id_seq')), -- a known hold uses up no number
    n.reference, n.entry_fact, n.card, n.user_id, n.terminal, t.id, n.hold::numeric / 100, n.captured::numeric / 100,
    n.forfeited::numeric / 100, n.completed, n.status::hold_status_enum, n.final::numeric / 100,
    TIMESTAMPTZ 'epoch' + n.created_ms * INTERVAL '1 millisecond',
    TIMESTAMPTZ 'epoch' + (n.created_ms + $16::bigint) * INTERVAL '1 millisecond',
    TIMESTAMPTZ 'epoch' + n.released_ms * INTERVAL '1 millisecond',
    TIMESTAMPTZ 'epoch' + n.updated_ms * INTERVAL '1 millisecond',
    n.position
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::boolean[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[]
) AS n (
    reference, entry_fact, card, user_id, terminal, hold, captured, forfeited, completed, status, final, created_ms,
    released_ms, updated_ms, position
)
LEFT JOIN terminals AS t ON t.code = n.terminal
LEFT JOIN balance_holds AS known ON known.transaction_reference = n.reference
ORDER BY n.position, n.reference
ON CONFLICT (transaction_reference) DO UPDATE SET
    user_id = EXCLUDED.user_id,
    terminal_id = EXCLUDED.terminal_id,
    hold_amount = EXCLUDED.hold_amount,
    captured = EXCLUDED.captured,
    forfeited = EXCLUDED.forfeited,
    completed = EXCLUDED.completed,
    status = EXCLUDED.status,
    final_amount = EXCLUDED.final_amount,
    released_at = EXCLUDED.released_at,
    updated_at = EXCLUDED.updated_at,
    position = EXCLUDED.position

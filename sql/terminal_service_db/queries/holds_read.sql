-- The holds with the references $1, and those that are open of the cards $2.
SELECT
    transaction_reference,
    entry_fact,
    card_id,
    terminal_code,
    (hold_amount * 100)::bigint AS hold,
    (captured * 100)::bigint AS captured,
    (forfeited * 100)::bigint AS forfeited,
    completed,
    status = 'held' AS open,
    (extract(epoch FROM created_at) * 1000)::bigint AS created_ms,
    (extract(epoch FROM released_at) * 1000)::bigint AS released_ms,
    (extract(epoch FROM updated_at) * 1000)::bigint AS updated_ms,
    position
FROM balance_holds
WHERE transaction_reference = ANY($1::text[]) OR (status = 'held' AND card_id = ANY($2::text[]))

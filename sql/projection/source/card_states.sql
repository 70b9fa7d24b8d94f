SELECT card, revision, state, (balance * 100)::bigint AS balance, status, order_ms
FROM card_states
WHERE card = ANY($1::text[])

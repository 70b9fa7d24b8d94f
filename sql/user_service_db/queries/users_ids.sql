SELECT card_id, id FROM users WHERE card_id = ANY($1::text[])

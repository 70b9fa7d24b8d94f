INSERT INTO users (card_id) SELECT card FROM unnest($1::text[]) AS n (card) ORDER BY card
ON CONFLICT (card_id) DO NOTHING

INSERT INTO users (card_id)
SELECT n.card FROM unnest($1::text[]) AS n (card)
WHERE NOT EXISTS (SELECT FROM users AS known WHERE known.card_id = n.card)
ORDER BY n.card
ON CONFLICT (card_id) DO NOTHING

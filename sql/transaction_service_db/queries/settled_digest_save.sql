INSERT INTO settled_digest (cards, lanes) VALUES ($1, $2)
ON CONFLICT (one) DO UPDATE SET cards = excluded.cards, lanes = excluded.lanes

DELETE FROM facts_by_card
WHERE EXISTS (SELECT 1 FROM sites AS s WHERE s.ordinal = facts_by_card.site AND s.floor_seq >= facts_by_card.seq)

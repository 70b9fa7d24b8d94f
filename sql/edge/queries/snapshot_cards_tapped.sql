SELECT card, revision, facts, facts_hash, state
FROM snapshot_cards
WHERE card IN (SELECT DISTINCT f.card FROM facts_by_card AS f)

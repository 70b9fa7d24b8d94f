DELETE FROM snapshot_cards

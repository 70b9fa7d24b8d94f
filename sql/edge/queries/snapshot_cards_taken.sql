DELETE FROM snapshot_cards WHERE card <= ?1

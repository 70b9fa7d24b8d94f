DELETE FROM facts_by_card WHERE card = ?1 AND site = ?2 AND seq = ?3

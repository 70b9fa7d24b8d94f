SELECT count(*) FROM facts_by_card WHERE card = ?1

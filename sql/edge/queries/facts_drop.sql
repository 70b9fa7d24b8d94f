DELETE FROM facts_by_card WHERE site = ?1

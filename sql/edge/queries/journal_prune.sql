DELETE FROM journal WHERE site = ?1 AND seq <= ?2

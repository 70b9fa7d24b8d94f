DELETE FROM journal WHERE site = ?1

UPDATE gates SET address = ?2 WHERE id = ?1 AND address <> ?2

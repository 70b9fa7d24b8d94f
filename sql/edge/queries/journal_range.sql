SELECT seq, body, signature FROM journal WHERE site = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq

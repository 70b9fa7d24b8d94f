SELECT body FROM journal WHERE site = ?1 AND seq = ?2
UNION ALL
SELECT body FROM kept_bodies WHERE site = ?1 AND seq = ?2
LIMIT 1

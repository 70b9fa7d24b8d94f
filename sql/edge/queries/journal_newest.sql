SELECT seq, body FROM journal WHERE site = ?1 ORDER BY seq DESC

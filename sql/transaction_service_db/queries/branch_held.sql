SELECT seq, body FROM changesets WHERE site = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq LIMIT 16384

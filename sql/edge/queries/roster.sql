SELECT g.address
FROM gates AS g
JOIN terminals AS t ON t.id = g.terminal_id
WHERE t.code = ?1 AND g.id <> ?2 AND g.address <> '' AND g.status <> 'removed'
ORDER BY g.id
LIMIT ?3

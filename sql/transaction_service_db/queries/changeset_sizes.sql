SELECT seq, octet_length(body), signature
FROM changesets
WHERE site = $1 AND seq >= $2
ORDER BY seq
LIMIT $3

SELECT f.site, f.seq, f.index, f.at_ms, f.at_counter, f.content, f.hash
FROM facts f
WHERE f.card = $1
ORDER BY f.at_ms, f.at_counter, f.site, f.seq, f.index

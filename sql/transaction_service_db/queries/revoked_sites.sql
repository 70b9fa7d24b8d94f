SELECT site, accepted_seq, head_seq
FROM sites
WHERE node = $1 AND role = 'gate' AND accepted_seq IS NOT NULL
ORDER BY site

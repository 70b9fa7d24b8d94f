INSERT INTO kept_bodies (site, seq, body)
SELECT j.site, j.seq, j.body
FROM journal AS j
WHERE j.site = ?1
  AND j.seq <= ?2
  AND (
      EXISTS (SELECT 1 FROM unapplied AS u WHERE u.site = j.site AND u.seq = j.seq)
      OR EXISTS (SELECT 1 FROM quarantine AS q WHERE q.site = j.site AND q.seq = j.seq)
  )
ON CONFLICT (site, seq) DO NOTHING

-- What is held counts, and what an operator names beyond it; of a site that was revoked before what is named now.
UPDATE sites
SET accepted_seq = CASE WHEN accepted_seq IS NULL THEN greatest(head_seq, n.last_seq) ELSE n.last_seq END
FROM (SELECT s.site, m.last_seq
      FROM sites AS s
      LEFT JOIN unnest($2::uuid[], $3::bigint[]) AS m (site, last_seq) ON m.site = s.site
      WHERE s.node = $1 AND s.role = 'gate' AND (s.accepted_seq IS NULL OR m.site IS NOT NULL)) AS n
WHERE sites.site = n.site

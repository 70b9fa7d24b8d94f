-- At most 8 of a site and 1,024 in all are kept; the first stay. One of a site that an operator has decided is decided.
INSERT INTO site_branches (site, last_chain, first_seq, last_seq, run, decided_at)
SELECT $1, $2, $3, $4, $5, (SELECT max(decided_at) FROM site_branches WHERE site = $1)
WHERE ((SELECT count(*) FROM site_branches WHERE site = $1) < 8 AND (SELECT count(*) FROM site_branches) < 1024)
   OR EXISTS (SELECT FROM site_branches WHERE site = $1 AND last_chain = $2)
ON CONFLICT (site, last_chain) DO UPDATE SET times = site_branches.times + 1, last_seen_at = now()

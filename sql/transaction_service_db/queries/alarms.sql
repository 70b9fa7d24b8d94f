-- Sites with branches that nobody has decided, nodes of which two processes were seen in the last ten minutes, closed
-- sites that wrote on.
SELECT (SELECT count(DISTINCT site) FROM site_branches WHERE decided_at IS NULL),
       (SELECT count(DISTINCT node) FROM cloned_nodes
        WHERE last_seen_at > to_timestamp($1::bigint / 1000.0) - interval '10 minutes'),
       (SELECT coalesce(sum(reopened), 0)::bigint FROM sites)

SELECT node, shown_by, sites, episodes,
       (extract(epoch FROM first_seen_at) * 1000)::bigint, (extract(epoch FROM last_seen_at) * 1000)::bigint
FROM cloned_nodes
ORDER BY node, shown_by

-- Seen again after ten minutes without it is another episode. Returns whether this one begins.
INSERT INTO cloned_nodes AS c (node, shown_by, sites, first_seen_at, last_seen_at)
VALUES ($1, $2, $3, to_timestamp($4::bigint / 1000.0), to_timestamp($4::bigint / 1000.0))
ON CONFLICT (node, shown_by) DO UPDATE
SET sites = CASE WHEN cardinality(excluded.sites) > 0 THEN excluded.sites ELSE c.sites END,
    episodes = c.episodes + CASE WHEN excluded.last_seen_at - c.last_seen_at > interval '10 minutes' THEN 1 ELSE 0 END,
    first_seen_at = CASE WHEN excluded.last_seen_at - c.last_seen_at > interval '10 minutes'
                         THEN excluded.first_seen_at ELSE c.first_seen_at END,
    last_seen_at = greatest(excluded.last_seen_at, c.last_seen_at)
RETURNING first_seen_at = to_timestamp($4::bigint / 1000.0)

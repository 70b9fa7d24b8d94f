UPDATE site_branches SET decided_at = now() WHERE site = $1 AND decided_at IS NULL

SELECT (SELECT count(*) FROM quarantine), (SELECT runs FROM refused_count), (SELECT coalesce(sum(reopened), 0)::bigint FROM sites)

SELECT coalesce(min(position), 1) FROM outbox

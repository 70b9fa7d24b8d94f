-- Edits of shared tables are few: they are merged one batch at a time.
SELECT pg_advisory_xact_lock(1953653876, 2)

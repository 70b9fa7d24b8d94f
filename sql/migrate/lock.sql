-- Held by the connection, so two hubs that start at once migrate one after the other. Two numbers of our own: any will do.
SELECT pg_advisory_lock(1953653876, 1)

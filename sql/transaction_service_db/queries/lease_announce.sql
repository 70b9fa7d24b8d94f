-- Held for as long as this connection stands: a hub that hears its gates out before it asks for the lease.
SELECT pg_advisory_lock_shared($1)
